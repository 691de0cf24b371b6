package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.ScoringOptions;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** The library's results without Spark, and whether Spark gave the same bits. */
final class SingleProcess {
    static final CausalLM MODEL = AustenModel.load();

    private SingleProcess() {}

    static List<Score> scores(List<String> texts) {
        return new Scorer(MODEL).score(texts, ScoringOptions.DEFAULT);
    }

    /** Checks rows with an id and a struct of scores. */
    static void requireEqual(Dataset<Row> scored, List<Score> expected) {
        List<Row> rows = scored.select("id", "score.*").collectAsList();
        assertThat(rows).hasSize(expected.size());
        for (Row row : rows) {
            Score score = expected.get(Math.toIntExact(row.<Long>getAs("id")));
            assertThat(row.<String>getAs("error")).isNull();
            assertThat(bits(row, "nll"))
                    .isEqualTo(Double.doubleToLongBits(score.totals().nll()));
            assertThat(bits(row, "perplexity")).isEqualTo(Double.doubleToLongBits(score.perplexity()));
            assertThat(row.<Long>getAs("tokens")).isEqualTo(score.totals().scoredTokens());
            assertThat(row.<Long>getAs("bytes")).isEqualTo(score.totals().scoredBytes());
        }
    }

    /** Checks rows with a prompt and the text generated after it. */
    static void requireEqualTexts(Dataset<Row> generated, GenerationOptions options) {
        requireEqual(generated.select("text", "generation"), "text", options);
    }

    /** Checks rows with a prompt and a struct with the text generated after it in a field. */
    static void requireEqual(Dataset<Row> generated, String field, GenerationOptions options) {
        Generator generator = new Generator(MODEL);
        for (Row row : generated.collectAsList()) {
            Row generation = row.getStruct(1);
            GenerationOptions own = options.withSeed(generation.getAs("seed"));
            assertThat(generation.<String>getAs("error")).isNull();
            assertThat(generation.<String>getAs(field))
                    .isEqualTo(generator.generate(row.getString(0), own).text());
        }
    }

    private static long bits(Row row, String field) {
        return Double.doubleToLongBits(row.<Double>getAs(field));
    }
}
