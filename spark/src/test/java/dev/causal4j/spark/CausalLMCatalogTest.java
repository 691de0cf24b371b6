package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.scoring.Score;
import java.util.List;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

class CausalLMCatalogTest {
    private final SparkSession spark = LocalSession.get();

    @Test
    void scoresOfSqlHaveTheBitsOfASingleProcess() {
        List<String> texts = Texts.of(12);
        Texts.dataset(spark, texts, 2).createOrReplaceTempView("texts");
        Dataset<Row> scored = spark.sql("SELECT id, lm.score(text) AS score FROM texts");
        SingleProcess.requireEqual(scored, SingleProcess.scores(texts));
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aBadRowAndANullHaveAnError() {
        assertThat(first("SELECT lm.score(NULL).error").getString(0)).isEqualTo("score: expected values, got null");
        assertThat(first("SELECT lm.score(NULL).nll").isNullAt(0)).isTrue();
        assertThat(first("SELECT lm.score('').error").getString(0)).startsWith("text: expected at least two tokens");
        assertThat(first("SELECT lm.rank('Emma was', array(' kind', NULL)).error")
                        .getString(0))
                .isEqualTo("choice 2: expected a text, got null");
        assertThat(first("SELECT lm.generate('Emma was', map('heat', '1')).error")
                        .getString(0))
                .contains("got \"heat\"");
        assertThat(first("SELECT lm.generate('Emma was', map('top_k', 'x')).error")
                        .getString(0))
                .isEqualTo("top_k: expected a number, got \"x\"");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void logProbabilitiesAndRanksComeFromSql() {
        Score score = SingleProcess.scores(List.of("Emma was very kind.")).getFirst();
        assertThat(first("SELECT lm.log_probabilities('Emma was very kind.').logprobs[1]")
                        .getDouble(0))
                .isEqualTo(score.predictions().getFirst().logProbability());
        assertThat(first("SELECT lm.rank('Emma was', array(' a zebra', ' very kind')).order[0]")
                        .getInt(0))
                .isEqualTo(1);
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void textsOfSqlAreThoseOfTheirSeeds() {
        Row row = first("SELECT g.text, g.seed FROM (SELECT lm.generate('Emma was', map('max_new_tokens', 8)) AS g)");
        assertThat(row.getLong(1))
                .isEqualTo(first("SELECT xxhash64('Emma was')").getLong(0));
        GenerationOptions options =
                GenerationOptions.DEFAULT.withMaxNewTokens(8).withSeed(row.getLong(1));
        assertThat(row.getString(0))
                .isEqualTo(new Generator(SingleProcess.MODEL)
                        .generate("Emma was", options)
                        .text());
        assertThat(first("SELECT lm.generate('Emma was', map('max_new_tokens', 2, 'seed', 7)).seed")
                        .getLong(0))
                .isEqualTo(7);
        // Spark makes the values of a map one type, here a decimal.
        assertThat(first("SELECT lm.generate('Emma was', map('max_new_tokens', 2, 'temperature', 0.8, 'seed', 7)).seed")
                        .getLong(0))
                .isEqualTo(7);
        assertThat(first("SELECT lm.generate('Emma was').finish_reason").getString(0))
                .isIn("length", "eos");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void whatIsNotKnownIsRefusedInOneLine() {
        assertThatThrownBy(() -> first("SELECT lm.score('a', 'b')"))
                .hasMessageContaining("score: expected score(text), got 2 arguments");
        assertThatThrownBy(() -> first("SELECT lm.score(map('a', 'b'))")).isInstanceOf(AnalysisException.class);
        assertThatThrownBy(() -> first("SELECT lm.nothing('a')")).hasMessageContaining("nothing");
        spark.conf().set("spark.sql.catalog.other", CausalLMCatalog.class.getName());
        spark.conf().set("spark.sql.catalog.other.heat", "1");
        assertThatThrownBy(() -> first("SELECT other.score('a')"))
                .hasMessage("spark.sql.catalog.other: expected the settings model, dtype and threads, got heat");
        spark.conf().set("spark.sql.catalog.third", CausalLMCatalog.class.getName());
        spark.conf().set("spark.sql.catalog.third.dtype", "bf17");
        assertThatThrownBy(() -> first("SELECT third.score('a')"))
                .hasMessage("dtype: expected f32, f16, bf16, int8 or int4, got bf17");
    }

    private Row first(String query) {
        return spark.sql(query).first();
    }
}
