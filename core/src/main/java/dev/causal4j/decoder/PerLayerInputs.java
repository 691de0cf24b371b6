package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Inputs of each layer's own (Gemma 4): e = (norm(W x / sqrt(D)) + sqrt(p) T[token]) / sqrt(2), with x the embedded
 * token. Each layer reads p numbers of e.
 *
 * @param rows the rows of the table T [V, L p]
 * @param table T in memory, which can be trained; null if the rows stay in a file
 * @param projection W [L p, D]
 * @param norm the norm over the p numbers of a layer
 */
record PerLayerInputs(Matrix.Source rows, @Nullable Matrix table, Linear projection, Norm norm) {
    private static final float HALF = (float) Math.sqrt(0.5);

    private int stride() {
        return projection.weight().rows();
    }

    private float lookedUp() {
        return (float) Math.sqrt(norm.gain().length);
    }

    /** Computes {@code a.perLayer} [N, L p] from the embedded tokens in {@code a.hidden}. */
    void forward(Step step, Activations a) {
        int[] tokens = step.batch.tokens();
        a.perLayer = Activations.atLeast(a.perLayer, step.rows(), stride());
        project(step, a.hidden, a.perLayer);
        step.compute.each(step.rows(), row -> {
            float[] own = new float[stride()];
            rows.row(tokens[row], own);
            int at = row * stride();
            norm.forward(a.perLayer, at, stride());
            for (int i = 0; i < own.length; i++) {
                a.perLayer[at + i] = HALF * Math.fma(lookedUp(), own[i], a.perLayer[at + i]);
            }
        });
    }

    /** W x / sqrt(D), [N, L p]. */
    private void project(Step step, float[] x, float[] y) {
        projection.forward(x, y, step.rows());
        Activations.scale(y, step.rows() * stride(), scale());
    }

    private float scale() {
        return (float) (1 / Math.sqrt(projection.weight().cols()));
    }

    /** Sets {@code a.dPerLayer} to zero; the layers then add to it. */
    void beginBackward(Step step, Activations a) {
        a.dPerLayer = Activations.atLeast(a.dPerLayer, step.rows(), stride());
        Arrays.fill(a.dPerLayer, 0, step.rows() * stride(), 0f);
    }

    boolean isTrained(Gradients gradients) {
        return gradients.of(norm.gain()) != null
                || Stream.of(projection.weight(), table).anyMatch(each -> each != null && gradients.of(each) != null);
    }

    /**
     * Adds the gradients from {@code a.dPerLayer}, which is overwritten.
     *
     * @param dx [N, D] the gradient by the embedded tokens, added to
     */
    void backward(Step step, float[] dx, Activations a, Gradients gradients) {
        int rows = step.rows();
        int n = rows * stride();
        int d = projection.weight().cols();
        Activations.scale(a.dPerLayer, n, HALF);
        Gradient dTable = table == null ? null : gradients.of(table);
        if (dTable != null) {
            float[] looked = Arrays.copyOf(a.dPerLayer, n);
            Activations.scale(looked, n, lookedUp());
            dTable.addRows(step.batch.tokens(), Rows.of(looked, stride(), rows));
        }
        float[] projected = new float[n];
        project(step, a.input(0), projected);
        float[] dProjected = new float[n];
        Norm.Heads layers = new Norm.Heads(stride(), 0, stride() / norm.gain().length);
        norm.backward(step, layers, projected, a.dPerLayer, dProjected, a, gradients);
        Activations.scale(dProjected, n, scale());
        projection.backward(a.input(0), dProjected, a.dNormed, rows, gradients);
        Kernels.add(a.dNormed, 0, dx, 0, rows * d);
    }
}
