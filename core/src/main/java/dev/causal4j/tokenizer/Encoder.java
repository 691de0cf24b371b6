package dev.causal4j.tokenizer;

import dev.causal4j.tokenizer.AddedTokens.Trust;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * From text to tokens: added tokens are found, the stretches between them normalized, added tokens found again, the rest
 * split into words, and those encoded by the model. Thread-safe; short words are remembered.
 *
 * @param added tokens that are found in the text as it is
 * @param normalized tokens that are found in the normalized text
 * @param splitters each splits the words of the one before, as texts of their own
 */
record Encoder(
        AddedTokens added,
        Normalizer normalizer,
        AddedTokens normalized,
        List<Splitter> splitters,
        Model model,
        Map<String, int[]> words) {
    private static final int MOST_WORDS = 10_000;
    private static final int LONGEST_WORD = 32;

    Encoder(AddedTokens added, Normalizer normalizer, AddedTokens normalized, List<Splitter> splitters, Model model) {
        this(added, normalizer, normalized, splitters, model, new ConcurrentHashMap<>());
    }

    /**
     * Gives the tokens of a text.
     *
     * @param continues whether the text goes on behind another, so that nothing is put before it
     * @param offsets told of the same tokens, unless null
     */
    void encode(String text, boolean continues, Trust trust, IntConsumer to, @Nullable Offsets offsets) {
        added.find(text, trust, (from, end, token) -> {
            if (token != null) {
                to.accept(token.id());
                if (offsets != null) {
                    offsets.token(from, end);
                }
                return;
            }
            String stretch = text.substring(from, end);
            String normal = continues && from == 0 ? normalizer.withoutPrefix(stretch) : normalizer.apply(stretch);
            boolean same = normal.equals(stretch);
            Trust here = (f, t) -> same ? trust.covers(from + f, from + t) : trust.covers(from, end);
            encodeNormal(normal, from == 0 && !continues, here, to, offsets);
            if (offsets != null) {
                offsets.stretch(from, end);
            }
        });
    }

    private void encodeNormal(String text, boolean first, Trust trust, IntConsumer to, @Nullable Offsets offsets) {
        normalized.find(text, trust, (from, end, token) -> {
            String part = text.substring(from, end);
            if (token == null) {
                split(part, 0, first && from == 0, word -> give(word, encode(word), to, offsets));
            } else {
                give(part, new int[] {token.id()}, to, offsets);
            }
        });
    }

    private void split(String text, int splitter, boolean first, Consumer<String> words) {
        if (splitter == splitters.size()) {
            words.accept(text);
        } else {
            splitters.get(splitter).split(text, first, word -> split(word, splitter + 1, first, words));
        }
    }

    private int[] encode(String word) {
        int[] known = words.get(word);
        if (known == null) {
            IntStream.Builder tokens = IntStream.builder();
            model.encode(word, tokens);
            known = tokens.build().toArray();
            if (word.length() <= LONGEST_WORD && words.size() < MOST_WORDS) {
                words.put(word, known);
            }
        }
        return known;
    }

    private static void give(String word, int[] tokens, IntConsumer to, @Nullable Offsets offsets) {
        for (int token : tokens) {
            to.accept(token);
        }
        if (offsets != null) {
            offsets.read(word, tokens);
        }
    }
}
