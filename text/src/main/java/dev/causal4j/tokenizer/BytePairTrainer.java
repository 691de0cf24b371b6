package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Trains a byte-pair tokenizer of bytes like GPT-2's (Sennrich, Haddow and Birch 2016; Radford et al. 2019) on texts of
 * any size. Not thread-safe, for one use: {@link #add} the texts, then {@link #train}.
 *
 * <p>Ids: the 256 bytes in the order of GPT-2's alphabet, the learned tokens in the order they were learned, the
 * special tokens. A merge is the most frequent pair of neighbours inside words; ties go to the lower left id, then the
 * lower right id, as in Hugging Face's trainer. Equal texts give equal tokenizers, in any order. Memory grows with the
 * number of different words.
 */
public final class BytePairTrainer {
    /** The default of Hugging Face's byte-level tokenizer. */
    public static final int MIN_FREQUENCY = 2;

    private static final int BYTES = 256;

    /** A family: its pattern splits texts into words, and its conversations have special tokens. */
    public enum Kind {
        /** GPT-2: its own pattern, and the token that ends a document. */
        GPT2("# GPT-2", false, Tokenizer.END_OF_TEXT),
        /** Llama 3: up to three digits are a word, as are contractions in capitals. */
        LLAMA3(
                "# Llama 3",
                false,
                "<|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>"),
        /** Qwen 2 and 3: a digit is a word; texts are composed (NFC). */
        QWEN("# Qwen 2,", true, Tokenizer.END_OF_TEXT + " <|im_start|> <|im_end|>");

        private final String heading; // of its pattern in patterns.txt
        private final boolean composed;
        private final String specialTokens;

        Kind(String heading, boolean composed, String specialTokens) {
            this.heading = heading;
            this.composed = composed;
            this.specialTokens = specialTokens;
        }

        /** The family's usual special tokens, in the order of ids. */
        public List<String> specialTokens() {
            return List.of(specialTokens.split(" ", -1));
        }

        private String pattern() {
            return TokenizerReader.resource("patterns.txt")
                    .lines()
                    .dropWhile(line -> !line.startsWith(heading))
                    .skip(1)
                    .findFirst()
                    .orElseThrow();
        }

        /** The settings of a tokenizer.json that differ from GPT-2's. */
        private Map<String, Object> settings() {
            Map<String, Object> settings = new LinkedHashMap<>();
            if (composed) {
                settings.put("normalizer", Json.object("type", "NFC"));
            }
            if (this != GPT2) {
                Map<String, Object> pattern = Json.object("Regex", pattern());
                List<Object> steps = List.of(
                        Json.object("type", "Split", "pattern", pattern, "behavior", "Isolated", "invert", false),
                        Json.object("type", "ByteLevel", "add_prefix_space", false, "use_regex", false));
                settings.put("pre_tokenizer", Json.object("type", "Sequence", "pretokenizers", steps));
            }
            return settings;
        }
    }

    private final Kind kind;
    private final int vocabularySize;
    private final List<String> specialTokens;
    private final int minFrequency;
    private final Pattern special;
    private final Splitter splitter;
    private final Map<String, long[]> counts = new HashMap<>();

    /** A trainer of {@link Kind#GPT2}; see {@link #BytePairTrainer(Kind, int, List, int)}. */
    public BytePairTrainer(int vocabularySize, List<String> specialTokens, int minFrequency) {
        this(Kind.GPT2, vocabularySize, specialTokens, minFrequency);
    }

    /**
     * Creates a trainer.
     *
     * @param kind how texts are split
     * @param vocabularySize number of ids, including the 256 bytes and the special tokens
     * @param specialTokens tokens with the last ids; in texts they are skipped
     * @param minFrequency fewest occurrences of a pair that becomes a token
     * @throws IllegalArgumentException if the vocabulary has no room for bytes and special tokens or more than
     *     16,777,216 entries, a special token is there twice or not two or more visible characters of ASCII, or
     *     minFrequency is below 1
     */
    public BytePairTrainer(Kind kind, int vocabularySize, List<String> specialTokens, int minFrequency) {
        int least = BYTES + specialTokens.size();
        int most = Pieces.MAX_ID + 1;
        if (vocabularySize < least || vocabularySize > most) {
            throw new IllegalArgumentException("vocabulary-size: expected " + least + " (256 bytes and "
                    + specialTokens.size() + " special) to " + most + ", got " + vocabularySize
                    + "; choose a size in this range");
        }
        if (minFrequency < 1) {
            throw new IllegalArgumentException(
                    "min-frequency: expected at least 1, got " + minFrequency + "; " + MIN_FREQUENCY + " is usual");
        }
        requireSpecial(specialTokens);
        this.kind = kind;
        splitter = new Splitter.Matches(kind.pattern());
        this.vocabularySize = vocabularySize;
        this.specialTokens = List.copyOf(specialTokens);
        this.minFrequency = minFrequency;
        special = Pattern.compile(specialTokens.stream()
                .sorted(Comparator.comparingInt(String::length).reversed()) // the longest wins, as in the encoder
                .map(Pattern::quote)
                .collect(Collectors.joining("|")));
    }

    private static void requireSpecial(List<String> tokens) {
        if (tokens.size() > TokenizerReader.MAX_ADDED_TOKENS) {
            throw new IllegalArgumentException(
                    "special tokens: expected at most " + TokenizerReader.MAX_ADDED_TOKENS + ", got " + tokens.size());
        }
        Set<String> seen = new HashSet<>();
        for (String token : tokens) {
            // Other characters may be bytes of GPT-2's alphabet and would decode to another text.
            boolean visible = token.length() > 1 && token.chars().allMatch(c -> c > ' ' && c < 0x7f);
            if (!visible || !seen.add(token)) {
                throw new IllegalArgumentException("special token: expected two or more visible characters of ASCII,"
                        + " each token once, got " + FormatException.quote(token) + "; give each once, in a form like "
                        + Tokenizer.END_OF_TEXT);
            }
        }
    }

    /**
     * Counts the words of a text of any size.
     *
     * @throws IOException if the reader fails; the part read before is counted
     * @throws IllegalArgumentException if the text runs for more than 16 million characters without a space
     */
    public void add(Reader text) throws IOException {
        TextParts.forEach(text, TextParts.USUAL, TextParts.AT_WORDS, part -> {
            // Without special tokens the pattern is empty and would match everywhere.
            for (String between : specialTokens.isEmpty() ? new String[] {part} : special.split(part, -1)) {
                String normal = kind.composed ? Normalizer.nfc(between) : between;
                splitter.split(normal, true, word -> counts.computeIfAbsent(word, unused -> new long[1])[0]++);
            }
        });
    }

    /**
     * Learns the tokens. If too few pairs occur often enough, the {@link Tokenizer#vocabularySize} is smaller than
     * requested.
     *
     * @param progress receives the number of tokens after each merge; an exception from it ends the training
     * @throws IllegalStateException if no text was added
     */
    public Tokenizer train(IntConsumer progress) {
        if (counts.isEmpty()) {
            throw new IllegalStateException("training text: expected some, got none; is the data empty?");
        }
        MergeLearning learning = new MergeLearning(counts);
        counts.clear();
        learning.learn(vocabularySize - specialTokens.size(), minFrequency, progress);
        Map<String, Object> ids = new LinkedHashMap<>();
        learning.pieces.forEach(piece -> ids.put(piece, ids.size()));
        specialTokens.forEach(token -> ids.put(token, ids.size()));
        try {
            return TokenizerReader.byteLevel("trained tokenizer", kind.settings(), ids, learning.merges, specialTokens);
        } catch (FormatException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    /**
     * Learns merges from counted words: the most frequent pair of neighbours becomes one token, again and again
     * (Sennrich, Haddow and Birch 2016); ties go to the lower ids, left before right. Single use; not thread-safe.
     *
     * <p>A pair knows the words it is in, so a merge takes time in proportion to their length. All pairs with a new
     * token are made together with it, and their counts only fall afterwards. A pair whose count has fallen since it
     * was queued is queued again when its turn comes.
     *
     * <p>Merges inside a stretch of text that no merge crosses depend on that stretch alone, so it becomes a token in
     * one way only. Hence a learned pair does not come back, and at each step words are as the encoder would leave
     * them.
     */
    private static final class MergeLearning {
        private final Map<Long, Pair> pairs = new HashMap<>();
        private final PriorityQueue<Pair> queue = new PriorityQueue<>(
                Comparator.comparingLong((Pair p) -> -p.queued).thenComparingLong(p -> p.key));
        private final List<Pair> made = new ArrayList<>(); // pairs with the newest token

        /** The tokens in the order of their ids: the 256 bytes, then the learned ones. */
        final List<String> pieces = new ArrayList<>(ByteLevel.alphabet());

        /** The left and the right token of each merge, in their order. */
        final List<String> merges = new ArrayList<>();

        private static final class Word {
            final long occurrences;
            final int[] tokens;
            int length; // of the used part of tokens

            Word(String text, long occurrences) {
                this.occurrences = occurrences;
                byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
                tokens = new int[bytes.length];
                length = bytes.length;
                Arrays.setAll(tokens, i -> ByteLevel.id(bytes[i]));
            }
        }

        /** Two tokens side by side. */
        private static final class Pair {
            final long key;
            final int left;
            final int right;
            final List<Word> words = new ArrayList<>(1); // also words that lost the pair to another merge
            long count;
            long queued; // the count when it was queued

            Pair(long key) {
                this.key = key;
                left = (int) (key >>> 32);
                right = (int) key;
            }
        }

        /** @param counts how often each word occurs */
        MergeLearning(Map<String, long[]> counts) {
            counts.forEach((text, count) -> {
                Word word = new Word(text, count[0]);
                for (int i = 1; i < word.length; i++) {
                    change(word.tokens[i - 1], word.tokens[i], word, 1);
                }
            });
            made.forEach(this::queue);
        }

        /**
         * Merges until there are {@code size} tokens, or no pair occurs {@code minFrequency} times.
         *
         * @param progress receives the number of tokens after each merge
         */
        void learn(int size, long minFrequency, IntConsumer progress) {
            while (pieces.size() < size) {
                Pair best = queue.poll();
                if (best == null || best.queued < minFrequency) {
                    return;
                }
                if (best.queued != best.count) {
                    queue(best);
                    continue;
                }
                made.clear();
                best.words.forEach(word -> merge(best, pieces.size(), word));
                best.words.clear();
                made.forEach(this::queue);
                merges.add(pieces.get(best.left) + " " + pieces.get(best.right));
                pieces.add(pieces.get(best.left) + pieces.get(best.right));
                progress.accept(pieces.size());
            }
        }

        private void queue(Pair pair) {
            pair.queued = pair.count;
            queue.add(pair);
        }

        /** Replaces the pair in a word, from left to right as the encoder does. */
        private void merge(Pair pair, int merged, Word word) {
            int[] tokens = word.tokens;
            int size = 0;
            for (int i = 0; i < word.length; size++) {
                boolean here = i + 1 < word.length && tokens[i] == pair.left && tokens[i + 1] == pair.right;
                if (here && size > 0) {
                    change(tokens[size - 1], pair.left, word, -1);
                    change(tokens[size - 1], merged, word, 1);
                }
                if (here && i + 2 < word.length) {
                    change(pair.right, tokens[i + 2], word, -1);
                    change(merged, tokens[i + 2], word, 1);
                }
                tokens[size] = here ? merged : tokens[i];
                i += here ? 2 : 1;
            }
            word.length = size;
        }

        private void change(int left, int right, Word word, int times) {
            Pair pair = pairs.computeIfAbsent((long) left << 32 | right, this::make);
            pair.count += times * word.occurrences;
            // A pair that was queued has all its words.
            if (pair.queued == 0 && (pair.words.isEmpty() || pair.words.getLast() != word)) {
                pair.words.add(word);
            }
        }

        private Pair make(long key) {
            Pair pair = new Pair(key);
            made.add(pair);
            return pair;
        }
    }
}
