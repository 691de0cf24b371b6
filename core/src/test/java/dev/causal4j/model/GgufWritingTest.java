package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.Whole;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.TensorStore;
import dev.causal4j.json.Json;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A written GGUF file is the same model, and has the bytes of llama.cpp's quantiser. */
class GgufWritingTest {
    private static final Path FILES = Golden.folder("gguf");
    private static final int[] TOKENS = {5, 80, 3, 41, 2, 64};
    private static final List<String> TEXTS = List.of(
            "It's 1234 in  na\u00efve <|im_end|>\n\u65e5\u672c",
            "<s>a</s> [A B] <tool>   x\n\n\ty<start_of_turn>user",
            "e\u0301 <|begin_of_text|> \u2581\u2581a, and the <|user|> he<|end|>");

    @TempDir
    Path folder;

    private Path written(Path model, GgufType type) throws IOException {
        Path out = folder.resolve("out.gguf");
        Conversion.of(model).withOverwrite(true).toGguf(out, type);
        return out;
    }

    /** The golden files of the five types have the same weights; so has the folder of Hugging Face's layout. */
    @ParameterizedTest
    @EnumSource
    void tensorsHaveTheBytesThatLlamaCppGivesThem(GgufType type) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            TensorStore expected = Gguf.open(FILES.resolve("llama-" + type.label() + ".gguf"), arena)
                    .tensors();
            for (String source : List.of("hf", "llama-f32.gguf")) {
                TensorStore actual =
                        Gguf.open(written(FILES.resolve(source), type), arena).tensors();
                assertThat(actual.names()).containsExactlyInAnyOrderElementsOf(expected.names());
                for (String name : expected.names()) {
                    assertThat(actual.tensor(name).shape())
                            .isEqualTo(expected.tensor(name).shape());
                    MemorySegment data = actual.tensor(name).data();
                    assertThat(data.mismatch(expected.tensor(name).data()))
                            .as(name)
                            .isEqualTo(-1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt2-tied",
                "gpt2-untied",
                "gpt2-odd",
                "llama-untied",
                "llama-linear",
                "qwen2-tied",
                "qwen3-tied",
                "gguf/hf"
            })
    void logitsHaveTheBitsOfTheOriginal(String name) throws IOException {
        Path original = Golden.folder(name);
        same(original, DType.F32, GgufType.F32);
        if (!name.startsWith("gpt2")) { // its positions stay f32
            same(original, DType.F16, GgufType.F16);
            same(original, DType.BF16, GgufType.BF16);
        }
    }

    /** Positions are f32, whatever the type of the others. */
    @Test
    void aFileOfGpt2HasTheDtypeOfItsMatricesAndConvertsWithItsBits() throws IOException {
        Path file = written(Golden.folder("gpt2-tied"), GgufType.F16);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            assertThat(checkpoint.dtype(LoadOptions.DEFAULT)).isEqualTo(DType.F16);
        }
        Path out = folder.resolve("converted");
        Path python = folder.resolve("python");
        Conversion.of(file).toPanels(out);
        Conversion.of(file).toHuggingFace(python);
        try (CausalLM expected = CausalLM.load(file);
                CausalLM panels = CausalLM.load(out);
                CausalLM actual = CausalLM.load(python)) {
            assertThat(expected.dtype()).isEqualTo(DType.F16);
            assertThat(Logits.of(panels, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
            assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        }
    }

    private void same(Path original, DType dtype, GgufType type) throws IOException {
        try (CausalLM expected = CausalLM.load(original, dtype);
                CausalLM actual = CausalLM.load(written(original, type))) {
            assertThat(actual.dtype()).isEqualTo(dtype);
            assertThat(actual.parameters()).isEqualTo(expected.parameters());
            assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        }
    }

    /** The frequencies are divided by factors in f32. */
    @Test
    void scaledFrequenciesAreThoseOfTheOriginalButForRounding() throws IOException {
        Path original = Golden.folder("llama-llama3");
        try (CausalLM expected = CausalLM.load(original);
                CausalLM actual = CausalLM.load(written(original, GgufType.F32))) {
            float[] logits = Logits.of(expected, TOKENS);
            float[] read = Logits.of(actual, TOKENS);
            for (int i = 0; i < logits.length; i++) {
                assertThat(read[i]).isCloseTo(logits[i], within(2e-5f));
            }
        }
    }

    static List<String> files() throws IOException {
        return GgufAloneTest.names().stream()
                .filter(name -> !name.startsWith("variant") && !name.endsWith("-long"))
                .toList();
    }

    static List<String> some() throws IOException {
        List<String> all = files();
        return IntStream.range(0, all.size())
                .filter(i -> i % Whole.or(1, 3) == 0)
                .mapToObj(all::get)
                .toList();
    }

    /** Every architecture, scaling, type, tokenizer and template that can be read. */
    @ParameterizedTest
    @MethodSource("some")
    void aFileOfAFileIsTheSameModel(String name) throws IOException {
        Path file = FILES.resolve(name + ".gguf");
        Path out = written(file, GgufType.F32);
        try (CausalLM expected = CausalLM.load(file, DType.F32);
                CausalLM actual = CausalLM.load(out)) {
            assertThat(names(out)).isEqualTo(names(file));
            assertThat(actual.config().sameArchitecture(expected.config())).isTrue();
            assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
            assertThat(actual.bos()).isEqualTo(expected.bos());
            assertThat(actual.eos()).isEqualTo(expected.eos());
            Tokenizer tokenizer = expected.requireTokenizer();
            Tokenizer read = actual.requireTokenizer();
            boolean isTwin = GgufModelTest.twins().contains(name); // its vocabulary has no bytes
            for (String text : isTwin ? List.<String>of() : TEXTS) {
                assertThat(read.encode(text)).isEqualTo(tokenizer.encode(text));
                assertThat(read.encode(text, SpecialTokens.PARSE))
                        .isEqualTo(tokenizer.encode(text, SpecialTokens.PARSE));
            }
            assertThat(read.withPrefix(new int[0])).isEqualTo(tokenizer.withPrefix(new int[0]));
        }
        assertThat(Checkpoint.readTemplates(out).templates())
                .isEqualTo(Checkpoint.readTemplates(file).templates());
    }

    @Test
    void theTypeIsThatOfTheWeightsUnlessItIsSaid() throws IOException {
        Path out = folder.resolve("out.gguf");
        Path panels = folder.resolve("panels");
        Path original = Golden.folder("qwen3-tied");
        Conversion.of(original)
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.BF16))
                .toPanels(panels);
        assertThat(Conversion.of(panels).toGguf(out)).isEqualTo(GgufType.BF16);
        try (CausalLM expected = CausalLM.load(panels);
                CausalLM actual = CausalLM.load(out)) {
            assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        }
        Path quantised = FILES.resolve("llama-q4_k.gguf");
        assertThatThrownBy(() -> Conversion.of(quantised).withOverwrite(true).toGguf(out))
                .hasMessage(quantised + ": expected a dtype for quantised weights, got none; choose one with --dtype");
    }

    // ---- refusals

    @ParameterizedTest
    @CsvSource({
        "mistral, 'blocks[0].mixer.window: expected 0', 'got 7'",
        "qwen2-sliding, 'blocks[1].mixer.window: expected 0', 'got 7'",
        "phi3, 'blocks[0].mixer.window: expected 0', 'got 9'",
        "gemma2, 'blocks[0].mixer.scale: expected ', 'got 0.2236068'",
        "llama-yarn, 'blocks[0].mixer.rope.frequencies[', gguf",
        "llama-dynamic, 'blocks[0].mixer.rope.longer', 'got Dynamic['",
        "smollm3, 'blocks[1].mixer.rope: expected RopeConfig', 'got null'",
        "qwen3_moe, 'blocks[1].feedForward: expected Experts', 'got Dense'",
        "olmo3, 'blocks[3].mixer.rope.frequencies[', olmo2",
        "gemma4-e2b, attention.shared_kv_layers, 'got 3'", // llama.cpp reads the two layers before those that share
        "gemma, 'model_type', 'got \"gemma\"'",
        "ministral, 'model_type', 'got \"ministral\"'"
    })
    void whatAFileCannotSayIsRefusedByName(String name, String place, String got) {
        Path model = Golden.folder(name);
        Path out = folder.resolve("out.gguf");
        assertThatThrownBy(() -> Conversion.of(model).toGguf(out, GgufType.F32))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(model + ", ")
                .hasMessageContaining(place)
                .message()
                .containsIgnoringCase(got);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void namesAndFilesThatMustNotBeAreRefused() throws IOException {
        Path model = Golden.folder("gpt2-tied");
        refused(model, folder.resolve("out"), false, "a file that ends in .gguf");
        refused(model, folder.resolve("no/out.gguf"), false, "a file in a folder that exists");
        refused(model, Files.createDirectory(folder.resolve("a.gguf")), true, "a file to replace, or none");
        Path out = written(model, GgufType.F32);
        byte[] before = Files.readAllBytes(out);
        refused(model, out, false, "a new file, got one that exists; give --overwrite");
        refused(out, out, true, "another file than the model's");
        assertThat(out).hasBinaryContent(before);
    }

    private static void refused(Path model, Path out, boolean overwrite, String told) {
        assertThatThrownBy(() -> Conversion.of(model).withOverwrite(overwrite).toGguf(out, GgufType.F32))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(out.toString())
                .hasMessageContaining(told);
    }

    @Test
    void whatIsCancelledOrNotFiniteLeavesWhatWasThere() throws IOException {
        Path out = written(Golden.folder("gpt2-tied"), GgufType.F32);
        byte[] before = Files.readAllBytes(out);
        assertThatThrownBy(() -> Conversion.of(FILES.resolve("hf"))
                        .withOptions(LoadOptions.DEFAULT.withProgress((_, _) -> {
                            throw new CancellationException();
                        }))
                        .withOverwrite(true)
                        .toGguf(out, GgufType.F16))
                .isInstanceOf(CancellationException.class);
        Variant variant = Variant.of("gguf/hf");
        String name = "model.layers.1.mlp.up_proj.weight";
        float[] numbers = variant.tensor(name).toArray();
        numbers[77] = Float.NaN;
        variant.with(name, DType.F32, variant.tensor(name).shape(), MemorySegment.ofArray(numbers));
        Path damaged = variant.write(Files.createDirectory(folder.resolve("damaged")));
        for (GgufType type : List.of(GgufType.F16, GgufType.Q8_0, GgufType.Q4_0)) {
            assertThatThrownBy(() -> Conversion.of(damaged).withOverwrite(true).toGguf(out, type))
                    .hasMessageStartingWith(damaged + ", tensor blk.1.ffn_up.weight: " + type)
                    .hasMessageEndingWith("expected finite weights that f16 holds, got NaN");
        }
        assertThat(out).hasBinaryContent(before);
        assertThat(folder.toFile().list()).containsExactlyInAnyOrder("out.gguf", "damaged");
    }

    /** A folder with a tokenizer, and these values in its files; null takes a key away. */
    private Path folder(String file, Map<String, String> config, Map<String, String> tokenizer) throws IOException {
        Path made = folder.resolve("made");
        LoadOptions options = LoadOptions.DEFAULT.withDtype(DType.F32);
        Conversion.of(FILES.resolve(file))
                .withOptions(options)
                .withOverwrite(Files.exists(made))
                .toPanels(made);
        edit(made.resolve("config.json"), config);
        edit(made.resolve("tokenizer_config.json"), tokenizer);
        return made;
    }

    private static void edit(Path file, Map<String, String> values) throws IOException {
        ObjectNode json = (ObjectNode) JsonMapper.shared().readTree(Files.readAllBytes(file));
        values.forEach((key, value) -> json.set(key, JsonMapper.shared().readTree(value)));
        Files.writeString(file, json.toString());
    }

    /** The ids that end a text, given a file that names one of them. */
    private Set<Integer> ends(Path model, int named) throws IOException {
        Path out = written(model, GgufType.F32);
        try (Arena arena = Arena.ofConfined();
                CausalLM read = CausalLM.load(out)) {
            Json metadata = Gguf.open(out, arena).metadata();
            assertThat(metadata.requireInt("tokenizer.ggml.eos_token_id", 0, 299))
                    .isEqualTo(named);
            return read.eos();
        }
    }

    @Test
    void textsEndWithTheTokensThatTheModelNames() throws IOException {
        String file = "qwen3.gguf"; // 297 and 299 are known by their text
        Map<String, String> a = Map.of("eos_token", "\"a\""); // 64
        assertThat(ends(folder(file, Map.of("eos_token_id", "[5]"), a), 5)).containsExactlyInAnyOrder(5, 297, 299);
        assertThat(ends(folder(file, Map.of("eos_token_id", "[64, 5]"), a), 64))
                .containsExactlyInAnyOrder(5, 64, 297, 299);
        assertThat(ends(folder(file, Map.of("eos_token_id", "null"), a), 64)).containsExactlyInAnyOrder(64, 297, 299);
    }

    @ParameterizedTest
    @CsvSource({
        "null, null, 'eos_token_id\": expected a token that ends texts, got none'",
        "'[5, 6, 7, 8]', null, 'eos_token_id\": expected at most three tokens that end texts, besides known ones, got more: [8]'",
        "5, '\"a\"', 'eos_token\": expected &, which its id says, since a chat template asks, got a'"
    })
    void endsThatWouldBeOthersAreRefused(String ids, String token, String told) throws IOException {
        Map<String, String> tokenizer = Map.of("eos_token", token, "chat_template", "\"{{ eos_token }}\"");
        Path model = folder("qwen3.gguf", Map.of("eos_token_id", ids), tokenizer);
        assertThatThrownBy(() -> written(model, GgufType.F32))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(model + ", key \"" + told);
    }

    /** Without such a token a reader of the file would assume the id 1. */
    @Test
    void aVocabularyWithScoresNeedsATokenToBeginWith() throws IOException {
        Path model = folder("llama-f32.gguf", Map.of("bos_token_id", "null"), Map.of("bos_token", "null"));
        edit(model.resolve("tokenizer.json"), Map.of("post_processor", "null"));
        assertThatThrownBy(() -> written(model, GgufType.F32))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(model + ", key \"bos_token_id\": expected [1], as it would come back");
        edit(model.resolve("config.json"), Map.of("bos_token_id", "1"));
        assertThat(ends(model, 2)).containsExactly(2);
    }

    /** Equal lists are one list for all lengths in memory, and two tensors in a file. */
    @Test
    void aPhi3WithEqualFactorsIsWritten() throws IOException {
        Variant variant = Variant.of("phi3");
        variant.config().putNull("sliding_window");
        ObjectNode scaling = (ObjectNode) variant.config().get("rope_scaling");
        scaling.set("long_factor", scaling.get("short_factor"));
        Path model = variant.write(Files.createDirectory(folder.resolve("phi")));
        Path out = written(model, GgufType.F32);
        assertThat(names(out)).contains("rope_factors_short.weight", "rope_factors_long.weight");
        try (CausalLM expected = CausalLM.load(model);
                CausalLM actual = CausalLM.load(out)) {
            float[] logits = Logits.of(expected, TOKENS);
            assertThat(Logits.of(actual, TOKENS)).containsExactly(logits, within(2e-5f));
        }
    }

    /** The tensors of a file, without the numbers of blocks. */
    private static Set<String> names(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return Gguf.open(file, arena).tensors().names().stream()
                    .map(name -> name.replaceFirst("^blk\\.\\d+", "blk"))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2-untied, gpt2",
        "llama-untied, llama",
        "llama-llama3, llama",
        "qwen2-tied, qwen2",
        "qwen3-tied, qwen3"
    })
    void tensorsHaveNamesThatLlamaCppWrites(String name, String architecture) throws IOException {
        Set<String> known = new TreeSet<>();
        for (String each : files()) {
            if (each.startsWith(architecture)) {
                known.addAll(names(FILES.resolve(each + ".gguf")));
            }
        }
        assertThat(known).containsAll(names(written(Golden.folder(name), GgufType.F32)));
    }

    /** llama.cpp decides by the name. */
    @ParameterizedTest
    @CsvSource({
        "phi3, out, phi3 out",
        "phi3-partial, out, out",
        "qwen2, out, out",
        "qwen2, my-Phi-3-out, my-Phi_3-out",
        "phi3-partial, phi35, phi_35"
    })
    void theNameIsThatOfTheFileAndTellsPhi3sTokenizer(String model, String file, String name) throws IOException {
        Path out = folder.resolve(file + ".gguf");
        Conversion.of(FILES.resolve(model + ".gguf")).toGguf(out, GgufType.F32);
        try (Arena arena = Arena.ofConfined()) {
            assertThat(Gguf.open(out, arena).metadata().requireString("general.name"))
                    .isEqualTo(name);
        }
    }

    @Test
    void equalModelsGiveEqualBytes() throws IOException {
        byte[] once = Files.readAllBytes(written(FILES.resolve("qwen2.gguf"), GgufType.BF16));
        assertThat(written(FILES.resolve("qwen2.gguf"), GgufType.BF16)).hasBinaryContent(once);
        Map<String, String> special =
                Checkpoint.readTemplates(FILES.resolve("qwen2.gguf")).specialTokens();
        assertThat(Checkpoint.readTemplates(folder.resolve("out.gguf")).specialTokens())
                .isEqualTo(special);
    }

    @Test
    void anAdapterIsRefusedSinceItWouldBeLeftOut() {
        LoadOptions adapted = LoadOptions.DEFAULT.withMerged(folder);
        assertThatThrownBy(() ->
                        Conversion.of(FILES.resolve("hf")).withOptions(adapted).toGguf(folder.resolve("out.gguf")))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("no adapter");
    }
}
