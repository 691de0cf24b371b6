package dev.causal4j.spark;

import dev.causal4j.json.Json;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DateType;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.TimestampType;

/** The JSON Schema of the documents that Spark reads as a type. */
final class SchemaOfType {
    private static final String TYPE = "type";

    private SchemaOfType() {}

    /** @throws IllegalArgumentException if a type cannot be written as JSON, naming its place */
    static String json(StructType type) {
        return new String(Json.write(schema(type, "")), StandardCharsets.UTF_8);
    }

    private static Map<String, Object> schema(DataType type, String place) {
        return switch (type) {
            case StringType _ -> Map.of(TYPE, "string");
            case BooleanType _ -> Map.of(TYPE, "boolean");
            case ByteType _ -> integer(Byte.MIN_VALUE, Byte.MAX_VALUE);
            case ShortType _ -> integer(Short.MIN_VALUE, Short.MAX_VALUE);
            case IntegerType _ -> integer(Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LongType _ -> integer(Long.MIN_VALUE, Long.MAX_VALUE);
            case FloatType _, DoubleType _ -> Map.of(TYPE, "number");
            case DecimalType decimal -> decimal(decimal.precision(), decimal.scale());
            case DateType _ -> Map.of(TYPE, "string", "format", "date");
            case TimestampType _ -> Map.of(TYPE, "string", "format", "date-time");
            case ArrayType array ->
                Map.of(TYPE, "array", "items", schema(array.elementType(), array.containsNull(), place + "[]"));
            case MapType map
            when map.keyType() instanceof StringType ->
                Map.of(
                        TYPE,
                        "object",
                        "additionalProperties",
                        schema(map.valueType(), map.valueContainsNull(), place + "{}"));
            case StructType struct -> object(struct, place);
            default ->
                throw new IllegalArgumentException("type" + (place.isEmpty() ? "" : " of " + place)
                        + ": expected strings, booleans, numbers, dates, timestamps, and arrays, maps from strings and"
                        + " structs of them, got " + type.catalogString());
        };
    }

    private static Map<String, Object> schema(DataType type, boolean nullable, String place) {
        Map<String, Object> schema = schema(type, place);
        return nullable ? Map.of("anyOf", List.of(schema, Map.of(TYPE, "null"))) : schema;
    }

    private static Map<String, Object> object(StructType struct, String place) {
        Map<String, Object> properties = new LinkedHashMap<>();
        List<String> names = new ArrayList<>(Arrays.asList(struct.fieldNames()));
        for (StructField field : struct.fields()) {
            String at = place.isEmpty() ? field.name() : place + "." + field.name();
            properties.put(field.name(), schema(field.dataType(), field.nullable(), at));
        }
        return Map.of(TYPE, "object", "properties", properties, "required", names, "additionalProperties", false);
    }

    private static Map<String, Object> integer(long least, long most) {
        return Map.of(TYPE, "integer", "minimum", least, "maximum", most);
    }

    private static Map<String, Object> decimal(int precision, int scale) {
        BigDecimal most = new BigDecimal(BigInteger.TEN.pow(precision).subtract(BigInteger.ONE), scale);
        BigDecimal unit = BigDecimal.ONE.movePointLeft(scale);
        return Map.of(TYPE, "number", "minimum", most.negate(), "maximum", most, "multipleOf", unit);
    }
}
