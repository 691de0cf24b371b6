package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Trains a byte-pair tokenizer of GPT-2's kind (Sennrich, Haddow and Birch 2016; Radford et al. 2019) on texts of any
 * size. Not thread-safe, for one use: {@link #add} the texts, then {@link #train}.
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

    private final int vocabularySize;
    private final List<String> specialTokens;
    private final int minFrequency;
    private final Pattern special;
    private final Splitter splitter =
            Splitter.Patterns.of(Splitter.Patterns.GPT2).orElseThrow();
    private final Map<String, long[]> counts = new HashMap<>();

    /**
     * @param vocabularySize number of ids, including the 256 bytes and the special tokens
     * @param specialTokens tokens with the last ids; in texts they are skipped
     * @param minFrequency fewest occurrences of a pair that becomes a token
     * @throws IllegalArgumentException if the vocabulary has no room for bytes and special tokens or more than
     *     16,777,216 entries, a special token is there twice or not two or more visible characters of ASCII, or
     *     minFrequency is below 1
     */
    public BytePairTrainer(int vocabularySize, List<String> specialTokens, int minFrequency) {
        int least = BYTES + specialTokens.size();
        int most = Vocabulary.MAX_ID + 1;
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

    /** Counts the words of a text. */
    public void add(String text) {
        try {
            add(new StringReader(text));
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    /**
     * The same for a text of any size.
     *
     * @throws IOException if the reader fails; the part read before is counted
     * @throws IllegalArgumentException if the text runs for more than 16 million characters without a space
     */
    public void add(Reader text) throws IOException {
        TextParts.forEach(text, TextParts.USUAL, TextParts.AT_WORDS, part -> {
            // Without special tokens the pattern is empty and would match everywhere.
            for (String between : specialTokens.isEmpty() ? new String[] {part} : special.split(part, -1)) {
                splitter.split(between, true, word -> counts.computeIfAbsent(word, _ -> new long[1])[0]++);
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
        try {
            TokenizerReader made = new TokenizerReader("trained tokenizer");
            List<String> pieces = Stream.concat(learning.pieces.stream(), specialTokens.stream())
                    .toList();
            for (int id = 0; id < pieces.size(); id++) {
                made.piece(pieces.get(id), id);
            }
            for (long merge : learning.merges) {
                made.merge(List.of(pieces.get((int) (merge >>> 32)), pieces.get((int) merge)));
            }
            return made.gpt2(specialTokens);
        } catch (FormatException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }
}
