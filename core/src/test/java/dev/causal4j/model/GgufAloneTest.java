package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.JavaProcess;
import dev.causal4j.TemplateException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.format.GgufAttack;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** The tokenizer and special ids of a GGUF file. Expected ids are llama.cpp's. */
class GgufAloneTest {
    private static final Path FILES = Golden.folder("gguf");

    private static final int[] TOKENS = {5, 80, 3, 111, 2, 64};
    private static final String TEXT = "It's 1234 in  na\u00efve <|im_end|>\n\u65e5\u672c";

    @TempDir
    Path folder;

    /** Files with a vocabulary; files of fixtures have token ids alone. */
    static List<String> names() throws IOException {
        List<String> names = new ArrayList<>();
        for (String name : all()) {
            if (!expected(name).has("fixture")) {
                names.add(name);
            }
        }
        return names;
    }

    private static List<String> all() throws IOException {
        try (Stream<Path> files = Files.list(FILES)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".expected.json"))
                    .map(name -> name.substring(0, name.length() - ".expected.json".length()))
                    .sorted()
                    .toList();
        }
    }

    private static JsonNode expected(String name) throws IOException {
        return new ObjectMapper().readTree(Files.readAllBytes(FILES.resolve(name + ".expected.json")));
    }

    @ParameterizedTest
    @MethodSource("names")
    void tokenizersGiveTheIdsOfLlamaCpp(String name) throws IOException {
        JsonNode expected = expected(name);
        try (Checkpoint checkpoint =
                Checkpoint.open(FILES.resolve(expected.get("file").asString()))) {
            Tokenizer tokenizer = checkpoint.requireTokenizer();
            int[] begin = tokenizer.withPrefix(new int[0]);
            boolean gemma = expected.get("architecture").asString().startsWith("gemma");
            for (JsonNode each : expected.get("vocab").get("tokenize")) {
                String text = each.get("text").asString();
                boolean composes = name.startsWith("qwen") && text.startsWith("e\u0301"); // llama.cpp leaves NFC out
                if (composes || (gemma && text.startsWith("\u2581"))) { // and distinguishes a mark from a space
                    continue;
                }
                SpecialTokens special =
                        each.get("parse_special").asBoolean() ? SpecialTokens.PARSE : SpecialTokens.AS_TEXT;
                IntStream ids = Arrays.stream(tokenizer.encode(text, special));
                boolean whole = each.get("add_special").asBoolean();
                assertThat(IntStream.concat(whole ? Arrays.stream(begin) : IntStream.empty(), ids)
                                .boxed())
                        .as("%s of %s", special, text)
                        .containsExactlyElementsOf(ids(each.get("ids")));
                if (!text.matches(
                        "(?s).*[<\u2581].*")) { // a mark is added after each special token, and becomes a space
                    assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
                }
            }
        }
    }

    private static List<Integer> ids(JsonNode list) {
        return list.valueStream().map(JsonNode::intValue).toList();
    }

    @ParameterizedTest
    @MethodSource("names")
    void specialIdsAreThoseOfLlamaCpp(String name) throws IOException {
        JsonNode expected = expected(name);
        JsonNode vocabulary = expected.get("vocab");
        try (Checkpoint checkpoint =
                Checkpoint.open(FILES.resolve(expected.get("file").asString()))) {
            assertThat(checkpoint.config().bos()).hasValue(vocabulary.get("bos").intValue());
            assertThat(checkpoint.config().eos())
                    .containsExactlyInAnyOrderElementsOf(ids(vocabulary.get("end_of_generation")));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt2",
                "gemma2",
                "gemma3",
                "llama-bias",
                "llama-linear",
                "llama-q4_k",
                "llama-rope3",
                "phi3",
                "phi3-longrope",
                "phi3-partial",
                "qwen2-yarn",
                "qwen3",
                "variant-split-00001-of-00002"
            })
    void convertedFoldersComputeAndReadWhatTheFileDoes(String name) throws IOException {
        Path file = FILES.resolve(name + ".gguf");
        Path out = folder.resolve("out");
        Conversion.of(file)
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.F32))
                .toPanels(out);
        try (CausalLM converted = CausalLM.load(out);
                CausalLM original = CausalLM.load(file, DType.F32)) {
            assertThat(converted.config().sameArchitecture(original.config())).isTrue();
            assertThat(Logits.of(converted, TOKENS)).isEqualTo(Logits.of(original, TOKENS));
            assertThat(converted.bos()).isEqualTo(original.bos());
            assertThat(converted.eos()).isEqualTo(original.eos());
            Tokenizer tokenizer = original.requireTokenizer();
            assertThat(converted.requireTokenizer().encode(TEXT)).isEqualTo(tokenizer.encode(TEXT));
            assertThat(tokenizer.withPrefix(tokenizer.encode(TEXT)))
                    .isEqualTo(converted.requireTokenizer().withPrefix(tokenizer.encode(TEXT)));
            assertThat(Checkpoint.readTokenizer(file).orElseThrow().toJson()).isEqualTo(tokenizer.toJson());
        }
        assertThat(Checkpoint.readTemplates(out).parse().map(GgufAloneTest::rendered))
                .isEqualTo(Checkpoint.readTemplates(file).parse().map(GgufAloneTest::rendered));
    }

    @Test
    void conversationsAreRenderedByTheTemplateOfTheFile() throws IOException {
        ChatTemplate template =
                Checkpoint.readTemplates(FILES.resolve("qwen2.gguf")).parse().orElseThrow();
        assertThat(rendered(template)).isEqualTo("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
        assertThat(Checkpoint.readTemplates(FILES.resolve("llama-f32.gguf")).parse())
                .isEmpty();
    }

    @Test
    void aModelHandsOutTheTemplateOfItsFileOrFolder() throws IOException {
        Path file = FILES.resolve("qwen2.gguf");
        Path out = folder.resolve("out");
        Conversion.of(file)
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.F32))
                .toPanels(out);
        String expected = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        try (CausalLM original = CausalLM.load(file);
                CausalLM converted = CausalLM.load(out);
                CausalLM without = CausalLM.load(FILES.resolve("llama-f32.gguf"))) {
            assertThat(original.chatTemplate().map(GgufAloneTest::rendered)).contains(expected);
            assertThat(converted.with(converted).chatTemplate().map(GgufAloneTest::rendered))
                    .contains(expected);
            assertThat(without.chatTemplate()).isEmpty();
        }
    }

    @Test
    void aTemplateThatIsNoneIsRefusedWhenItIsAskedFor() throws IOException {
        Path out = folder.resolve("out");
        Conversion.of(FILES.resolve("qwen2.gguf"))
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.F32))
                .toPanels(out);
        Files.writeString(out.resolve("chat_template.jinja"), "{% if %}");
        try (CausalLM model = CausalLM.load(out)) {
            assertThat(Logits.of(model, TOKENS)).isNotEmpty();
            assertThatThrownBy(model::chatTemplate)
                    .isInstanceOf(TemplateException.class)
                    .hasMessageContaining("chat_template.jinja");
        }
    }

    private static String rendered(ChatTemplate template) {
        return template.render(List.of(new Message(Map.of("role", "user", "content", "Hi"))), null, true, Map.of())
                .text();
    }

    /** Other programs' folders have plain numbers, so the user must choose to widen blocks. */
    @Test
    void quantisedFilesBecomeNumbersOfAChosenDtypeOnly() {
        Path file = FILES.resolve("llama-mix-q4_k_m.gguf");
        assertThatThrownBy(() -> Conversion.of(file).toHuggingFace(folder.resolve("out")))
                .isInstanceOf(FormatException.class)
                .hasMessage(file + ": expected a dtype for quantised weights, got none; choose one with --dtype");
        assertThat(folder).isEmptyDirectory();
    }

    /** Hugging Face's library composes characters for Qwen, llama.cpp does not. */
    @Test
    void qwenComposesCharacters() throws IOException {
        Tokenizer qwen = Checkpoint.readTokenizer(FILES.resolve("qwen2.gguf")).orElseThrow();
        assertThat(qwen.encode("e\u0301")).isEqualTo(qwen.encode("\u00e9")).hasSize(2);
        Tokenizer llama =
                Checkpoint.readTokenizer(FILES.resolve("llama-rope3.gguf")).orElseThrow();
        assertThat(llama.encode("e\u0301")).hasSize(3);
    }

    @Test
    void aModelOfAnUnsupportedTokenizerTakesTokenIds() throws IOException {
        byte[] bytes = Files.readAllBytes(FILES.resolve("gpt2.gguf"));
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("gpt-2");
        System.arraycopy("bloom".getBytes(StandardCharsets.US_ASCII), 0, bytes, at, 5);
        Path file = Files.write(folder.resolve("bloom.gguf"), bytes);
        try (LogLines log = LogLines.of(Checkpoint.class);
                CausalLM model = CausalLM.load(file)) {
            assertThat(model.tokenizer()).isEmpty();
            assertThat(model.eos()).containsExactly(299);
            assertThat(Logits.of(model, TOKENS)).isNotEmpty();
            assertThat(log.lines()).singleElement().asString().contains("tokenizer.ggml.pre", "\"bloom\"", "token ids");
        }
    }

    // ---- malformed files

    @ParameterizedTest
    @MethodSource("dev.causal4j.format.GgufAttack#all")
    void modelsAreLoadedOrRefusedAsTheTableSays(GgufAttack attack) throws IOException {
        Path file = attack.write(folder);
        Throwable refusal = catchThrowable(() -> CausalLM.load(file).close());
        if (attack.fate() == GgufAttack.Fate.LOADED) {
            assertThat(refusal).isNull();
        } else {
            assertThat(refusal).isInstanceOf(FormatException.class);
            assertThat(refusal.getMessage())
                    .startsWith(file.toString())
                    .satisfies(message -> assertThat(attack.told()).allMatch(message::contains))
                    .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                    .hasSizeLessThan(1000);
        }
    }

    /** A file that announces a billion of something gets no memory for them. */
    @Test
    void malformedModelsNeedLittleMemory() throws IOException, InterruptedException {
        long loaded = 0;
        for (GgufAttack attack : GgufAttack.all()) {
            attack.write(folder);
            loaded += attack.fate() == GgufAttack.Fate.LOADED ? 1 : 0;
        }
        List<String> flags = List.of("-Xmx64m", "-XX:+UseSerialGC");
        assertThat(JavaProcess.run(0, flags, Loads.class, folder.toString()))
                .last()
                .isEqualTo("loaded " + loaded + ", refused " + (GgufAttack.all().size() - loaded));
    }

    static final class Loads {
        private Loads() {}

        public static void main(String[] args) throws IOException {
            List<Path> files = new ArrayList<>();
            try (Stream<Path> all = Files.list(Path.of(args[0]))) {
                all.filter(each -> each.toString().endsWith(".gguf")).forEach(files::add);
            }
            int refused = 0;
            for (Path file : files) {
                try {
                    CausalLM.load(file).close();
                } catch (FormatException e) {
                    refused++;
                }
            }
            System.out.println("loaded " + (files.size() - refused) + ", refused " + refused);
        }
    }
}
