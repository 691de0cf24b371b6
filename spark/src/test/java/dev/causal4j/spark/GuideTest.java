package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

/** The Java examples of the guide, which {@code ReadmeTest} compares with this file. */
class GuideTest {
    private static void example() {
        // example: begin
        SparkSession spark = SparkSession.builder().master("local[2]").getOrCreate(); // on a cluster without master
        Dataset<Row> texts = spark.sql("SELECT 1 AS id, 'Emma was very kind.' AS text");
        SparkCausalLM lm = SparkCausalLM.of(ModelSource.of("")); // the embedded one; or a path that all executors have
        Dataset<Row> scored = lm.score(texts, "text"); // the column score: nll, tokens, perplexity, error, ...
        Dataset<Row> written =
                lm.generate(scored, "text", options -> options.withMaxNewTokens(20), "id"); // seeded by id
        written.select("score.perplexity", "generation.tokens").collectAsList().forEach(System.out::println);
        // example: end
    }

    private static void typed(SparkCausalLM lm, Dataset<Row> texts) {
        // example: begin
        StructType type = StructType.fromDDL("name string not null, born date, price decimal(8,2) not null");
        Dataset<Row> typed = lm.extract(texts, "text", type, options -> options.withMaxNewTokens(200), "id");
        typed.select("id", "extraction.value.*").show();
        // example: end
    }

    @Test
    void theFirstExampleScoresAndGoesOn() {
        LocalSession.get(); // the example then gets it
        PrintStream standardOutput = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            example();
        } finally {
            System.setOut(standardOutput);
        }
        assertThat(printed.toString(StandardCharsets.UTF_8)).isEqualTo("[16.568407249368207,20]\n");
    }

    @Test
    void theExampleOfTypesRuns() {
        Dataset<Row> texts = Texts.dataset(LocalSession.get(), List.of("Emma was"), 1);
        typed(SparkCausalLM.of(ModelSource.of("")), texts);
    }
}
