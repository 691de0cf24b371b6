package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Percentage.withPercentage;

import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.Test;

class SparkCausalLMTest {
    private static final SparkCausalLM LM = SparkCausalLM.of(ModelSource.embedded());

    private final SparkSession spark = LocalSession.get();

    @Test
    void scoresHaveTheBitsOfASingleProcess() {
        List<String> texts = Texts.of(53);
        LongAccumulator tokens = spark.sparkContext().longAccumulator("tokens");
        List<Score> expected = SingleProcess.scores(texts);
        SingleProcess.requireEqual(LM.withTokens(tokens).score(Texts.dataset(spark, texts, 3), "text"), expected);
        assertThat(tokens.sum())
                .isEqualTo(expected.stream()
                        .mapToLong(each -> each.totals().scoredTokens())
                        .sum());
        SingleProcess.requireEqual(
                LM.withBatchRows(1).score(Texts.dataset(spark, texts.subList(0, 5), 1), "text"),
                expected.subList(0, 5));
    }

    @Test
    void aBadRowAndANullHaveAnError() {
        List<String> texts = Arrays.asList("Emma was", "", null, "a", "<|endoftext|>", "Emma was");
        List<Row> rows =
                LM.score(Texts.dataset(spark, texts, 1), "text").orderBy("id").collectAsList();
        assertThat(rows).hasSize(texts.size());
        assertThat(rows.get(0).getStruct(2).<String>getAs("error")).isNull();
        assertThat(rows.get(1).getStruct(2).<String>getAs("error"))
                .isEqualTo("text: expected at least two tokens (the first has no prediction), got none;"
                        + " give a longer text or a prefix");
        assertThat(rows.get(1).getStruct(2).isNullAt(0)).isTrue();
        assertThat(rows.get(2).getStruct(2).<String>getAs("error")).isEqualTo("text: expected a value, got null");
        assertThat(rows.get(3).getStruct(2).<String>getAs("error")).contains("got one");
        assertThat(rows.get(4).getStruct(2).<Long>getAs("tokens"))
                .as("plain text")
                .isGreaterThan(1);
        assertThat(rows.get(5).getStruct(2)).isEqualTo(rows.get(0).getStruct(2));
    }

    @Test
    void vectorsAreThoseOfTheEmbedder() throws IOException {
        Path folder = Path.of("../core/src/test/resources/dev/causal4j/golden/embedding-last")
                .toAbsolutePath();
        List<String> texts = Texts.of(9);
        List<Row> rows = SparkCausalLM.of(ModelSource.of(folder.toString(), null))
                .embed(Texts.dataset(spark, texts, 2), "text", "query")
                .orderBy("id")
                .collectAsList();
        try (CausalLM model = CausalLM.load(folder)) {
            Embedder embedder = Embedder.of(model);
            for (int i = 0; i < texts.size(); i++) {
                float[] expected = embedder.embed(embedder.prompted("query", texts.get(i)));
                List<Float> vector = rows.get(i).getStruct(2).getList(0);
                assertThat(vector).hasSize(expected.length);
                for (int d = 0; d < expected.length; d++) {
                    assertThat(vector.get(d)).isEqualTo(expected[d]);
                }
                assertThat(rows.get(i).getStruct(2).<String>getAs("error")).isNull();
            }
        }
        Row none =
                LM.embed(Texts.dataset(spark, List.of("Emma"), 1), "text", "").first();
        assertThat(none.getStruct(2).<String>getAs("error")).startsWith("model: expected one whose files say");
    }

    @Test
    void logProbabilitiesAreThoseOfTheTokens() {
        String text = "Emma was very kind.";
        Score score = SingleProcess.scores(List.of(text)).getFirst();
        Row row = LM.logProbabilities(Texts.dataset(spark, List.of(text), 1), "text")
                .first()
                .getStruct(2);
        assertThat(row.<Integer>getList(0))
                .containsExactlyElementsOf(Arrays.stream(score.tokens()).boxed().toList());
        assertThat(row.<String>getList(1)).isEqualTo(score.pieces());
        assertThat(row.<Double>getList(2).getFirst()).isNull();
        assertThat(row.<Double>getList(2).getLast())
                .isEqualTo(score.predictions().getLast().logProbability());
        assertThat(row.<Integer>getList(3).getLast())
                .isEqualTo(score.predictions().getLast().rank());
    }

    @Test
    void aRowsTextDependsOnItsKeyAlone() {
        Dataset<Row> prompts = Texts.dataset(spark, Texts.of(7), 2);
        GenerationSettings settings = options -> options.withMaxNewTokens(8).withTemperature(0.8);
        Dataset<Row> generated = LM.generate(prompts, "text", settings, "id").cache();
        SingleProcess.requireEqualTexts(
                generated,
                GenerationOptions.DEFAULT
                        .withTruncatePrompt(true)
                        .withMaxNewTokens(8)
                        .withTemperature(0.8));
        assertThat(generated.columns()).containsExactly("id", "text", "generation");
        assertThat(generated.filter("generation.seed = xxhash64(id)").count()).isEqualTo(7);
        List<Row> one = LM.generate(prompts.coalesce(1), "text", settings, "id")
                .orderBy("id")
                .collectAsList();
        assertThat(one).isEqualTo(generated.orderBy("id").collectAsList());
    }

    @Test
    void choicesAreRankedAsInASingleProcess() {
        List<String> choices = List.of(" a zebra", " very kind");
        StructType schema = new StructType()
                .add("prompt", DataTypes.StringType)
                .add("choices", DataTypes.createArrayType(DataTypes.StringType));
        Dataset<Row> data = spark.createDataFrame(
                List.of(
                        RowFactory.create("Emma was", choices.toArray()),
                        RowFactory.create("Emma was", new Object[] {" kind", null}),
                        RowFactory.create("Emma was", null)),
                schema);
        List<Row> rows = LM.rank(data.coalesce(1), "prompt", "choices").collectAsList();
        Ranking expected = new Scorer(SingleProcess.MODEL).rank("Emma was", choices);
        Row ranking = rows.get(0).getStruct(2);
        assertThat(ranking.<Double>getList(0))
                .containsExactly(
                        expected.logProbability(0, Normalization.SUM), expected.logProbability(1, Normalization.SUM));
        assertThat(ranking.<Integer>getList(3)).isEqualTo(expected.order(Normalization.PER_TOKEN));
        assertThat(rows.get(1).getStruct(2).<String>getAs("error")).isEqualTo("choice 2: expected a text, got null");
        assertThat(rows.get(2).getStruct(2).<String>getAs("error")).isEqualTo("choices: expected a value, got null");
    }

    @Test
    void whatCannotWorkIsRefusedBeforeTheJob() {
        Dataset<Row> data = Texts.dataset(spark, List.of("Emma"), 1);
        assertThatThrownBy(() -> LM.score(data, "txt"))
                .hasMessage("column txt: expected one of type string, got columns id, text");
        assertThatThrownBy(() -> LM.score(data, "id")).hasMessage("column id: expected one of type string, got bigint");
        assertThatThrownBy(() -> LM.score(LM.score(data, "text"), "text"))
                .hasMessage("column score: expected no such column, got one; rename it");
        assertThatThrownBy(() -> LM.generate(data, "text", options -> options.withTemperature(-1)))
                .hasMessageStartingWith("temperature: expected a finite number >= 0");
        assertThatThrownBy(
                        () -> LM.generate(data, "text", GenerationSettings.of(Collections.singletonMap("heat", "1"))))
                .hasMessageContaining("got \"heat\"");
        assertThatThrownBy(() -> LM.withBatchRows(0)).hasMessageContaining("batch-rows");
        assertThatThrownBy(() -> ModelSource.embedded().withThreads(-1)).hasMessageContaining("threads");
    }

    @Test
    void aModelThatAnExecutorCannotReadIsNamed() {
        SparkCausalLM missing =
                SparkCausalLM.of(ModelSource.of("/no/such/model").withDtype(DType.BF16));
        Dataset<Row> scored = missing.score(Texts.dataset(spark, List.of("Emma was"), 1), "text");
        assertThatThrownBy(scored::collectAsList)
                .hasStackTraceContaining("model /no/such/model bf16: expected a model that this executor can read, got"
                        + " /no/such/model: expected a model's folder or GGUF file, got no such folder");
    }

    @Test
    void anotherDtypeIsAnotherModel() {
        Dataset<Row> data = Texts.dataset(spark, List.of("Emma was very kind."), 1);
        double stored = LM.score(data, "text").select("score.nll").first().getDouble(0);
        double int8 = SparkCausalLM.of(ModelSource.embedded().withDtype(DType.INT8))
                .score(data, "text")
                .select("score.nll")
                .first()
                .getDouble(0);
        assertThat(int8).isNotEqualTo(stored).isCloseTo(stored, withPercentage(2));
    }

    @Test
    void aCancelledJobEndsItsTasks() throws Exception {
        Dataset<Row> endless = spark.range(0, 1_000_000, 1, 2)
                .withColumn("text", functions.expr("concat('Emma was very kind, and so was number ', id)"));
        LongAccumulator tokens = spark.sparkContext().longAccumulator("tokens");
        CompletableFuture<Void> job = CompletableFuture.runAsync(() -> {
            spark.sparkContext().setJobGroup("endless", "is cancelled", false);
            LM.withTokens(tokens)
                    .score(endless, "text")
                    .write()
                    .format("noop")
                    .mode("overwrite")
                    .save();
        });
        long until = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (runningTasks() == 0 && System.nanoTime() < until) {
            TimeUnit.MILLISECONDS.sleep(50);
        }
        assertThat(runningTasks()).isPositive();
        spark.sparkContext().cancelJobGroup("endless");
        assertThat(job).failsWithin(Duration.ofSeconds(20)).withThrowableThat().withMessageContaining("cancelled");
        while (runningTasks() > 0 && System.nanoTime() < until) {
            TimeUnit.MILLISECONDS.sleep(50);
        }
        assertThat(runningTasks()).isZero();
    }

    private int runningTasks() {
        return Arrays.stream(spark.sparkContext().statusTracker().getExecutorInfos())
                .mapToInt(executor -> executor.numRunningTasks())
                .sum();
    }
}
