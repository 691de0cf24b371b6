package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

class ExtractTest {
    private static final SparkCausalLM LM = SparkCausalLM.of(ModelSource.embedded());
    private static final String TYPES =
            "kind boolean not null, age tinyint not null, pence decimal(4,2), born date not null,"
                    + " at timestamp not null, share double not null, who struct<girl: boolean> not null, ages array<smallint> not null";

    private final SparkSession spark = LocalSession.get();

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void eachRowHasAValueOfTheType() {
        StructType type = StructType.fromDDL(TYPES);
        List<String> prompts = Arrays.asList("Emma was", "Mr. Knightley said", null, "It is a truth");
        Dataset<Row> data = Texts.dataset(spark, prompts, 2);
        GenerationSettings settings =
                options -> options.withMaxNewTokens(400).withTemperature(1).withLogProbabilities(0);
        Dataset<Row> extracted = LM.extract(data, "text", type, settings, "id");
        List<Row> rows = extracted.orderBy("id").collectAsList();
        assertThat(extracted.columns()).containsExactly("id", "text", "extraction");
        assertThat(rows.get(2).getStruct(2).<String>getAs("error")).isEqualTo("text: expected a value, got null");
        for (int i : new int[] {0, 1, 3}) {
            Row found = rows.get(i).getStruct(2);
            if (found.<String>getAs("error") != null) {
                assertThat(found.<String>getAs("error")).contains("expected an end within max_new_tokens");
                continue;
            }
            Row value = found.getAs("value");
            assertThat(value.<Boolean>getAs("kind")).isNotNull();
            assertThat(value.<Byte>getAs("age")).isNotNull();
            assertThat(value.<BigDecimal>getAs("pence")).matches(each -> each == null || each.scale() == 2);
            assertThat(value.<Object>getAs("born")).isNotNull();
            assertThat(value.<Object>getAs("at")).isNotNull();
            assertThat(value.<Double>getAs("share")).isNotNull();
            assertThat(value.<Row>getAs("who").isNullAt(0)).isIn(true, false);
            assertThat(found.<Double>getAs("lost_logprob")).isPositive();
        }
        assertThat(rows.stream().filter(row -> row.getStruct(2).<String>getAs("error") == null))
                .as("documents that ended")
                .isNotEmpty();
        assertThat(LM.extract(data.coalesce(1), "text", type, settings, "id")
                        .orderBy("id")
                        .collectAsList())
                .isEqualTo(rows);
    }

    @Test
    void sqlGivesTheDocument() {
        spark.conf().set("spark.sql.catalog.extracting", CausalLMCatalog.class.getName());
        String schema = "{\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"boolean\"}},\"required\":[\"kind\"],"
                + "\"additionalProperties\":false}";
        Row row = spark.sql(
                        "SELECT from_json(extracting.extract('Emma was', '" + schema + "').json, 'kind boolean').kind,"
                                + " extracting.extract('Emma was', '{\"not\":{}, \"if\":{}}').error")
                .first();
        assertThat(row.isNullAt(0)).isFalse();
        assertThat(row.getString(1)).startsWith("schema: ");
    }

    @Test
    void aTypeThatJsonDoesNotHaveIsRefusedBeforeTheJob() {
        Dataset<Row> data = Texts.dataset(spark, List.of("Emma"), 1);
        StructType type = StructType.fromDDL("a struct<b: array<binary>>");
        assertThatThrownBy(() -> LM.extract(data, "text", type, GenerationSettings.NONE))
                .hasMessageStartingWith("type of a.b[]: expected strings, booleans, numbers,")
                .hasMessageEndingWith("got binary");
        assertThatThrownBy(() -> LM.extract(data, "text", "{\"if\":{}}", GenerationSettings.NONE))
                .hasMessageContaining("\"if\"");
    }
}
