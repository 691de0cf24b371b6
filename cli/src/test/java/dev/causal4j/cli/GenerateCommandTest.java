package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class GenerateCommandTest {
    @TempDir
    Path folder;

    private static JsonNode generate(String... arguments) throws Exception {
        String[] all = Arrays.copyOf(arguments, arguments.length + 2);
        all[0] = "generate";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        all[all.length - 1] = "--json";
        return Program.run(all).json();
    }

    private static void assertExpected(JsonNode document, JsonNode expected) {
        assertThat(document.get("prompt_tokens")).isEqualTo(expected.get("prompt_tokens"));
        assertThat(document.get("tokens")).isEqualTo(expected.get("greedy_tokens"));
        assertThat(document.get("text")).isEqualTo(expected.get("text"));
    }

    private static String join(JsonNode tokens) {
        return tokens.valueStream().map(JsonNode::toString).collect(Collectors.joining(","));
    }

    @Test
    void greedyTokensArePyTorchs() throws Exception {
        for (JsonNode expected : Repository.austen().get("generate")) {
            String prompt = expected.get("prompt").stringValue();
            assertExpected(generate(prompt, "--temperature", "0", "--max-new-tokens", "40"), expected);
        }
    }

    @Test
    void tokenIdsInPlaceOfThePromptGiveTheSame() throws Exception {
        JsonNode expected = Repository.austen().at("/generate/0");
        String ids = join(expected.get("prompt_tokens"));
        String[] arguments = {"--tokens", ids, "--temperature", "0", "--max-new-tokens", "40"};
        assertExpected(generate(arguments), expected);
    }

    @Test
    void dtypeThreadsAndVectorsGiveTheSame() throws Exception {
        JsonNode expected = Repository.austen().at("/generate/1");
        String[] arguments = {
            "generate",
            "Emma was",
            "--temperature",
            "0",
            "--max-new-tokens",
            "40",
            "--json",
            "--dtype",
            "f32",
            "--threads",
            "3"
        };
        assertExpected(Program.run(arguments).json(), expected);
    }

    @Test
    void aDraftAndAPredictionGiveTheSame(@TempDir Path folder) throws Exception {
        String[] arguments = {"Emma was, Emma was, Emma", "--seed", "3", "--max-new-tokens", "40"};
        JsonNode plain = generate(arguments);
        Path prediction =
                Files.writeString(folder.resolve("text"), plain.get("text").stringValue());
        JsonNode looked = generate(with(arguments, "--draft", "lookup", "--draft-tokens", "3"));
        JsonNode predicted = generate(with(arguments, "--prediction", prediction.toString()));
        for (JsonNode document : new JsonNode[] {looked, predicted}) {
            assertThat(document.get("tokens")).isEqualTo(plain.get("tokens"));
            assertThat(document.at("/timing/draft").propertyNames()).containsExactly("steps", "proposed", "accepted");
        }
        assertThat(plain.at("/timing/draft/proposed").intValue()).isZero();
        Program.run("generate", "x", "--draft-tokens", "16").refused(2, "draft-tokens: expected 1 to 15, got 16");
    }

    @Test
    void theDocumentHasItsFieldsAndNoOthers() throws Exception {
        JsonNode document = generate("Emma", "--max-new-tokens", "3", "--seed", "-5");
        assertThat(document.propertyNames())
                .containsExactly("prompt_tokens", "tokens", "text", "finish_reason", "seed", "timing");
        assertThat(document.get("seed").longValue()).isEqualTo(-5);
        assertThat(document.get("finish_reason").stringValue()).isEqualTo("length");
        assertThat(document.get("timing").propertyNames())
                .containsExactly(
                        "load_seconds",
                        "prefill_seconds",
                        "decode_seconds",
                        "prefill_tokens_per_second",
                        "decode_tokens_per_second",
                        "draft");
        assertThat(document.get("timing").values().stream().filter(JsonNode::isNumber))
                .hasSize(5)
                .allMatch(value -> value.doubleValue() > 0);
    }

    @Test
    void aModelsOwnSettingsAreDefaultsAndFlagsWin() throws Exception {
        String model = Repository.copyModel(folder).toString();
        String[] sampled = {"--model", model, "--tokens", "3,41", "--max-new-tokens", "9", "--seed", "4"};
        String whole = join(generate(sampled).get("tokens"));
        String cut = join(generate(with(sampled, "--top-k", "5", "--repetition-penalty", "1.5"))
                .get("tokens"));
        String greedy = join(generate(with(sampled, "--temperature", "0")).get("tokens"));
        Path settings = folder.resolve("generation_config.json");
        Files.writeString(settings, "{\"do_sample\": true, \"top_k\": 5, \"repetition_penalty\": 1.5}");
        assertThat(join(generate(sampled).get("tokens"))).isEqualTo(cut);
        JsonNode shown =
                Program.run("inspect", "--model", model, "--json").json().get("generation");
        assertThat(shown.get("top_k").intValue()).isEqualTo(5);
        assertThat(shown.get("repetition_penalty").doubleValue()).isEqualTo(1.5);
        assertThat(join(generate(with(sampled, "--top-k", "0", "--repetition-penalty", "1"))
                        .get("tokens")))
                .isEqualTo(whole);
        Files.writeString(settings, "{\"top_k\": 5}");
        assertThat(join(generate(sampled).get("tokens"))).isEqualTo(greedy);
        assertThat(join(generate(with(sampled, "--temperature", "1")).get("tokens")))
                .isEqualTo(whole);
        assertThat(join(generate(with(sampled, "--top-k", "5", "--repetition-penalty", "1.5"))
                        .get("tokens")))
                .as("a filter samples")
                .isEqualTo(cut);
    }

    @Test
    void penaltiesOfGeneratedTokensAreFlags() throws Exception {
        String[] greedy = {"Emma was", "--temperature", "0", "--max-new-tokens", "40"};
        Set<JsonNode> seen = new HashSet<>();
        assertThat(generate(greedy).get("tokens").valueStream())
                .as("without a penalty tokens come again")
                .anyMatch(token -> !seen.add(token));
        for (String penalty : List.of("--presence-penalty", "--frequency-penalty")) {
            assertThat(generate(with(greedy, penalty, "1000")).get("tokens").valueStream())
                    .as(penalty)
                    .doesNotHaveDuplicates();
        }
    }

    private static String[] with(String[] arguments, String... more) {
        return Stream.concat(Stream.of(arguments), Stream.of(more)).toArray(String[]::new);
    }

    @Test
    void textGoesToStandardOutputAndNothingElse() throws Exception {
        JsonNode expected = Repository.austen().at("/generate/2");
        String[] arguments = {
            "generate", expected.get("prompt").stringValue(), "--temperature", "0", "--max-new-tokens", "40"
        };
        assertThat(Program.run(arguments).done().out())
                .isEqualTo(expected.get("text").stringValue() + "\n");
    }

    @Test
    void aModelWithoutTokenizerTakesAndGivesTokenIds() throws Exception {
        String model = Repository.copyModel(folder).toString();
        String[] arguments = {"--model", model, "--tokens", "3 41, 5", "--temperature", "0", "--max-new-tokens", "4"};
        JsonNode document = generate(arguments);
        assertThat(Repository.integers(document.get("prompt_tokens"))).containsExactly(3, 41, 5);
        assertThat(document.get("tokens").size()).isEqualTo(4);
        assertThat(document.get("text").stringValue()).isEmpty();
        JsonNode started = generate("--model", model, "--max-new-tokens", "1");
        assertThat(Repository.integers(started.get("prompt_tokens"))).as("BOS").containsExactly(96);
    }

    @Test
    void aPromptOfEveryScriptComesThroughTheArguments() throws Exception {
        JsonNode expected = Repository.austen().at("/score/2");
        JsonNode document = generate(expected.get("text").stringValue(), "--max-new-tokens", "0");
        assertThat(document.get("prompt_tokens")).isEqualTo(expected.get("tokens"));
    }

    @Test
    void aPromptMayBeginWithAnAt() throws Exception {
        Path file = Files.writeString(Files.createTempFile("causal4j", ".args"), "--temperature 0");
        try {
            JsonNode document = generate("@" + file, "--max-new-tokens", "0");
            assertThat(Repository.integers(document.get("prompt_tokens")))
                    .isEqualTo(AustenModel.load().requireTokenizer().encode("@" + file));
        } finally {
            Files.delete(file);
        }
    }

    @Test
    void aDashReadsThePromptFromStandardInput() throws Exception {
        String text = "Emma — naïve,\r\nand 日本語.\n\n\"Oh!\" 🙂\n";
        JsonNode document = Program.runWithInput(text, "generate", "-", "--max-new-tokens", "0", "--json")
                .json();
        int[] expected = AustenModel.load().requireTokenizer().encode(text.substring(0, text.length() - 1));
        assertThat(Repository.integers(document.get("prompt_tokens")))
                .as("the last line end is the shell's")
                .isEqualTo(expected);
        assertThat(document.get("tokens").size()).isZero();
        assertThat(document.get("text").stringValue()).isEmpty();
        assertThat(document.get("finish_reason").stringValue()).isEqualTo("length");
    }

    /** The text of the first greedy tokens after "Emma was". */
    private static String greedy(int tokens) throws Exception {
        int[] ids = Repository.integers(Repository.austen().at("/generate/1/greedy_tokens"));
        return AustenModel.load().requireTokenizer().decode(Arrays.copyOf(ids, tokens));
    }

    /** The stop string begins in the middle of one token and ends three tokens later. */
    @Test
    void aStopStringAcrossTokensEndsTheTextBeforeIt() throws Exception {
        String before = greedy(3).substring(0, greedy(3).length() - 1);
        String stop = greedy(4).substring(before.length(), before.length() + 3); // the end of one token and more
        assertThat(greedy(4)).containsOnlyOnce(stop);
        String[] arguments = {"Emma was", "--temperature", "0", "--stop", "never", "--stop", stop};
        JsonNode document = generate(arguments);
        assertThat(document.get("text").stringValue()).isEqualTo(before);
        assertThat(document.get("finish_reason").stringValue()).isEqualTo("stop");
        String[] streamed = {"generate", "Emma was", "--temperature", "0", "--stop", stop};
        assertThat(Program.run(streamed).done().out()).isEqualTo(before + "\n");
    }

    @Test
    void eosMayBeAnyTokenOrNone() throws Exception {
        int fourth = Repository.austen().at("/generate/1/greedy_tokens/3").intValue();
        JsonNode document = generate("Emma was", "--temperature", "0", "--eos", fourth + ",7");
        assertThat(document.get("text").stringValue()).isEqualTo(greedy(3));
        assertThat(document.get("finish_reason").stringValue()).isEqualTo("eos");
        assertThat(Repository.integers(document.get("tokens"))).hasSize(4).endsWith(fourth);
        String model = Repository.copyModel(folder).toString();
        String[] none = {"--model", model, "--logit-bias", "96=1000", "--eos", "none", "--max-new-tokens", "3"};
        document = generate(none);
        assertThat(Repository.integers(document.get("tokens"))).containsExactly(96, 96, 96);
        assertThat(document.get("finish_reason").stringValue()).isEqualTo("length");
    }

    @Test
    void aSeedDecidesTheTokens() throws Exception {
        Repository.copyModel(folder);
        assertThat(tokens("7")).hasSize(20).isEqualTo(tokens("7")).isNotEqualTo(tokens("8"));
    }

    @Test
    void thePromptOfStandardInputHasNoLastLineEndOfEitherKind() {
        String[] echo = {"generate", "-", "--json", "--max-new-tokens", "0"};
        String windows = Program.runWithInput("Emma was\r\n", echo)
                .json()
                .get("prompt_tokens")
                .toString();
        assertThat(windows).isEqualTo("[1749,304]");
        assertThat(Program.runWithInput("Emma was\n", echo).json().get("prompt_tokens"))
                .hasToString(windows);
        String[] inside = {"tokenizer", "encode", "-", "--json"};
        assertThat(Program.runWithInput("a\r\nb\r\n\r\n", inside).json().get("pieces"))
                .as("only the last")
                .isEqualTo(Program.run("tokenizer", "encode", "a\r\nb\r\n", "--json")
                        .json()
                        .get("pieces"));
    }

    /** Standard output of a model without tokenizer: token ids. */
    private List<Integer> tokens(String seed) throws Exception {
        String[] arguments = {
            "generate", "--model", folder.toString(), "--eos", "none", "--max-new-tokens", "20", "--seed", seed
        };
        String out = Program.run(arguments).done().out();
        return Arrays.stream(out.strip().split(" ", -1)).map(Integer::valueOf).toList();
    }

    @Test
    void anInterruptEndsTheLineAndTellsTheSeed() throws Exception {
        Launcher.assumeInterrupts();
        Program.Run run = interrupted();
        for (int i = 0; i < 4 && run.status() == 0; i++) { // it was done before the signal came
            run = interrupted();
        }
        assertThat(run.status()).isEqualTo(130);
        assertThat(run.err()).matches("seed 7; interrupted after [12]?\\d?\\d tokens\n");
        assertThat(run.out()).endsWith("\n").containsOnlyOnce("\n");
    }

    /** Interrupts a run once its first byte is there, and returns the output after that. */
    private static Program.Run interrupted() throws Exception {
        Process process =
                Launcher.PLAIN.start("generate", "Emma was", "--max-new-tokens", "250", "--eos", "none", "--seed", "7");
        Process kill = new ProcessBuilder("bash", "-c", "read; kill -INT " + process.pid()).start(); // it takes a while
        try (InputStream out = process.getInputStream()) {
            assertThat(out.read()).as("it runs").isNotNegative();
            kill.getOutputStream().close();
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
            String rest = new String(out.readAllBytes(), StandardCharsets.UTF_8);
            return new Program.Run(process.exitValue(), rest, Launcher.withoutWarning(err));
        } finally {
            process.destroyForcibly();
            kill.destroyForcibly();
        }
    }
}
