package dev.causal4j.scoring;

import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.Prediction;
import java.util.Arrays;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * A window of a sequence, computed in one cache: tokens {@code from} to {@code end - 2} are fed and predict tokens
 * {@code target} to {@code end - 1}. Not thread-safe.
 */
final class Window {
    final int text;
    private final int[] sequence;
    private final int target;
    private final int end;
    private final @Nullable Prediction[] predictions; // of the text's scored tokens
    private final int scored; // the token that the first of them is of
    private int next; // to be fed

    /**
     * @param text index of the text, for messages
     * @param sequence prefix and text
     * @param scored the first token of the sequence that any window scores
     * @param predictions receives the predictions of tokens {@code scored} and after
     */
    Window(int text, int[] sequence, int from, int target, int end, int scored, @Nullable Prediction[] predictions) {
        this.text = text;
        this.sequence = sequence;
        this.target = target;
        this.end = end;
        this.scored = scored;
        this.predictions = predictions;
        this.next = from;
    }

    /** Tokens still to be fed. */
    int left() {
        return end - 1 - next;
    }

    /** Feeds the next tokens. */
    Batch.Chunk chunk(KVCache cache, int count) {
        int from = next;
        next += count;
        return new Batch.Chunk(cache, Arrays.copyOfRange(sequence, from, next), predicting(count));
    }

    /** How many of the last {@code fed} tokens predict one that this window scores. */
    private int predicting(int fed) {
        return Math.clamp(next + 1 - target, 0, fed);
    }

    /** The tokens that the last {@code count} fed ones predict. */
    int[] targets(int count) {
        return Arrays.copyOfRange(sequence, next + 1 - count, next + 1);
    }

    /** Takes the predictions of {@link #targets}. */
    void accept(int count, Iterator<Prediction> made) {
        for (int i = next + 1 - count; i < next + 1; i++) {
            predictions[i - scored] = made.next();
        }
    }

    /** Position in the sequence of the token fed so many tokens before the next one. */
    int position(int before) {
        return next - before;
    }
}
