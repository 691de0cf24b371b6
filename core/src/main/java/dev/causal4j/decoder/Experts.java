package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * Several feed-forward layers, of which a router chooses some for each token. The tokens of an expert are gathered, so
 * that its products serve all of them; a token adds its experts in the order of their index, whatever else is in the
 * batch. Of equal logits the lower index is chosen.
 *
 * <p>out = sum over the chosen e of p_e · expert_e(x).
 *
 * @param router [experts, D]
 * @param chosen experts of a token
 */
record Experts(Linear router, List<DenseLayer> experts, int chosen, Routing routing) implements FeedForward {
    /** Which rows an expert serves. */
    record Routes(int[][] rows, float[][] weights) {}

    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        int d = router.weight().cols();
        tape.router = Activations.atLeast(tape.router, step.rows(), experts.size());
        tape.inner = Activations.atLeast(tape.inner, step.rows() * chosen, upWidth());
        router.forward(a.normed, tape.router, step.rows()); // [N, experts]
        Routes routes = routes(step.rows(), tape.router);
        tape.routes = routes;
        int first = 0;
        for (int e = 0; e < experts.size(); e++) {
            int[] rows = routes.rows[e];
            Rows in = Rows.of(a.normed, d, step.rows()).chosen(d, rows);
            Linear up = experts.get(e).up();
            if (rows.length > 0) {
                up.forward(in, new Rows(tape.inner, first * upWidth(), upWidth(), rows.length));
            }
            first += rows.length;
        }
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        int d = router.weight().cols();
        Routes routes = Objects.requireNonNull(tape.routes);
        Arrays.fill(a.normed, 0, step.rows() * d, 0f);
        int first = 0;
        for (int e = 0; e < experts.size(); e++) {
            DenseLayer expert = experts.get(e);
            int[] rows = routes.rows[e];
            float[] weights = routes.weights[e];
            if (rows.length > 0) {
                Rows results = down(step, expert, tape, a, first, rows.length);
                step.compute.each(rows.length, i -> addTimes(weights[i], results, i, a.normed, rows[i] * d));
            }
            first += rows.length;
        }
    }

    /** What an expert gives for its rows. */
    private static Rows down(Step step, DenseLayer expert, Tape tape, Activations a, int first, int count) {
        Rows activated = expert.activate(step, count, tape, first, a);
        int d = expert.down().weight().rows();
        Rows results = Rows.of(new float[count * d], d, count);
        expert.down().forward(activated, results);
        return results;
    }

    /** sums += factor · row i of x. */
    private static void addTimes(float factor, Rows x, int i, float[] sums, int at) {
        for (int j = 0; j < x.stride(); j++) {
            sums[at + j] = Math.fma(factor, x.data()[x.start(i) + j], sums[at + j]);
        }
    }

    @Override
    public void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        int d = router.weight().cols();
        Routes routes = Objects.requireNonNull(tape.routes);
        Rows dOuts = Rows.of(a.dOut, d, step.rows());
        Rows ins = Rows.of(a.normed, d, step.rows());
        float[] dWeights = new float[step.rows() * experts.size()]; // [N, experts]
        a.dActivated = Activations.atLeast(
                a.dActivated, step.rows(), experts.getFirst().down().weight().cols());
        a.dInner = Activations.atLeast(a.dInner, step.rows() * chosen, upWidth());
        Arrays.fill(a.dNormed, 0, step.rows() * d, 0f);
        int first = 0;
        for (int e = 0; e < experts.size(); e++) {
            DenseLayer expert = experts.get(e);
            int[] rows = routes.rows[e];
            float[] weights = routes.weights[e];
            int index = e;
            if (rows.length > 0) {
                Rows dOut = dOuts.chosen(d, rows);
                Rows results = down(step, expert, tape, a, first, rows.length);
                step.compute.each(rows.length, i -> {
                    float dWeight = 0;
                    for (int j = dOut.start(i); j < dOut.start(i) + d; j++) {
                        dWeight = Math.fma(dOut.data()[j], results.data()[j], dWeight);
                        dOut.data()[j] *= weights[i];
                    }
                    dWeights[rows[i] * experts.size() + index] = dWeight;
                });
                float[] dIn = new float[rows.length * d];
                expert.down().backward(a.activated, dOut.data(), a.dActivated, rows.length, gradients);
                expert.activateBackward(step.compute, rows.length, tape.inner, first, a.dActivated, a.dInner);
                Rows dInner = new Rows(a.dInner, first * upWidth(), upWidth(), rows.length);
                expert.up().backward(ins.chosen(d, rows), dInner, Rows.of(dIn, d, rows.length), gradients);
                step.compute.each(rows.length, i -> Kernels.add(dIn, i * d, a.dNormed, rows[i] * d, d));
            }
            first += rows.length;
        }
        float[] dRouted = new float[step.rows() * d];
        softmaxBackward(step.rows(), tape.router, dWeights);
        router.backward(a.normed, dWeights, dRouted, step.rows(), gradients);
        Kernels.add(dRouted, 0, a.dNormed, 0, dRouted.length);
    }

    /** The gradients by the weights of the chosen experts become those by the router's logits. */
    private void softmaxBackward(int rows, float[] logits, float[] dWeights) {
        int count = experts.size();
        for (int row = 0; row < rows; row++) {
            boolean[] isChosen = chosen(logits, row);
            float[] p = weights(logits, row, isChosen);
            float sum = 0;
            for (int e = 0; e < count; e++) {
                sum = Math.fma(isChosen[e] ? p[e] : 0, dWeights[row * count + e], sum);
            }
            for (int e = 0; e < count; e++) {
                boolean counts = isChosen[e] || routing == Routing.SOFTMAX_OF_ALL;
                dWeights[row * count + e] = counts ? p[e] * (dWeights[row * count + e] - sum) : 0;
            }
        }
    }

    private Routes routes(int rows, float[] logits) {
        int count = experts.size();
        int[][] rowsOf = new int[count][rows];
        float[][] weightsOf = new float[count][rows];
        int[] counts = new int[count];
        for (int row = 0; row < rows; row++) {
            boolean[] isChosen = chosen(logits, row);
            float[] p = weights(logits, row, isChosen);
            for (int e = 0; e < count; e++) {
                if (isChosen[e]) {
                    rowsOf[e][counts[e]] = row;
                    weightsOf[e][counts[e]++] = p[e];
                }
            }
        }
        for (int e = 0; e < count; e++) {
            rowsOf[e] = Arrays.copyOf(rowsOf[e], counts[e]);
            weightsOf[e] = Arrays.copyOf(weightsOf[e], counts[e]);
        }
        return new Routes(rowsOf, weightsOf);
    }

    /** The softmax over all logits of a row, or over the chosen ones. */
    private float[] weights(float[] logits, int row, boolean[] isChosen) {
        int count = experts.size();
        float[] p = Arrays.copyOfRange(logits, row * count, (row + 1) * count);
        if (routing == Routing.SOFTMAX_OF_CHOSEN) {
            for (int e = 0; e < count; e++) {
                p[e] = isChosen[e] ? p[e] : Float.NEGATIVE_INFINITY;
            }
        }
        Kernels.softmax(p, 0, count);
        return p;
    }

    private boolean[] chosen(float[] logits, int row) {
        int count = experts.size();
        boolean[] isChosen = new boolean[count];
        for (int k = 0; k < chosen; k++) {
            int best = -1;
            for (int e = 0; e < count; e++) {
                if (!isChosen[e] && (best < 0 || logits[row * count + e] > logits[row * count + best])) {
                    best = e;
                }
            }
            isChosen[best] = true;
        }
        return isChosen;
    }

    private int upWidth() {
        return experts.getFirst().up().weight().rows();
    }
}
