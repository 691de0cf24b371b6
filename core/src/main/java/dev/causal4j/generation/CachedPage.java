package dev.causal4j.generation;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.Prediction;
import java.nio.IntBuffer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** A page in a chain of the {@link PrefixCache}, which alone changes it. Not thread-safe. */
final class CachedPage {
    final Object before; // the page before, or a sequence's root
    final IntBuffer tokens;
    final KVCache.Page page;
    final @Nullable Prediction[] predictions = new Prediction[PrefixCache.POSITIONS]; // of its tokens
    int users; // sequences with the page in their chain
    KVCache.@Nullable Snapshot snapshot; // the state after its last token
    final @Nullable StoredPage stored; // its file, if there is a store
    boolean isOffered; // whether the store has it or had it to write

    CachedPage(Object before, IntBuffer tokens, KVCache.Page page, @Nullable StoredPage stored) {
        this.before = before;
        this.tokens = tokens;
        this.page = page;
        this.stored = stored;
    }

    /**
     * How many of the page's tokens a sequence has, too, from its token {@code from} on, with the predictions that
     * it wants.
     */
    int common(Sequence<?> sequence, int from) {
        int most = Math.min(sequence.known - from, tokens.limit());
        int differs = IntBuffer.wrap(sequence.tokens, from, most).mismatch(tokens.slice(0, most));
        int equal = differs < 0 ? most : differs;
        return IntStream.range(0, equal)
                .filter(i -> !sequence.takes(from + i, predictions[i]))
                .findFirst()
                .orElse(equal);
    }

    void keepPredictions(Sequence<?> sequence, int from) {
        for (int i = 0; i < tokens.limit(); i++) {
            Prediction made = sequence.prediction(from + i);
            Prediction known = predictions[i];
            if (made != null
                    && made.alternatives().size() <= PrefixCache.MOST_ALTERNATIVES
                    && (known == null
                            || made.alternatives().size() > known.alternatives().size())) {
                predictions[i] = made;
            }
        }
    }
}
