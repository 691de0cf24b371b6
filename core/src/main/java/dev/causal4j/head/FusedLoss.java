package dev.causal4j.head;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradient;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The loss of a batch, and its gradients in the same pass: a chunk of logits is computed, turned into its gradient in
 * place, multiplied back into both factors and dropped (docs/decisions/0014). Single use; not thread-safe, though its
 * parts run on {@link Compute}.
 *
 * <p>Rows with an ignored target are skipped.
 */
final class FusedLoss {
    /** Most bytes of a chunk's logits, unless a single row needs more; results do not depend on it. */
    private static final int CHUNK_BYTES = 64 << 20;

    /** Bytes of a chunk's hidden vectors, unless a few hundred need more. */
    private static final int HIDDEN_BYTES = 8 << 20;

    private static final int TILE = TileSums.TILE;

    private final CausalLMHead head;
    private final Rows hidden;
    private final int[] targets;
    private final LossOptions options;
    private final int[] rows; // the rows whose target is not ignored
    private final double divisor;

    FusedLoss(CausalLMHead head, Rows hidden, int[] targets, LossOptions options) {
        this.head = head;
        this.hidden = hidden;
        this.targets = targets;
        this.options = options;
        this.rows = IntStream.range(0, targets.length)
                .filter(r -> targets[r] != CausalLMHead.IGNORED)
                .toArray();
        this.divisor = options.divisor(rows.length);
    }

    Loss value() {
        int most = hiddenRows();
        double sum = options.before();
        for (int from = 0; from < rows.length; from += most) {
            int[] chunk = Arrays.copyOfRange(rows, from, Math.min(rows.length, from + most));
            int[] wanted = Arrays.stream(chunk).map(r -> targets[r]).toArray();
            StreamingSoftmax softmax = new StreamingSoftmax(head, wanted, false, 0);
            LogProbabilities scores = softmax.run(hidden.chosen(head.hiddenSize(), chunk));
            CausalLMHead.checkSoftmax(scores.logNormalizers(), i -> head.withoutSoftmax(hidden, chunk[i]));
            for (int i = 0; i < chunk.length; i++) {
                sum += value(scores.logProbabilities()[i], scores.logNormalizers()[i], softmax.meanLogits[i]);
            }
        }
        return new Loss(sum / divisor, sum, rows.length);
    }

    Loss withGradients(Rows dHidden, @Nullable Gradient dProjection, Loss.Scratch scratch) {
        for (int r = 0; r < targets.length; r++) {
            if (targets[r] == CausalLMHead.IGNORED) {
                Arrays.fill(dHidden.data(), dHidden.start(r), dHidden.start(r) + head.hiddenSize(), 0f);
            }
        }
        int most = Math.clamp(CHUNK_BYTES / (4L * head.vocabularySize()), 1, hiddenRows());
        // Chunks of equal size: each reads all weights, so a short last chunk would be wasteful.
        int size = Math.ceilDiv(rows.length, Math.max(1, Math.ceilDiv(rows.length, most)));
        float[] numbers = scratch.logits(size * head.vocabularySize());
        double sum = options.before();
        for (int from = 0; from < rows.length; from += size) {
            int[] chunk = Arrays.copyOfRange(rows, from, Math.min(rows.length, from + size));
            Rows logits = Rows.of(numbers, head.vocabularySize(), chunk.length);
            Rows x = hidden.chosen(head.hiddenSize(), chunk);
            for (double value : toGradient(chunk, x, logits)) {
                sum += value;
            }
            Rows dx = Rows.of(new float[chunk.length * head.hiddenSize()], head.hiddenSize(), chunk.length);
            head.projection().multiplyTransposed(logits, dx);
            for (int i = 0; i < chunk.length; i++) {
                System.arraycopy(dx.data(), dx.start(i), dHidden.data(), dHidden.start(chunk[i]), head.hiddenSize());
            }
            if (dProjection != null) {
                dProjection.add(logits, x);
            }
        }
        return new Loss(sum / divisor, sum, rows.length);
    }

    /** The most rows of a chunk by the bytes of their hidden vectors. */
    private int hiddenRows() {
        return Math.max(StreamingSoftmax.TILE_ROWS, HIDDEN_BYTES / (4 * head.hiddenSize()));
    }

    /** One target's contribution; forward and backward give the same bits. */
    private double value(double logProbability, double logNormalizer, double meanLogit) {
        double smoothing = options.labelSmoothing();
        double value = -(1 - smoothing) * logProbability;
        if (smoothing > 0) {
            value += smoothing * (logNormalizer - meanLogit);
        }
        return value + options.zLoss() * logNormalizer * logNormalizer;
    }

    /** Computes the logits of a chunk, overwrites them with their gradient and returns the values of its targets. */
    private double[] toGradient(int[] chunk, Rows x, Rows logits) {
        head.logits(x, logits);
        double[] values = new double[chunk.length];
        double[] logNormalizers = new double[chunk.length];
        TileSums sums = new TileSums(chunk.length, head.vocabularySize(), false, 0);
        head.compute().run(chunk.length, i -> {
            int start = logits.start(i);
            for (int tile = 0; tile < TileSums.tiles(head.vocabularySize()); tile++) {
                sums.take(i, tile, logits.data(), start + tile * TILE);
            }
            int target = targets[chunk[i]];
            float targetLogit = logits.data()[start + target];
            logNormalizers[i] = sums.logNormalizer(i);
            values[i] = value(targetLogit - logNormalizers[i], logNormalizers[i], sums.meanLogit(i));
            toGradient(logits, i, target, sums, logNormalizers[i]);
        });
        CausalLMHead.checkSoftmax(logNormalizers, i -> head.withoutSoftmax(hidden, chunk[i]));
        return values;
    }

    /**
     * One row: (p (1 + 2 zLoss Z) - (1 - e) [target] - e / V) (1 - (z / cap)²) / divisor, with p = exp(z - m) exp(m -
     * Z) in each tile.
     */
    private void toGradient(Rows rows, int row, int target, TileSums sums, double normalizer) {
        float[] logits = rows.data();
        int start = rows.start(row);
        float inverseCap = head.softCap > 0 ? 1 / head.softCap : 0;
        float ratio = logits[start + target] * inverseCap;
        double weight = (1 + 2 * options.zLoss() * normalizer) / divisor;
        float shift = (float) (-options.labelSmoothing() / head.vocabularySize() / divisor);
        for (int tile = 0; tile < TileSums.tiles(head.vocabularySize()); tile++) {
            int offset = start + tile * TILE;
            int width = TileSums.width(tile, head.vocabularySize());
            float max = sums.max(row, tile);
            float scale = (float) (weight * StrictMath.exp(max - normalizer));
            Kernels.softmaxBackward(logits, offset, width, max, scale, shift, inverseCap);
        }
        logits[start + target] -= (float) ((1 - options.labelSmoothing()) / divisor) * Math.fma(-ratio, ratio, 1f);
    }
}
