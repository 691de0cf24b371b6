package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Several feed-forward layers; a router chooses some of them for each token. The tokens of an expert are gathered, so
 * that its products serve all of them. A token's experts are added in the order of their index, whatever else is in the
 * batch. Of equal scores the lower index is chosen.
 *
 * <p>out = sum over the chosen e of s_e p_e · expert_e(x). Comments number the steps; {@link DenseLayer} numbers the
 * steps of an expert.
 *
 * @param router [experts, D]
 * @param choiceBias [experts] added to the scores by which experts are chosen, or null
 * @param chosen experts of a token
 * @param scales s [experts]; null for 1
 */
record Experts(
        Linear router,
        float @Nullable [] choiceBias,
        List<DenseLayer> experts,
        int chosen,
        Routing routing,
        float @Nullable [] scales)
        implements FeedForward {
    /** Added to the sum of sigmoids that divides the weights. */
    private static final float LEAST_SUM = 1e-6f;

    /**
     * An expert and the rows it serves.
     *
     * @param index its number
     * @param first its first row in {@code tape.inner}
     */
    record Route(DenseLayer expert, int index, int first, int[] rows, float[] weights) {
        /** These rows in an array of all experts' rows, one expert after the other. */
        private Rows of(float[] x, int width) {
            return new Rows(x, first * width, width, rows.length);
        }
    }

    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        route(step, a.normed, tape);
        up(step, tape, a);
    }

    /** Chooses experts by the router's inputs x [N, D]. */
    void route(Step step, float[] x, Tape tape) {
        tape.router = Activations.atLeast(tape.router, step.rows(), experts.size());
        router.forward(x, tape.router, step.rows()); // 1: l = x Rᵀ    [N, experts]
        tape.routes = routes(step.rows(), tape.router); // 2: p of the chosen    3: w = s p
    }

    /** Computes the first linear layers of the chosen experts from {@code a.normed}. */
    void up(Step step, Tape tape, Activations a) {
        int d = router.weight().cols();
        tape.inner = Activations.atLeast(tape.inner, step.rows() * chosen, upWidth());
        Rows ins = Rows.of(a.normed, d, step.rows());
        for (Route route : tape.routes) {
            // 4: g u of the expert's rows
            route.expert.up().forward(ins.chosen(d, route.rows), route.of(tape.inner, upWidth()));
        }
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        int d = router.weight().cols();
        Arrays.fill(a.normed, 0, step.rows() * d, 0f);
        for (Route route : tape.routes) {
            Rows results = down(step, route, tape, a); // 5: y_e
            step.compute.each( // 6: y += w_e y_e    [N, D]
                    route.rows.length, i -> addTimes(route.weights[i], results, i, a.normed, route.rows[i] * d));
        }
    }

    /** The results of an expert for its rows. */
    private static Rows down(Step step, Route route, Tape tape, Activations a) {
        DenseLayer expert = route.expert;
        int count = route.rows.length;
        Rows activated = expert.activate(step, count, tape, route.first, a);
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
    public void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients) {
        float[] dRouted = backwardFrom(step, a.normed, tape, a, gradients);
        Kernels.add(dRouted, 0, a.dNormed, 0, dRouted.length);
    }

    /**
     * Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}.
     *
     * @param routed [N, D] the router's inputs
     * @return the gradient by {@code routed}
     */
    float[] backwardFrom(Step step, float[] routed, Tape tape, Activations a, Gradients gradients) {
        int d = router.weight().cols();
        int inner = experts.getFirst().down().weight().cols();
        Rows dOuts = Rows.of(a.dOut, d, step.rows());
        Rows ins = Rows.of(a.normed, d, step.rows());
        float[] dWeights = new float[step.rows() * experts.size()]; // [N, experts]
        a.dActivated = Activations.atLeast(a.dActivated, step.rows(), inner);
        a.dInner = Activations.atLeast(a.dInner, step.rows() * chosen, upWidth());
        Arrays.fill(a.dNormed, 0, step.rows() * d, 0f);
        for (Route route : tape.routes) {
            DenseLayer expert = route.expert;
            int count = route.rows.length;
            Rows dOut = dOuts.chosen(d, route.rows);
            Rows results = down(step, route, tape, a); // 5 again
            step.compute.each(count, i -> {
                float dWeight = 0;
                for (int j = dOut.start(i); j < dOut.start(i) + d; j++) {
                    dWeight = Math.fma(dOut.data()[j], results.data()[j], dWeight); // 6: dw_e = dy · y_e
                    dOut.data()[j] *= route.weights[i]; // 6: dy_e = w_e dy
                }
                dWeights[route.rows[i] * experts.size() + route.index] = dWeight;
            });
            float[] dIn = new float[count * d];
            // 5: dh, dg du
            expert.down().backward(a.activated, dOut.data(), a.dActivated, count, gradients);
            expert.activateBackward(step.compute, count, tape.inner, route.first, a.dActivated, a.dInner);
            Rows dInner = route.of(a.dInner, upWidth());
            // 4: dx
            expert.up().backward(ins.chosen(d, route.rows), dInner, Rows.of(dIn, d, count), gradients);
            step.compute.each(count, i -> Kernels.add(dIn, i * d, a.dNormed, route.rows[i] * d, d));
        }
        float[] dRouted = new float[step.rows() * d];
        // 3, 2: dl
        weightsBackward(step.rows(), tape.router, dWeights, scales == null ? null : gradients.of(scales));
        router.backward(routed, dWeights, dRouted, step.rows(), gradients); // 1: dx = dl R
        return dRouted;
    }

    private List<Route> routes(int rows, float[] logits) {
        boolean[][] isChosen = new boolean[rows][];
        float[][] p = new float[rows][];
        for (int row = 0; row < rows; row++) {
            float[] scores = scores(logits, row);
            isChosen[row] = chosen(scores);
            p[row] = weights(scores, isChosen[row]); // 2
            for (int e = 0; scales != null && e < scales.length; e++) {
                p[row][e] *= scales[e]; // 3: w = s p
            }
        }
        List<Route> routes = new ArrayList<>();
        int[] served = new int[rows];
        float[] weights = new float[rows];
        int first = 0;
        for (int e = 0; e < experts.size(); e++) {
            int count = 0;
            for (int row = 0; row < rows; row++) {
                if (isChosen[row][e]) {
                    served[count] = row;
                    weights[count++] = p[row][e];
                }
            }
            if (count > 0) {
                routes.add(new Route(
                        experts.get(e), e, first, Arrays.copyOf(served, count), Arrays.copyOf(weights, count)));
            }
            first += count;
        }
        return routes;
    }

    /** The scores of a row: the sigmoids of its logits, or for a softmax the logits themselves. */
    private float[] scores(float[] logits, int row) {
        int count = experts.size();
        float[] scores = Arrays.copyOfRange(logits, row * count, (row + 1) * count);
        if (routing.sigmoid()) {
            Kernels.sigmoid(scores, 0, count);
        }
        return scores;
    }

    private boolean[] chosen(float[] scores) {
        float[] by = scores.clone();
        if (choiceBias != null) {
            Kernels.add(choiceBias, 0, by, 0, by.length);
        }
        boolean[] isChosen = new boolean[by.length];
        for (int k = 0; k < chosen; k++) {
            int best = -1;
            for (int e = 0; e < by.length; e++) {
                if (!isChosen[e] && (best < 0 || by[e] > by[best])) {
                    best = e;
                }
            }
            isChosen[best] = true;
        }
        return isChosen;
    }

    /** The weights of a row's experts; only weights of chosen ones are used. */
    private float[] weights(float[] scores, boolean[] isChosen) {
        return routing.sigmoid() ? sigmoids(scores, isChosen) : softmax(scores, isChosen);
    }

    private float[] sigmoids(float[] scores, boolean[] isChosen) {
        float sum = 0;
        for (int e = 0; e < scores.length; e++) {
            sum += isChosen[e] ? scores[e] : 0;
        }
        float divisor = routing.sumsToOne() ? sum + LEAST_SUM : 1;
        float[] p = new float[scores.length];
        for (int e = 0; e < p.length; e++) {
            p[e] = scores[e] / divisor * routing.factor(); // 2: p = factor σ / t, with t = Σ σ or 1
        }
        return p;
    }

    /** The softmax over all logits of a row, or over the chosen ones. */
    private float[] softmax(float[] logits, boolean[] isChosen) {
        float[] p = logits.clone();
        for (int e = 0; e < p.length && routing.sumsToOne(); e++) {
            p[e] = isChosen[e] ? p[e] : Float.NEGATIVE_INFINITY;
        }
        Kernels.softmax(p, 0, p.length); // 2: p = softmax(l)
        return p;
    }

    /** 3, 2: the gradients by the weights of the chosen experts become the gradients by the router's logits. */
    private void weightsBackward(int rows, float[] logits, float[] dWeights, float @Nullable [] dScales) {
        int count = experts.size();
        for (int row = 0; row < rows; row++) {
            float[] scores = scores(logits, row);
            boolean[] isChosen = chosen(scores);
            float[] p = weights(scores, isChosen);
            for (int e = 0; scales != null && e < count; e++) {
                int at = row * count + e;
                if (dScales != null && isChosen[e]) {
                    dScales[e] = Math.fma(p[e], dWeights[at], dScales[e]); // 3: ds += p dw
                }
                dWeights[at] *= scales[e]; // 3: dp = s dw
            }
            float sum = 0;
            for (int e = 0; e < count; e++) {
                sum = Math.fma(isChosen[e] ? p[e] : 0, dWeights[row * count + e], sum); // Σ p dp
            }
            for (int e = 0; e < count; e++) {
                int at = row * count + e;
                if (routing.sigmoid()) { // 2: dl = p (dp - Σ p dp / factor) (1 - σ), the sum if t is one
                    float total = routing.sumsToOne() ? sum / routing.factor() : 0;
                    dWeights[at] = isChosen[e] ? p[e] * (dWeights[at] - total) * (1 - scores[e]) : 0;
                } else { // 2: dl = p (dp - Σ p dp)
                    boolean counts = isChosen[e] || !routing.sumsToOne();
                    dWeights[at] = counts ? p[e] * (dWeights[at] - sum) : 0;
                }
            }
        }
    }

    private int upWidth() {
        return experts.getFirst().up().weight().rows();
    }
}
