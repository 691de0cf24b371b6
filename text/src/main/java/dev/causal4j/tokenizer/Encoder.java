package dev.causal4j.tokenizer;

import dev.causal4j.tokenizer.AddedTokens.Trust;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Encodes text: finds added tokens, normalizes the stretches between them, finds added tokens again, splits the rest
 * into words, and lets the model encode these. Thread-safe; caches the tokens of short words.
 *
 * @param added tokens that are found in the text as it is
 * @param normalized tokens that are found in the normalized text
 * @param splitters each splits the words of the one before
 * @param words the cache, empty at first
 */
record Encoder(
        AddedTokens added,
        Normalizer normalizer,
        AddedTokens normalized,
        List<Splitter> splitters,
        Model model,
        Map<String, int[]> words) {
    private static final int MOST_WORDS = 1 << 15;
    private static final int LONGEST_WORD = 32;

    /**
     * Passes on the tokens of a text.
     *
     * @param continues whether another text comes before it, so that nothing is put before it
     */
    void encode(String text, boolean continues, Trust trust, IntConsumer to) {
        added.find(text, trust, (from, end, token) -> {
            if (token != null) {
                to.accept(token.id());
                return;
            }
            String stretch = text.substring(from, end);
            String normal = continues && from == 0 ? normalizer.withoutPrefix(stretch) : normalizer.apply(stretch);
            boolean same = normal.equals(stretch);
            boolean all = !same && trust.covers(from, end);
            Trust here = (f, t) -> all || (same && trust.covers(from + f, from + t));
            normalized.find(normal, here, (f, t, each) -> {
                if (each != null) {
                    to.accept(each.id());
                } else {
                    split(normal.substring(f, t), 0, from + f == 0 && !continues, word -> encode(word, to));
                }
            });
        });
    }

    private void split(String text, int splitter, boolean first, Consumer<String> to) {
        if (splitter == splitters.size()) {
            to.accept(text);
        } else {
            splitters.get(splitter).split(text, first, word -> split(word, splitter + 1, first, to));
        }
    }

    private void encode(String word, IntConsumer to) {
        int[] known = words.get(word);
        if (known == null) {
            IntStream.Builder tokens = IntStream.builder();
            model.encode(word, tokens);
            known = tokens.build().toArray();
            if (word.length() <= LONGEST_WORD) {
                if (words.size() >= MOST_WORDS) {
                    words.clear(); // else it would always keep the words of the first texts
                }
                words.put(word, known);
            }
        }
        for (int token : known) {
            to.accept(token);
        }
    }
}
