package dev.causal4j.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import dev.causal4j.tokenizer.TokenizerGoldenTest;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Vocabularies that no golden file has. */
class GgufVocabularyTest {
    private static final int NORMAL = 1;
    private static final int CONTROL = 3;
    private static final int OWN = 4;

    private final List<String> tokens = new ArrayList<>();
    private final List<Integer> kinds = new ArrayList<>();
    private final List<Double> scores = new ArrayList<>();
    private final List<String> merges = new ArrayList<>();
    private final Map<String, Object> keys = new HashMap<>();

    private int add(String token, int kind, double score) {
        tokens.add(token);
        kinds.add(kind);
        scores.add(score);
        return tokens.size() - 1;
    }

    private void bytes() {
        IntStream.range(0, 256).forEach(b -> add(TokenizerGoldenTest.pieceOf((byte) b), NORMAL, 0));
    }

    private GgufVocabulary vocabulary(String model) throws FormatException {
        keys.put("general.architecture", "llama");
        keys.put("tokenizer.ggml.model", model);
        keys.put("tokenizer.ggml.tokens", tokens);
        keys.put("tokenizer.ggml.token_type", kinds);
        keys.putIfAbsent("tokenizer.ggml.merges", merges);
        if (model.equals("llama")) {
            keys.put("tokenizer.ggml.scores", scores);
        }
        return new GgufVocabulary(new Json("x.gguf", keys), tokens.size());
    }

    private Tokenizer tokenizer(String model) throws FormatException {
        return vocabulary(model).tokenizer();
    }

    private void splitting(String name) {
        keys.put("tokenizer.ggml.pre", name);
    }

    /** A piece of 200,000 characters once led to 200,000 copies of its prefixes. */
    @Test
    void aLongPieceTakesTimeByItsLength() throws FormatException {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long[] bytes = new long[2];
        for (int run = 0; run < 4; run++) { // the first two load classes
            tokens.clear();
            kinds.clear();
            scores.clear();
            add("<unk>", 2, 0);
            List.of("a", "b", "ab").forEach(token -> add(token, NORMAL, 0));
            add("ab".repeat(50_000 << run % 2), NORMAL, 0);
            GgufVocabulary vocabulary = vocabulary("llama");
            long before = threads.getCurrentThreadAllocatedBytes();
            vocabulary.tokenizer();
            bytes[run % 2] = threads.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(bytes[1]).isLessThan(3 * bytes[0]);
    }

    @Test
    void piecesOfManyLongLengthsAreRefused() {
        add("<unk>", 2, 0);
        IntStream.rangeClosed(1, 2_000).forEach(length -> add("a".repeat(length), NORMAL, 0));
        assertThatThrownBy(() -> tokenizer("llama"))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("halves");
    }

    /** Merges join plain text, with marks for spaces; characters without a token become bytes. */
    @Test
    void gemma4MergesPlainTextBetweenLines() throws FormatException {
        add("<bos>", CONTROL, 0);
        int eAcute = IntStream.range(0, 256)
                .map(b -> add("<0x%02X>".formatted(b), 6, 0))
                .skip(0xc3)
                .findFirst()
                .orElseThrow();
        for (String token : List.of("h", "i", "\u2581", "\n", "\n\n", "\n\n\n", "hi", "\u2581hi")) {
            add(token, NORMAL, 0);
        }
        merges.addAll(List.of("h i", "\u2581 hi"));
        keys.put("tokenizer.ggml.bos_token_id", 0);
        keys.put("tokenizer.ggml.add_bos_token", false);
        Tokenizer tokenizer = tokenizer("gemma4");
        int hi = tokens.indexOf("hi");
        int marked = tokens.indexOf("\u2581hi");
        assertThat(tokenizer.encode("hi hi")).containsExactly(hi, marked);
        assertThat(tokenizer.encode("hi\n\n\n hi")).containsExactly(hi, tokens.indexOf("\n\n\n"), marked);
        assertThat(tokenizer.encode("\u00e9")).containsExactly(eAcute, eAcute + 0xa9 - 0xc3);
        assertThat(tokenizer.decode(tokenizer.encode("hi \u00e9\n\n\n\n\n hi"))).isEqualTo("hi \u00e9\n\n\n\n\n hi");
        assertThat(tokenizer.withPrefix(new int[] {5})).containsExactly(0, 5); // whatever the key says
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt-2",
                "phi-2",
                "olmo",
                "smollm",
                "starcoder",
                "command-r",
                "llama-bpe",
                "llama3",
                "llama-v3",
                "falcon3",
                "dbrx",
                "smaug-bpe",
                "glm4",
                "qwen2",
                "qwen35",
                "deepseek-r1-qwen",
                "stablelm2",
                "tekken",
                "gpt-4o",
                "llama4",
                "default"
            })
    void everyWayToSplitGivesTheTextBack(String name) throws FormatException {
        bytes();
        splitting(name);
        String text = "It's  1234 \u00e9\u00c9 HTTPServer\r\n\n x\u65e5 ...!";
        Tokenizer tokenizer = tokenizer("gpt2");
        assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
    }

    @Test
    void numbersAreCutAsTheirSplittingSays() throws FormatException {
        bytes();
        for (String number : List.of("12", "123", "1234")) {
            add(number, NORMAL, 0);
        }
        merges.addAll(List.of("1 2", "12 3", "123 4"));
        Map<String, Integer> tokens =
                Map.of("gpt-2", 1, "smollm", 4, "qwen2", 4, "llama-bpe", 2, "dbrx", 2, "tekken", 4);
        for (Map.Entry<String, Integer> each : tokens.entrySet()) {
            splitting(each.getKey());
            assertThat(tokenizer("gpt2").encode("1234")).as(each.getKey()).hasSize(each.getValue());
        }
    }

    /** A letter and a vowel above it are a word: a merge joins the last byte of one and the first of the other. */
    @Test
    void marksJoinWordsInQwen35Only() throws FormatException {
        bytes();
        String before = TokenizerGoldenTest.pieceOf((byte) 0x99);
        String after = TokenizerGoldenTest.pieceOf((byte) 0xe0);
        add(before + after, NORMAL, 0);
        merges.add(before + " " + after);
        splitting("qwen35");
        assertThat(tokenizer("gpt2").encode("\u0e19\u0e35")).hasSize(5);
        splitting("qwen2");
        assertThat(tokenizer("gpt2").encode("\u0e19\u0e35")).hasSize(6);
    }

    @Test
    void mergesAreIgnoredForWholeWordsOfLlama3Only() throws FormatException {
        bytes();
        int whole = add("abc", NORMAL, 0);
        splitting("llama-bpe");
        assertThat(tokenizer("gpt2").encode("abc")).containsExactly(whole);
        splitting("dbrx");
        assertThat(tokenizer("gpt2").encode("abc")).hasSize(3);
    }

    @Test
    void llama3BeginsTextsUnlessAKeySaysOtherwise() throws FormatException {
        bytes();
        int begin = add("<|begin_of_text|>", CONTROL, 0);
        keys.put("tokenizer.ggml.bos_token_id", begin);
        splitting("llama-bpe");
        assertThat(tokenizer("gpt2").withPrefix(new int[0])).containsExactly(begin);
        splitting("qwen2");
        assertThat(tokenizer("gpt2").withPrefix(new int[0])).isEmpty();
        splitting("llama-bpe");
        keys.put("tokenizer.ggml.add_bos_token", false);
        assertThat(tokenizer("gpt2").withPrefix(new int[0])).isEmpty();
    }

    @Test
    void unknownWaysToSplitAreRefusedByName() {
        bytes();
        splitting("zebra");
        assertThatThrownBy(() -> tokenizer("gpt2"))
                .isExactlyInstanceOf(FormatException.class)
                .hasMessageContaining("x.gguf, key \"tokenizer.ggml.pre\"")
                .hasMessageContaining("\"zebra\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "t5", "no_vocab"})
    void knownTokenizersAreNotSupported(String model) {
        bytes();
        assertThatThrownBy(() -> tokenizer(model))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageContaining(model);
    }

    @Test
    void knownSplittingsAreNotSupported() {
        bytes();
        splitting("granite-docling");
        assertThatThrownBy(() -> tokenizer("gpt2"))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageContaining("granite-docling");
    }

    /** Qwen has an ordinary token with the text of Llama's end. */
    @Test
    void ordinaryTokensStayText() throws FormatException {
        bytes();
        int ordinary = add("</s>", NORMAL, 0);
        int end = add("<|im_end|>", CONTROL, 0);
        int own = add("<|end|>", OWN, 0);
        splitting("qwen2");
        assertThat(vocabulary("gpt2").stops()).containsExactlyInAnyOrder(end, own);
        Tokenizer tokenizer = tokenizer("gpt2");
        assertThat(tokenizer.isSpecial(ordinary)).isFalse();
        assertThat(tokenizer.encode("</s>", SpecialTokens.PARSE)).hasSize(4);
    }

    @Test
    void keysNameMoreStops() throws FormatException {
        bytes();
        int a = add("<a>", CONTROL, 0);
        int b = add("<b>", CONTROL, 0);
        int c = add("<c>", CONTROL, 0);
        keys.put("tokenizer.ggml.eos_token_id", a);
        keys.put("tokenizer.ggml.eot_token_id", b);
        keys.put("tokenizer.ggml.eom_token_id", c);
        assertThat(vocabulary("gpt2").stops()).containsExactlyInAnyOrder(a, b, c);
        keys.put("tokenizer.ggml.eos_token_id", 4_294_967_295L); // some programs write it for no id
        assertThat(vocabulary("gpt2").stops()).containsExactlyInAnyOrder(b, c);
    }

    @Test
    void theBestScoreIsMergedFirst() throws FormatException {
        add("<unk>", 2, 0);
        int begin = add("<s>", CONTROL, 0);
        int end = add("</s>", CONTROL, 0);
        for (String letter : List.of("\u2581", "a", "b", "c")) {
            add(letter, NORMAL, -9);
        }
        int ab = add("ab", NORMAL, -2);
        int bc = add("bc", NORMAL, -1);
        keys.put("tokenizer.ggml.add_space_prefix", false);
        assertThat(tokenizer("llama").encode("abc")).containsExactly(tokens.indexOf("a"), bc);
        scores.set(bc, -3.0);
        assertThat(tokenizer("llama").encode("abc")).containsExactly(ab, tokens.indexOf("c"));
        assertThat(vocabulary("llama").bos()).hasValue(begin);
        assertThat(vocabulary("llama").stops()).containsExactly(end);
    }

    /** Added runs are written with spaces, and merged before all others, the longest first. */
    @Test
    void runsOfSpacesAreOneToken() throws FormatException {
        add("<unk>", 2, 0);
        add("\u2581", NORMAL, -9);
        add("a", NORMAL, -9);
        add("\u2581a", NORMAL, -1);
        int two = add("  ", OWN, 0);
        int three = add("   ", OWN, 0);
        keys.put("tokenizer.ggml.add_space_prefix", false);
        Tokenizer tokenizer = tokenizer("llama");
        assertThat(tokenizer.encode("a   a")).containsExactly(2, three, 2);
        assertThat(tokenizer.encode("a  a")).containsExactly(2, two, 2);
        assertThat(tokenizer.decode(2, three, 2)).isEqualTo("a   a");
    }

    @Test
    void phiTakesTheSpaceBehindItsTokens() throws FormatException {
        add("<unk>", 2, 0);
        int user = add("<|user|>", CONTROL, 0);
        add("\u2581", NORMAL, -9);
        int a = add("a", NORMAL, -9);
        keys.put("tokenizer.ggml.add_space_prefix", false);
        GgufVocabulary vocabulary = vocabulary("llama");
        keys.put("general.architecture", "phi3");
        assertThat(vocabulary.tokenizer().encode("<|user|> a", SpecialTokens.PARSE))
                .containsExactly(user, a);
    }

    @Test
    void mergesOfUnknownPiecesAndTokensWithoutTextAreLeftOut() throws FormatException {
        bytes();
        add("", NORMAL, 0);
        int ab = add("ab", NORMAL, 0);
        merges.addAll(List.of("x", "q zz", "a b"));
        Tokenizer tokenizer = tokenizer("gpt2");
        assertThat(tokenizer.encode("ab")).containsExactly(ab);
        assertThat(tokenizer.vocabularySize()).isEqualTo(258);
    }

    @Test
    void templatesOfOtherNamesAreKept() throws FormatException {
        bytes();
        keys.put("tokenizer.chat_template", "a");
        keys.put("tokenizer.chat_template.tool_use", "b");
        assertThat(vocabulary("gpt2").templateSource().templates())
                .containsExactlyInAnyOrderEntriesOf(Map.of("default", "a", "tool_use", "b"));
    }
}
