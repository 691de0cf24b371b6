package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

class ScoreFolderTest {
    private final SparkSession spark = LocalSession.get();

    @TempDir
    Path folder;

    @Test
    void aFolderOfParquetIsScoredIntoAnother() {
        List<String> texts = Texts.of(7);
        Path input = folder.resolve("in");
        Path output = folder.resolve("out");
        Texts.dataset(spark, texts, 2).write().parquet(input.toString());
        List<Score> expected = SingleProcess.scores(texts);
        Totals totals = expected.stream().map(Score::totals).reduce(Totals.ZERO, Totals::plus);
        assertThat(run("--input", input, "--output", output, "--partitions", "3"))
                .startsWith("7 texts, 0 failed; " + totals.scoredTokens() + " tokens, perplexity ");
        SingleProcess.requireEqual(spark.read().parquet(output.toString()), expected);
        assertThatThrownBy(() -> run("--input", input, "--output", output))
                .hasMessage(output + ": expected no such folder, got one, which is whole if it has a file _SUCCESS;"
                        + " name another or add --overwrite");
        assertThat(run("--input", input, "--output", output, "--overwrite", "--dtype", "int8"))
                .startsWith("7 texts");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void linesOfJsonThatCannotBeScoredDoNotEndTheJob() throws IOException {
        Path input = Files.createDirectory(folder.resolve("in"));
        Files.writeString(input.resolve("a.jsonl"), """
                {"name": "one", "body": "Emma was very kind."}
                {"name": "two", "body": ""}
                {"name": "three"}
                not JSON
                """);
        Path output = folder.resolve("out");
        assertThat(run("--input", input, "--output", output, "--format", "json", "--text-column", "body"))
                .startsWith("4 texts, 3 failed; ");
        List<Row> rows =
                spark.read().json(output.toString()).where("score.nll > 0").collectAsList();
        assertThat(rows)
                .hasSize(1)
                .first()
                .extracting(row -> row.<String>getAs("name"))
                .isEqualTo("one");
    }

    @Test
    void whatCannotWorkIsOneLine() {
        assertThatThrownBy(() -> run("--input", folder)).hasMessage("--output: expected a folder, got \"\"");
        assertThatThrownBy(() -> run("--heat", "1"))
                .hasMessageStartingWith("--heat: expected once, with its value, one");
        assertThatThrownBy(() -> run("--partitions", "x", "--input", "a", "--output", "b"))
                .hasMessage("--partitions: expected a number, got \"x\"");
        assertThatThrownBy(() -> run("--format", "csv", "--input", "a", "--output", "b"))
                .hasMessage("--format: expected parquet or json, got \"csv\"");
        Path missing = folder.resolve("missing");
        assertThatThrownBy(() -> run("--input", missing, "--output", folder.resolve("b")))
                .hasMessageStartingWith("job: expected to end, got ")
                .hasMessageContaining("Path does not exist: file:" + missing);
        Path input = folder.resolve("texts");
        Texts.dataset(spark, List.of("Emma was"), 1).write().parquet(input.toString());
        assertThatThrownBy(() -> run("--input", input, "--output", folder.resolve("c"), "--model", "/no/model"))
                .hasMessageStartingWith("job: expected to end, got ")
                .hasMessageContaining("/no/model")
                .hasMessageNotContaining("\n");
        assertThat(folder.resolve("c/_SUCCESS")).doesNotExist();
    }

    private String run(Object... args) {
        return ScoreFolder.run(
                spark, List.of(args).stream().map(Object::toString).toArray(String[]::new));
    }
}
