package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class ScoreCommandTest {
    private static final String TEXT = "Emma was not to be so much";

    @TempDir
    Path folder;

    private static JsonNode score(String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("score", "--json"));
        all.addAll(List.of(arguments));
        return Program.run(all.toArray(String[]::new)).json();
    }

    private static double[] numbers(JsonNode array) {
        return array.valueStream().skip(1).mapToDouble(JsonNode::doubleValue).toArray();
    }

    @Test
    void textsScoreAsPyTorchSays() throws Exception {
        for (JsonNode expected : Repository.austen().get("score")) {
            JsonNode document = score(expected.get("text").stringValue());
            assertThat(document.get("tokens")).isEqualTo(expected.get("tokens"));
            assertThat(document.get("logprobs").get(0).isNull()).isTrue();
            assertThat(document.get("ranks").get(0).isNull()).isTrue();
            assertThat(numbers(document.get("logprobs")))
                    .containsExactly(numbers(expected.get("logprobs")), within(2e-5));
            assertThat(document.get("ranks")).hasSameSizeAs(expected.get("best_ranks"));
            for (int i = 1; i < document.get("ranks").size(); i++) {
                assertThat(document.get("ranks").get(i).intValue())
                        .isBetween(
                                expected.get("best_ranks").get(i).intValue(),
                                expected.get("worst_ranks").get(i).intValue());
            }
            double perplexity = expected.get("perplexity").doubleValue();
            assertThat(document.get("perplexity").doubleValue()).isCloseTo(perplexity, within(perplexity * 1e-5));
            assertThat(document.get("pieces")
                            .valueStream()
                            .map(JsonNode::stringValue)
                            .collect(Collectors.joining()))
                    .isEqualTo(expected.get("text").stringValue());
        }
    }

    @Test
    void theDocumentHasItsFieldsAndTheirFormulas() throws Exception {
        JsonNode document = score(TEXT);
        assertThat(document.propertyNames())
                .containsExactly(
                        "tokens",
                        "pieces",
                        "logprobs",
                        "ranks",
                        "nll",
                        "scored_tokens",
                        "scored_bytes",
                        "perplexity",
                        "bits_per_byte",
                        "bits");
        double nll = -Arrays.stream(numbers(document.get("logprobs"))).sum();
        assertThat(document.get("nll").doubleValue()).isCloseTo(nll, within(1e-12));
        assertThat(document.get("scored_tokens").intValue())
                .isEqualTo(document.get("tokens").size() - 1);
        int bytes = TEXT.length() - document.at("/pieces/0").stringValue().length();
        assertThat(document.get("scored_bytes").intValue()).isEqualTo(bytes);
        assertThat(document.get("perplexity").doubleValue())
                .isCloseTo(Math.exp(nll / document.get("scored_tokens").intValue()), within(1e-9));
        assertThat(document.get("bits_per_byte").doubleValue()).isCloseTo(nll / Math.log(2) / bytes, within(1e-12));
    }

    @Test
    void aFileStandardInputAndTokenIdsAreTheSameText() throws Exception {
        JsonNode expected = score(TEXT);
        Path file = Files.writeString(folder.resolve("text"), TEXT);
        assertThat(score("--file", file.toString())).isEqualTo(expected);
        String ids =
                expected.get("tokens").valueStream().map(JsonNode::toString).collect(Collectors.joining(","));
        assertThat(score("--tokens", ids)).isEqualTo(expected);
        assertThat(Program.runWithInput(TEXT + "\n", "score", "-", "--json").json())
                .isEqualTo(expected);
    }

    @Test
    void afterAPrefixTheFirstTokenIsScoredToo() throws Exception {
        JsonNode whole = score(TEXT, "--top", "2");
        JsonNode document = score(" not to be so much", "--prefix", "Emma was", "--top", "2");
        assertThat(document.get("prefix_tokens").size()).isEqualTo(2);
        assertThat(document.at("/logprobs/0")).isEqualTo(whole.at("/logprobs/2"));
        assertThat(document.at("/top/0")).isEqualTo(whole.at("/top/2"));
        assertThat(document.at("/top/0").size()).isEqualTo(2);
        assertThat(document.at("/top/0/0").propertyNames()).containsExactly("token", "piece", "logprob");
        assertThat(whole.at("/top/0").isNull()).isTrue();
    }

    @Test
    void aTextLongerThanTheContextIsScoredInWindows() throws Exception {
        Path file = Files.writeString(folder.resolve("long"), (TEXT + ". ").repeat(40));
        JsonNode document = score("--file", file.toString(), "--stride", "200");
        int tokens = document.get("tokens").size();
        assertThat(tokens).isGreaterThan(256 + 1);
        assertThat(document.get("scored_tokens").intValue()).isEqualTo(tokens - 1);
        assertThat(score("--file", file.toString(), "--totals").propertyNames())
                .containsExactly("nll", "scored_tokens", "scored_bytes", "perplexity", "bits_per_byte", "bits");
    }

    @Test
    void aTableShowsTheTokensAndTheirSums() throws Exception {
        String[] lines = Program.run("score", "Emma — naïve\n", "--top", "2")
                .done()
                .out()
                .split("\n", -1);
        assertThat(lines[0]).isEqualTo("         token       log p     rank  probability  piece");
        assertThat(lines[1]).matches(" +0 +\\d+ +\"Emma\"");
        assertThat(lines[2])
                .as("an em dash is three bytes")
                .matches(" +1 +\\d+ +-\\d+\\.\\d{4} +\\d+ +\\S+%  <20 E2 80>.*|" + " +1 +\\d+ .*");
        assertThat(String.join("\n", lines)).contains("\"\\n\"").doesNotContain("\u001b");
        assertThat(lines[lines.length - 2])
                .matches("\\d+ tokens scored, nll \\S+, perplexity \\S+, \\S+ bits per byte");
    }

    @Test
    void onATerminalPiecesAreShaded() throws Exception {
        List<String> properties = List.of("causal4j.colors", Streaming.TERMINAL);
        properties.forEach(each -> System.setProperty(each, "true"));
        String out;
        try {
            out = Program.run("score", "Emma was \u001b[31m").done().out();
        } finally {
            properties.forEach(System::clearProperty);
        }
        assertThat(out).contains("\u001b[38;5;16;48;5;").contains("\\u001b").doesNotContain("\u001b[31m");
    }

    @Test
    void choicesAreRankedAfterOnePrompt() throws Exception {
        Path file = Files.writeString(folder.resolve("choices"), " not\r\n very much obliged\n quantum\n");
        JsonNode document = score("Emma was", "--choices", file.toString());
        assertThat(document.propertyNames()).containsExactly("prompt_tokens", "choices", "order");
        assertThat(document.get("choices").valueStream().map(c -> c.get("text").stringValue()))
                .containsExactly(" not", " very much obliged", " quantum");
        for (JsonNode choice : document.get("choices")) {
            JsonNode alone = score(choice.get("text").stringValue(), "--prefix", "Emma was");
            assertThat(choice.get("logprobs")).isEqualTo(alone.get("logprobs"));
            assertThat(choice.get("logprob").doubleValue())
                    .isEqualTo(-alone.get("nll").doubleValue());
            assertThat(choice.get("logprob_per_byte").doubleValue())
                    .isEqualTo(-alone.get("nll").doubleValue()
                            / choice.get("text").stringValue().length());
        }
        assertThat(Repository.integers(document.at("/order/logprob"))).containsExactly(0, 1, 2);
        String table = Program.run("score", "Emma was", "--choices", file.toString())
                .done()
                .out();
        assertThat(table.lines().skip(1).findFirst().orElseThrow()).matches(" +1 +-\\S+\\* .*\" not\"");
    }

    @Test
    void generatedTokensHaveTheLogProbabilitiesThatScoringGivesThem() throws Exception {
        String[] arguments = {
            "generate",
            "Emma was",
            "--json",
            "--logprobs",
            "3",
            "--temperature",
            "1.5",
            "--top-k",
            "9",
            "--seed",
            "2",
            "--max-new-tokens",
            "6",
            "--repetition-penalty",
            "1.3",
            "--eos",
            "none"
        };
        JsonNode generated = Program.run(arguments).json();
        String ids =
                generated.get("tokens").valueStream().map(JsonNode::toString).collect(Collectors.joining(","));
        JsonNode scored = score("--tokens", ids, "--prefix", "Emma was", "--top", "3");
        assertThat(generated.get("logprobs").size()).isEqualTo(6);
        for (int i = 0; i < 6; i++) {
            JsonNode one = generated.get("logprobs").get(i);
            assertThat(one.propertyNames()).containsExactly("token", "logprob", "rank", "top");
            assertThat(one.get("token")).isEqualTo(scored.get("tokens").get(i));
            assertThat(one.get("logprob")).isEqualTo(scored.get("logprobs").get(i));
            assertThat(one.get("rank")).isEqualTo(scored.get("ranks").get(i));
            assertThat(one.get("top")).isEqualTo(scored.get("top").get(i));
        }
    }

    @Test
    void aModelWithoutTokenizerScoresTokenIds() throws Exception {
        String model = Repository.copyModel(folder).toString();
        JsonNode document = score("--tokens", "3,41,5", "--model", model);
        assertThat(document.get("pieces").isNull()).isTrue();
        assertThat(document.get("bits_per_byte").isNull()).isTrue();
        assertThat(document.get("scored_tokens").intValue()).isEqualTo(2);
        Program.run("score", "Emma", "--model", model).refused(1, "--tokens");
    }

    private static void refused(int status, String told, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("score"));
        all.addAll(List.of(arguments));
        Program.run(all.toArray(String[]::new)).refused(status, told, ": expected ", ", got ");
    }

    @Test
    void whatCannotBeScoredIsRefusedInOneLine() throws Exception {
        refused(2, "text: expected one of TEXT, --file, --tokens and --jsonl, got none");
        refused(2, "got several", "Emma", "--tokens", "1,2");
        refused(1, "text: expected at least two tokens (the first has no prediction), got none", "");
        refused(1, "got one;", "Emma");
        refused(2, "stride: expected at most the context length 256, got 257", "Emma was", "--stride", "257");
        refused(2, "stride: expected a whole number >= 0, got -1", "Emma was", "--stride", "-1");
        refused(2, "top: expected a whole number >= 0, got -1", "Emma was", "--top", "-1");
        refused(2, "prefix: expected at most 256 tokens", "x", "--prefix", "x ".repeat(300));
        refused(1, "nowhere", "--file", folder.resolve("nowhere").toString());
        Path invalid = Files.write(folder.resolve("invalid"), new byte[] {'a', (byte) 0xff});
        refused(1, "expected text in UTF-8", "--file", invalid.toString());
        Path choices = Files.writeString(folder.resolve("choices"), " a\n\n b\n");
        refused(1, "choice 2: expected at least one token, got none", "Emma", "--choices", choices.toString());
        refused(1, "prompt: expected at least one token", "", "--choices", choices.toString());
        refused(2, "jsonl: expected --jsonl", "Emma was", "--resume");
        Program.run("generate", "Emma", "--logprobs", "2").refused(2, "logprobs: expected --json");
    }

    @Test
    void aByteOrderMarkIsNoPartOfAText() throws Exception {
        String plain = Program.run("score", "Emma was").done().out();
        Path marked = Files.writeString(folder.resolve("marked"), "\ufeffEmma was");
        assertThat(Program.run("score", "--file", marked.toString()).done().out())
                .isEqualTo(plain);
    }
}
