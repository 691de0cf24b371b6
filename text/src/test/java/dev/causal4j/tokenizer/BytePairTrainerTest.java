package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.causal4j.Whole;
import java.io.ByteArrayInputStream;
import java.io.FilterReader;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BytePairTrainerTest {
    private static final int BYTES = 256;

    private static final String END = Tokenizer.END_OF_TEXT;

    @TempDir
    Path folder;

    private static Tokenizer train(int size, String... texts) {
        return train(size, List.of(END), 2, texts);
    }

    private static Tokenizer train(int size, List<String> special, int minFrequency, String... texts) {
        BytePairTrainer trainer = new BytePairTrainer(size, special, minFrequency);
        Arrays.stream(texts).forEach(text -> add(trainer, text));
        return trainer.train(unused -> {});
    }

    private static void add(BytePairTrainer trainer, String text) {
        try {
            trainer.add(new StringReader(text));
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    private static List<String> pieces(Tokenizer tokenizer) {
        return IntStream.range(0, tokenizer.vocabularySize())
                .mapToObj(tokenizer::piece)
                .toList();
    }

    @ParameterizedTest
    @EnumSource(BytePairTrainer.Kind.class)
    void eachKindSplitsTextsAsItsFamilyDoes(BytePairTrainer.Kind kind) throws IOException {
        String text = "In 2024 IT'S e\u0301te\u0301,\nin 2024 it's \u00e9t\u00e9!\n\n";
        BytePairTrainer trainer = new BytePairTrainer(kind, 400, kind.specialTokens(), 2);
        add(trainer, text.repeat(9));
        Tokenizer tokenizer = trainer.train(unused -> {});
        int digits = pieces(tokenizer).stream()
                .mapToInt(piece -> piece.replaceAll("[^0-9]", "").length())
                .max()
                .orElseThrow();

        assertThat(digits).isEqualTo(Map.of("GPT2", 4, "LLAMA3", 3, "QWEN", 1).get(kind.name()));
        assertThat(pieces(tokenizer).contains("'S")).isEqualTo(kind != BytePairTrainer.Kind.GPT2);
        assertThat(pieces(tokenizer)).endsWith(kind.specialTokens().toArray(String[]::new));
        assertThat(tokenizer.decode(tokenizer.encode(text)))
                .isEqualTo(kind == BytePairTrainer.Kind.QWEN ? text.replace("e\u0301", "\u00e9") : text);
        Tokenizer read = Tokenizer.fromJson("again", tokenizer.toJson());
        assertThat(read.encode(text)).containsExactly(tokenizer.encode(text));
        assertThat(new String(tokenizer.toJson(), StandardCharsets.UTF_8).contains("NFC"))
                .isEqualTo(kind == BytePairTrainer.Kind.QWEN);
    }

    @Test
    void theBytesComeFirstThenTheMergesThenTheSpecialTokens() throws IOException {
        Tokenizer tokenizer = train(261, "low low low lower lower newest newest widest");

        // Pairs inside words: "l o" and "o w" 5 times each, and the lower left id wins; then "lo w"; then "Ġ low".
        assertThat(pieces(tokenizer).subList(BYTES, 261)).containsExactly("lo", "low", "\u0120low", "es", END);
        assertThat(tokenizer.vocabularySize()).isEqualTo(261);
        assertThat(tokenizer.isSpecial(260)).isTrue();
        // GPT-2's first 256 ids.
        assertThat(pieces(tokenizer).subList(0, BYTES))
                .isEqualTo(pieces(Fixtures.austen()).subList(0, BYTES));
    }

    @Test
    void ofEquallyFrequentPairsTheOneOfTheLowerIdsIsFirst() {
        Tokenizer tokenizer = train(264, List.of(), 1, "yz.dz.cz.ac.ab");

        assertThat(pieces(tokenizer).subList(BYTES, 261)).containsExactly("ab", "ac", "cz", "dz", "yz");
    }

    /** With few different bytes, merges meet, overlap and lead to tokens that exist. */
    static List<List<String>> corpora() {
        List<List<String>> corpora = new ArrayList<>();
        for (int seed = 0; seed < Whole.or(60, 8); seed++) {
            Random random = new Random(seed);
            int letters = 1 + seed % 4;
            List<String> words = new ArrayList<>();
            for (int i = 0; i < 30; i++) {
                StringBuilder word = new StringBuilder();
                random.ints(1 + random.nextInt(12), 0, letters).forEach(c -> word.append((char) ('a' + c)));
                for (int times = random.nextInt(4); times >= 0; times--) {
                    words.add(word.toString());
                }
            }
            corpora.add(words);
        }
        for (int seed = 0; seed < 5; seed++) {
            corpora.add(List.of(Fixtures.randomText(new Random(seed), 500)));
        }
        return corpora;
    }

    /** The definition, with every pair counted again for every merge. */
    @ParameterizedTest
    @MethodSource("corpora")
    void mergesAreThoseOfTheDefinition(List<String> texts) throws IOException {
        int size = BYTES + 120;
        Tokenizer tokenizer = train(size, List.of(), 2, texts.toArray(String[]::new));
        tokenizer.save(folder);
        List<String> merges = Files.readAllLines(folder.resolve("merges.txt"));

        assertThat(merges.subList(1, merges.size())).isEqualTo(definition(texts, size, 2));
    }

    private static List<String> definition(List<String> texts, int size, long minFrequency) {
        Map<String, Long> counts = new TreeMap<>();
        for (String text : texts) {
            Fixtures.split(text, word -> counts.merge(inAlphabet(word), 1L, Long::sum));
        }
        List<String> pieces = new ArrayList<>(ByteLevel.alphabet());
        Map<List<String>, Integer> ranks = new LinkedHashMap<>();
        while (pieces.size() < size) {
            Map<List<String>, Long> pairs = new HashMap<>();
            counts.forEach((word, count) -> {
                List<String> symbols = encode(word, ranks);
                for (int i = 0; i + 1 < symbols.size(); i++) {
                    pairs.merge(List.copyOf(symbols.subList(i, i + 2)), count, Long::sum);
                }
            });
            List<String> best = pairs.keySet().stream()
                    .filter(pair -> pairs.getOrDefault(pair, 0L) >= minFrequency)
                    .min(Comparator.comparingLong((List<String> pair) -> -pairs.getOrDefault(pair, 0L))
                            .thenComparingInt(pair -> pieces.indexOf(pair.get(0)))
                            .thenComparingInt(pair -> pieces.indexOf(pair.get(1))))
                    .orElse(null);
            if (best == null) {
                break;
            }
            ranks.put(best, ranks.size());
            if (!pieces.contains(String.join("", best))) {
                pieces.add(String.join("", best));
            }
        }
        return ranks.keySet().stream().map(pair -> String.join(" ", pair)).toList();
    }

    /** The merges applied as they are defined: always the first learned pair, all of its occurrences from the left. */
    private static List<String> encode(String word, Map<List<String>, Integer> ranks) {
        List<String> symbols =
                new ArrayList<>(word.chars().mapToObj(Character::toString).toList());
        while (true) {
            List<String> best = IntStream.range(0, symbols.size() - 1)
                    .mapToObj(i -> List.copyOf(symbols.subList(i, i + 2)))
                    .filter(ranks::containsKey)
                    .min(Comparator.comparingInt(pair -> ranks.getOrDefault(pair, 0)))
                    .orElse(null);
            if (best == null) {
                return symbols;
            }
            for (int i = 0; i + 1 < symbols.size(); i++) {
                if (symbols.subList(i, i + 2).equals(best)) {
                    symbols.set(i, symbols.get(i) + symbols.remove(i + 1));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void idsAreThoseOfTheMergesAndTheTextComesBack(long seed) throws IOException {
        Random random = new Random(seed);
        String text = Fixtures.randomText(random, 2000);
        Tokenizer tokenizer = train(300 + 50 * (int) seed, text);
        tokenizer.save(folder);
        Map<List<String>, Integer> ranks = new HashMap<>();
        Files.readAllLines(folder.resolve("merges.txt")).stream()
                .skip(1)
                .forEach(line -> ranks.put(List.of(line.split(" ", -1)), ranks.size()));
        Map<String, Integer> ids = new HashMap<>();
        pieces(tokenizer).forEach(piece -> ids.put(piece, ids.size()));

        for (int round = 0; round < 50; round++) {
            String other = Fixtures.randomText(random, 1 + random.nextInt(40));
            List<Integer> expected = new ArrayList<>();
            Fixtures.split(
                    other, word -> encode(inAlphabet(word), ranks).forEach(piece -> expected.add(ids.get(piece))));
            assertThat(Arrays.stream(tokenizer.encode(other, SpecialTokens.AS_TEXT))
                            .boxed())
                    .as(other)
                    .isEqualTo(expected);
            assertThat(tokenizer.decode(tokenizer.encode(other))).isEqualTo(other);
        }
        assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
    }

    private static String inAlphabet(String word) {
        StringBuilder symbols = new StringBuilder();
        for (byte b : word.getBytes(StandardCharsets.UTF_8)) {
            symbols.append(ByteLevel.alphabet().get(ByteLevel.id(b)));
        }
        return symbols.toString();
    }

    @Test
    void theOrderOfTheTextsDoesNotMatter() {
        List<String> texts = IntStream.range(0, 50)
                .mapToObj(seed -> Fixtures.randomText(new Random(seed), 100))
                .toList();

        assertThat(train(600, texts.reversed().toArray(String[]::new)).toJson())
                .isEqualTo(train(600, texts.toArray(String[]::new)).toJson());
    }

    @Test
    void aLongTextInPartsIsTheTextAtOnce() throws IOException {
        String text = Fixtures.randomText(new Random(3), 60_000).replace(END, "");
        BytePairTrainer slow = new BytePairTrainer(700, List.of(END), 2);
        slow.add(new FilterReader(new StringReader(text)) {
            @Override
            public int read(char[] to, int offset, int length) throws IOException {
                return super.read(to, offset, Math.min(length, 1));
            }
        });

        BytePairTrainer byWords = new BytePairTrainer(700, List.of(END), 2);
        Fixtures.split(text, word -> add(byWords, word));

        assertThat(slow.train(unused -> {}).toJson())
                .isEqualTo(byWords.train(unused -> {}).toJson());
    }

    @Test
    void nothingIsLearnedOfSpecialTokens() {
        List<String> special = List.of("<a>", "<a><b>", "low");
        Tokenizer tokenizer = train(300, special, 2, "<a><b>xyxy<a>xyxy<a><b>".repeat(9) + " low low below");

        assertThat(tokenizer.encode("<a><b>xyxy<a>", SpecialTokens.PARSE)).hasSize(3);
        assertThat(pieces(tokenizer)).endsWith("<a>", "<a><b>", "low").doesNotContain("<a", "lo", "><");
        assertThat(new HashSet<>(pieces(tokenizer))).hasSize(tokenizer.vocabularySize());
    }

    @Test
    void aSmallTextGivesASmallerTokenizer() {
        assertThat(train(1000, "aaaa bbbb aaaa bbbb").vocabularySize()).isEqualTo(BYTES + 5 + 1);
        assertThat(train(1000, "abc").vocabularySize()).isEqualTo(BYTES + 1);
        assertThat(train(1000, List.of(), 1, "abc").vocabularySize()).isEqualTo(BYTES + 2);
        assertThat(train(BYTES + 1, "aaaa bbbb").vocabularySize()).isEqualTo(BYTES + 1);
    }

    @Test
    void aRunWithoutEndIsLearnedInTime() {
        assertThat(train(280, "a".repeat(300_000), "ab".repeat(150_000)).encode("a".repeat(1 << 10)).length)
                .isLessThan(10);
    }

    @Test
    void progressIsTheNumberOfTokens() {
        BytePairTrainer trainer = new BytePairTrainer(262, List.of(END), 2);
        add(trainer, "low low low lower lower newest newest widest");
        List<Integer> heard = new ArrayList<>();
        trainer.train(heard::add);

        assertThat(heard).containsExactly(257, 258, 259, 260, 261);
    }

    @Test
    void savedFilesAreTheTokenizerInBothLayouts() throws IOException {
        String text = Fixtures.randomText(new Random(5), 3000);
        Tokenizer tokenizer = train(500, text);
        tokenizer.save(folder);
        String other = Fixtures.randomText(new Random(6), 300) + END + "x";

        Tokenizer fromJson = Tokenizer.load(folder).orElseThrow();
        assertThat(fromJson.toJson()).isEqualTo(tokenizer.toJson());
        int[] parsed = tokenizer.encode(other, SpecialTokens.PARSE);
        assertThat(fromJson.encode(other, SpecialTokens.PARSE)).isEqualTo(parsed);
        try (HuggingFaceTokenizer peer = HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(tokenizer.toJson()), Map.of("truncation", "false"))) {
            long[] ids = peer.encode(other, false, false).getIds();
            assertThat(Arrays.stream(ids).mapToInt(id -> (int) id).toArray()).isEqualTo(parsed);
        }
        Files.delete(folder.resolve("tokenizer.json"));
        Tokenizer fromVocabulary = Tokenizer.load(folder).orElseThrow();
        assertThat(fromVocabulary.toJson()).isEqualTo(tokenizer.toJson());
    }

    @Test
    void aSavedFileHasTheFieldsOfHuggingFace() throws IOException {
        JsonNode expected = JsonMapper.shared().readTree(Fixtures.resource("tokenizer.json"));
        JsonNode got = JsonMapper.shared().readTree(Fixtures.austen().toJson());

        assertThat(got).isEqualTo(expected);
        assertThat(List.copyOf(got.propertyNames())).isEqualTo(List.copyOf(expected.propertyNames()));
    }

    @Test
    void whatCannotBeTrainedIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BytePairTrainer(256, List.of(END), 2))
                .withMessage("vocabulary-size: expected 257 (256 bytes and 1 special) to 16777216, got 256;"
                        + " choose a size in this range");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BytePairTrainer(Integer.MAX_VALUE, List.of(END), 2))
                .withMessageContaining("got 2147483647");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BytePairTrainer(300, List.of(), 0))
                .withMessage("min-frequency: expected at least 1, got 0; 2 is usual");
        for (String token : List.of("", "a", "<a >", "\u0120", "\u00c3\u00a9", "\ud800<")) {
            assertThatIllegalArgumentException()
                    .as(token)
                    .isThrownBy(() -> new BytePairTrainer(300, List.of(token), 2))
                    .withMessageStartingWith("special token: expected");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BytePairTrainer(300, List.of("<a>", "<a>"), 2))
                .withMessageStartingWith("special token: expected")
                .withMessageEndingWith("got \"<a>\"; give each once, in a form like <|endoftext|>");
        assertThatIllegalStateException()
                .isThrownBy(() -> train(300, "", END))
                .withMessage("training text: expected some, got none; is the data empty?");
    }
}
