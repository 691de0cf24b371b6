package dev.causal4j.scoring;

import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.Prediction;
import java.util.Arrays;
import java.util.List;

/**
 * A window of a sequence, computed in one cache: tokens up to {@code end - 2} are fed and predict tokens {@code target}
 * to {@code end - 1}.
 *
 * @param text index of the text, for messages
 * @param sequence prefix and text
 * @param offset the token at the first position of the cache
 * @param predictions of the text's scored tokens, in their order; windows add theirs
 */
record Window(int text, int[] sequence, int offset, int target, int end, List<Prediction> predictions) {
    private int next(KVCache cache) {
        return offset + cache.length();
    }

    /** Tokens still to be fed. */
    int left(KVCache cache) {
        return end - 1 - next(cache);
    }

    /** The next tokens, at most so many; wanted are those that predict one that this window scores. */
    Batch.Chunk chunk(KVCache cache, int most) {
        int from = next(cache);
        int to = from + Math.min(most, left(cache));
        return new Batch.Chunk(
                cache, Arrays.copyOfRange(sequence, from, to), Math.clamp(to + 1 - target, 0, to - from));
    }

    /** The tokens that the last {@code count} fed ones predict. */
    int[] targets(KVCache cache, int count) {
        int to = next(cache) + 1;
        return Arrays.copyOfRange(sequence, to - count, to);
    }
}
