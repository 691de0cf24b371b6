package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** The Java example of README.md, which {@code ReadmeTest} compares with this file. */
class GuideTest {
    private static Dataset<Row> example(Dataset<Row> texts) {
        // example: begin
        SparkCausalLM lm = SparkCausalLM.of(ModelSource.of("/models/gpt2")); // a path that all executors have
        Dataset<Row> scored = lm.score(texts, "text"); // the column score: nll, tokens, perplexity, error, ...
        return lm.generate(scored, "text", options -> options.maxNewTokens(20), "id"); // seeded by the row's id
        // example: end
    }

    @Test
    void theExampleAddsTwoColumns() {
        SparkSession spark = LocalSession.get();
        assertThat(example(Texts.dataset(spark, List.of("Emma was"), 1)).columns())
                .containsExactly("id", "text", "score", "generation");
    }
}
