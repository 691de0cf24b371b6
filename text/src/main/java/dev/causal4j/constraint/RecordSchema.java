package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.json.Json;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The JSON Schema of a record type, and its answers as records: a record type in, a typed answer out.
 *
 * <p>Components are strings, {@code int}, {@code long}, {@code double}, {@code boolean} or their boxes, {@code BigDecimal},
 * {@code LocalDate}, enums, records (also recursive ones), {@code List} of these, and {@code Optional} of these, which may
 * be absent. Properties are written in the order of the components, others not at all. Immutable and thread-safe.
 *
 * @param <T> the record type
 */
public final class RecordSchema<T extends Record> {
    private static final Map<Type, Map<String, Object>> SIMPLE = Map.of(
            String.class, Json.object("type", "string"),
            Integer.class, whole(Integer.MIN_VALUE, Integer.MAX_VALUE),
            Long.class, whole(Long.MIN_VALUE, Long.MAX_VALUE),
            Double.class, Json.object("type", "number"),
            BigDecimal.class, Json.object("type", "number"),
            Boolean.class, Json.object("type", "boolean"),
            LocalDate.class, Json.object("type", "string", "format", "date"));

    private final Class<T> type;
    private final String schema;

    private RecordSchema(Class<T> type) {
        this.type = type;
        Map<String, Object> definitions = new LinkedHashMap<>();
        Map<String, Object> root = new LinkedHashMap<>();
        define(type, root, definitions); // at the root, where templates look for a tool's properties
        if (!definitions.isEmpty()) {
            root.put("$defs", definitions);
        }
        this.schema = new String(Json.write(root), StandardCharsets.UTF_8);
    }

    /**
     * The schema of a record type.
     *
     * @throws IllegalArgumentException if a component has another type than those above
     */
    public static <T extends Record> RecordSchema<T> of(Class<T> type) {
        return new RecordSchema<>(type);
    }

    /** The schema as JSON. */
    public String schema() {
        return schema;
    }

    /**
     * A tool whose arguments are documents of the schema: {@link #read} makes a record of them.
     *
     * @param text what the tool does, for the model
     */
    public ToolDefinition tool(String name, String text) {
        return ToolDefinition.of(name, text, schema);
    }

    /** Documents of the schema, with flexible white space. */
    public Constraint constraint() {
        return Constraint.schema(schema);
    }

    /**
     * Reads a document of the schema.
     *
     * @throws FormatException if it is another text, such as an answer that was cut
     */
    public T read(String json) throws FormatException {
        Object value = Json.exactValue("answer", json.getBytes(StandardCharsets.UTF_8));
        return type.cast(value("answer", type, value));
    }

    private static Map<String, Object> whole(long least, long most) {
        return Json.object("type", "integer", "minimum", least, "maximum", most);
    }

    private Map<String, Object> schema(Type of, Map<String, Object> definitions) {
        Map<String, Object> simple = SIMPLE.get(of);
        if (simple != null) {
            return simple;
        } else if (of == type) {
            return Json.object("$ref", "#");
        } else if (of instanceof Class<?> constants && constants.isEnum()) {
            return Json.object(
                    "enum",
                    Arrays.stream(constants.getEnumConstants())
                            .map(Object::toString)
                            .toList());
        } else if (of instanceof Class<?> inner && inner.isRecord()) {
            if (!definitions.containsKey(inner.getName())) {
                Map<String, Object> definition = new LinkedHashMap<>();
                definitions.put(inner.getName(), definition); // before its components, which may be of it
                define(inner, definition, definitions);
            }
            return Json.object("$ref", "#/$defs/" + inner.getName());
        }
        Type item = argument(of, List.class);
        if (item != null) {
            return Json.object("type", "array", "items", schema(item, definitions));
        }
        throw new IllegalArgumentException(
                "record schema: expected a String, number, boolean, LocalDate, enum, record, List"
                        + " or an Optional component, got " + of.getTypeName());
    }

    private void define(Class<?> of, Map<String, Object> definition, Map<String, Object> definitions) {
        Map<String, Object> properties = new LinkedHashMap<>();
        List<String> required = new ArrayList<>();
        for (RecordComponent component : of.getRecordComponents()) {
            Type optional = argument(type(component), Optional.class);
            properties.put(component.getName(), schema(optional == null ? type(component) : optional, definitions));
            if (optional == null) {
                required.add(component.getName());
            }
        }
        definition.putAll(Json.object(
                "type", "object", "properties", properties, "required", required, "additionalProperties", false));
    }

    /** The type of a component, of a primitive one the box. */
    private static Type type(RecordComponent component) {
        return component.getType().isPrimitive()
                ? MethodType.methodType(component.getType()).wrap().returnType()
                : component.getGenericType();
    }

    /** The T of a {@code List<T>}, if it is one. */
    private static @Nullable Type argument(Type type, Class<?> of) {
        return type instanceof ParameterizedType generic && generic.getRawType() == of
                ? generic.getActualTypeArguments()[0]
                : null;
    }

    private static Object value(String place, Type type, @Nullable Object json) throws FormatException {
        try {
            return switch (json) {
                case String text when type == String.class -> text;
                case String text when type == LocalDate.class -> LocalDate.parse(text);
                case String text when type instanceof Class<?> of && of.isEnum() -> constant(place, of, text);
                case Boolean flag when type == Boolean.class -> flag;
                case Number number when type == Integer.class -> exact(number).intValueExact();
                case Number number when type == Long.class -> exact(number).longValueExact();
                case Number number when type == Double.class -> number.doubleValue();
                case Number number when type == BigDecimal.class -> exact(number);
                case List<?> list
                when argument(type, List.class) != null -> {
                    Type item = Objects.requireNonNull(argument(type, List.class));
                    List<Object> items = new ArrayList<>();
                    for (Object each : list) {
                        items.add(value(place + "[" + items.size() + "]", item, each));
                    }
                    yield List.copyOf(items);
                }
                case Map<?, ?> object when type instanceof Class<?> of && of.isRecord() -> make(place, of, object);
                case null, default -> throw wrong(place, type, json);
            };
        } catch (ArithmeticException | DateTimeParseException e) {
            throw wrong(place, type, json);
        }
    }

    private static FormatException wrong(String place, Type type, @Nullable Object json) {
        return new FormatException(place, type.getTypeName(), Json.describe(json), "was the answer cut?");
    }

    private static Object constant(String place, Class<?> type, String name) throws FormatException {
        return Stream.<Object>of(type.getEnumConstants())
                .filter(constant -> constant.toString().equals(name))
                .findFirst()
                .orElseThrow(() -> wrong(place, type, name));
    }

    private static BigDecimal exact(Number number) {
        return new BigDecimal(number.toString());
    }

    private static Object make(String place, Class<?> type, Map<?, ?> object) throws FormatException {
        RecordComponent[] components = type.getRecordComponents();
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            String name = components[i].getName();
            Type optional = argument(type(components[i]), Optional.class);
            Object value = object.get(name);
            String inner = place + ", key " + quote(name);
            values[i] = optional == null
                    ? value(inner, type(components[i]), value)
                    : value == null || Json.NULL.equals(value)
                            ? Optional.empty()
                            : Optional.of(value(inner, optional, value));
        }
        try {
            Class<?>[] types =
                    Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
        } catch (ReflectiveOperationException e) {
            String got = e.getCause() == null ? e.toString() : e.getCause().toString();
            throw new FormatException(
                    place, "values that " + type.getName() + " takes", quote(got), "mend the record", e);
        }
    }
}
