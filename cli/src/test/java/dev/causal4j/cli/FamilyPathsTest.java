package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.DataInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Every command that takes a model, on a model of every family; what is true was computed by PyTorch in float64. */
class FamilyPathsTest {
    private static final Path GOLDEN = Repository.root().resolve("core/src/test/resources/dev/causal4j/golden");

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    static List<String> fixtures() {
        return List.of(
                "gpt2-tied",
                "llama-llama3",
                "mistral",
                "ministral",
                "qwen2-tied",
                "qwen3-tied",
                "gemma",
                "gemma2",
                "gemma3",
                "gemma4-e2b",
                "phi3",
                "smollm3",
                "olmo2",
                "olmo3",
                "granite",
                "gpt_neox",
                "mixtral",
                "qwen3_moe",
                "gpt_oss",
                "lfm2",
                "lfm2_moe",
                "ministral3",
                "qwen3_5",
                "qwen3_5_moe",
                "granite4-h");
    }

    /** The families whose commands {@code ./check} runs; others are in the tests of core alone. */
    static List<String> some() {
        return Repository.IS_WHOLE ? fixtures() : List.of("gpt2-tied", "gemma4-e2b", "qwen3_5_moe");
    }

    @BeforeAll
    static void trainTokenizer() throws Exception {
        Path data = Files.writeString(
                shared.resolve("data.txt"),
                "It is a truth universally acknowledged, that a single man in possession of a good fortune.\n"
                        .repeat(20));
        String out = shared.resolve("tokenizer").toString();
        Program.run("tokenizer", "train", "--data", data.toString(), "--vocabulary-size", "300", "--out", out);
    }

    private static JsonNode read(String fixture, String file) throws IOException {
        return JsonMapper.shared()
                .readTree(Files.readAllBytes(GOLDEN.resolve(fixture).resolve(file)));
    }

    private static JsonNode run(String command, String... options) throws Exception {
        return Program.run(Stream.of(new String[] {command, "--json"}, options)
                        .flatMap(Stream::of)
                        .toArray(String[]::new))
                .json();
    }

    private static String model(String fixture) {
        return GOLDEN.resolve(fixture).toString();
    }

    private static String config(String fixture) {
        return GOLDEN.resolve(fixture).resolve("config.json").toString();
    }

    private static String ids(JsonNode tokens) {
        return tokens.valueStream().map(JsonNode::asString).collect(Collectors.joining(","));
    }

    @Test
    void noFamilyIsLeftOut() throws Exception {
        Path config = Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"\"}");
        Program.Run run = Program.run("inspect", "--config", config.toString());
        String known = run.err().replaceAll("(?s).*: expected (.*), got \"\".*", "$1");
        Set<String> types = fixtures().stream()
                .map(fixture -> {
                    try {
                        return read(fixture, "config.json").get("model_type").stringValue();
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                })
                .collect(Collectors.toSet());
        assertThat(types).containsExactlyInAnyOrder(known.split(", "));
    }

    @ParameterizedTest
    @MethodSource("some")
    void generateContinuesAsPyTorchDoes(String fixture) throws Exception {
        JsonNode greedy = read(fixture, "golden.json").get("greedy");
        JsonNode eos = read(fixture, "config.json").get("eos_token_id");
        List<Integer> ends =
                eos.isArray() ? eos.valueStream().map(JsonNode::intValue).toList() : List.of(eos.intValue());
        int[] expected = Arrays.stream(Repository.integers(greedy.get("continuation")))
                .limit(12)
                .takeWhile(id -> !ends.contains(id))
                .toArray();
        JsonNode document = run(
                "generate",
                "--model",
                model(fixture),
                "--tokens",
                ids(greedy.get("prompt")),
                "--temperature",
                "0",
                "--max-new-tokens",
                "12"); // the longest that Phi 3 rotates as the prompt alone
        int[] tokens = Repository.integers(document.get("tokens"));
        assertThat(Arrays.copyOf(tokens, expected.length)).containsExactly(expected);
        assertThat(document.get("finish_reason").stringValue()).isEqualTo(expected.length < 12 ? "eos" : "length");
    }

    @ParameterizedTest
    @MethodSource("some")
    void scoreGivesPyTorchsProbabilitiesAndRanks(String fixture) throws Exception {
        JsonNode golden = read(fixture, "golden.json");
        JsonNode document = run(
                "score",
                "--model",
                model(fixture),
                "--tokens",
                ids(golden.get("tokens").get(0)));
        double relative = fixture.equals("gemma4-e2b") ? 5e-5 : 1e-5; // as far as PyTorch's single precision is off
        JsonNode nll = golden.get("nll").get(0);
        int compared = 0;
        for (int i = 0; i + 1 < nll.size(); i++) {
            if (!nll.get(i).isNull()) {
                double truth = nll.get(i).doubleValue();
                assertThat(document.get("logprobs").get(i + 1).doubleValue())
                        .isCloseTo(-truth, within(Math.max(2e-5, relative * truth)));
                assertThat(document.get("ranks").get(i + 1).intValue())
                        .isEqualTo(golden.get("ranks").get(0).get(i).intValue());
                compared++;
            }
        }
        assertThat(compared).isGreaterThan(20);
    }

    @ParameterizedTest
    @MethodSource("some")
    void convertChangesNoBit(String fixture) throws Exception {
        String tokens = ids(read(fixture, "golden.json").get("tokens").get(0));
        String out = folder.resolve("converted").toString();
        JsonNode converted = run("convert", "--model", model(fixture), "--dtype", "bf16", "--out", out);
        JsonNode facts = run("inspect", "--model", out);
        assertThat(facts.get("parameters")).isEqualTo(converted.get("parameters"));
        assertThat(facts.get("dtype").stringValue()).isEqualTo("bf16");
        assertThat(run("score", "--model", out, "--tokens", tokens))
                .isEqualTo(run("score", "--model", model(fixture), "--tokens", tokens, "--dtype", "bf16"));
    }

    @ParameterizedTest
    @MethodSource("some")
    void inspectAndBenchCountTheNumbersInTheFile(String fixture) throws Exception {
        JsonNode facts = run("inspect", "--model", model(fixture));
        JsonNode config = read(fixture, "config.json");
        assertThat(facts.get("architecture")).isEqualTo(config.get("model_type"));
        assertThat(facts.get("layers"))
                .isEqualTo(config.path("num_hidden_layers").asOptional().orElse(config.path("n_layer")));
        assertThat(facts.get("parameters").longValue())
                .isEqualTo(numbers(fixture, facts.get("tied").booleanValue()));
        assertThat(run("inspect", "--config", config(fixture))).isEqualTo(Repository.withoutFiles(facts));

        String[] options = "--prompt 9 --generate 3 --repeat 1 --warm-up 0 --dtype bf16 --config".split(" ");
        JsonNode figures = run("bench", with(options, config(fixture)));
        assertThat(figures.get("parameters")).isEqualTo(facts.get("parameters"));
        assertThat(figures.get("decode_tokens_per_second").doubleValue()).isPositive();
    }

    private static String[] with(String[] options, String last) {
        return Stream.concat(Arrays.stream(options), Stream.of(last)).toArray(String[]::new);
    }

    /** Numbers in the tensors of a file, a tied head's once. */
    private static long numbers(String fixture, boolean tied) throws IOException {
        try (DataInputStream in =
                new DataInputStream(Files.newInputStream(GOLDEN.resolve(fixture).resolve("model.safetensors")))) {
            byte[] header = in.readNBytes(Math.toIntExact(Long.reverseBytes(in.readLong())));
            return JsonMapper.shared().readTree(header).properties().stream()
                    .filter(tensor -> tensor.getValue().has("shape"))
                    .filter(tensor -> !tied || !tensor.getKey().equals("lm_head.weight"))
                    .filter(tensor -> !tensor.getKey().matches(".*\\.(layer_scalar|expert_bias)")) // no parameters
                    .mapToLong(tensor -> tensor.getValue()
                            .get("shape")
                            .valueStream()
                            .mapToLong(JsonNode::longValue)
                            .reduce(1, Math::multiplyExact))
                    .sum();
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void trainBeginsANewModelThatLearns(String fixture) throws Exception {
        ObjectNode config = (ObjectNode) read(fixture, "config.json");
        config.replace("vocab_size_per_layer_input", config.numberNode(300));
        config.put("vocab_size", 300).remove(List.of("bos_token_id", "eos_token_id"));
        Path file = Files.writeString(folder.resolve("config.json"), config.toString());
        String out = folder.resolve("out").toString();
        String options = "--steps 12 --batch-size 2 --context-length 24 --learning-rate 1e-2 --held-out 0 --json";
        Program.Run run = Program.run(Stream.concat(
                        Stream.of(
                                "train", "--data", shared.resolve("data.txt").toString(), "--config", file.toString()),
                        Stream.concat(
                                Stream.of(
                                        "--tokenizer",
                                        shared.resolve("tokenizer").toString(),
                                        "--out",
                                        out),
                                Stream.of(options.split(" "))))
                .toArray(String[]::new));
        List<JsonNode> lines =
                run.done().out().lines().map(JsonMapper.shared()::readTree).toList();
        assertThat(lines.getFirst().get("loss").doubleValue()).isBetween(5.0, 6.5); // ln 300 = 5.7
        assertThat(lines.get(11).get("loss").doubleValue()).isLessThan(5);
        JsonNode facts = run("inspect", "--model", out);
        assertThat(facts.get("architecture")).isEqualTo(config.get("model_type"));
        assertThat(facts.get("parameters")).isEqualTo(lines.getLast().get("parameters"));
        assertThat(run("score", "It is a truth", "--model", out).get("nll").doubleValue())
                .isPositive();
    }
}
