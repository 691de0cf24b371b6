package dev.causal4j.cli;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Sampler;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Screen;
import dev.causal4j.head.ScreenedLogits;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.node.ObjectNode;

/**
 * Measures the screened head against the whole one: for each sampler both ways in turn on the same hidden vectors, which
 * must give the same token and the same bits of every logit computed. Also what decides whether screening can pay: how far
 * bounds are from logits, and how many logits are that near the largest.
 */
final class ScreeningBench {
    /** A sequence of the longest kind; its tokens play no part, its length chooses the noise. */
    private static final int[] TOKENS = new int[1024];

    private final CausalLMHead head;
    private final Screen screen;
    private final List<float[]> states;
    private final float[] whole; // [V]
    private final float[] some; // [V]

    private ScreeningBench(CausalLMHead head, Screen screen, List<float[]> states) {
        this.head = head;
        this.screen = screen;
        this.states = states;
        whole = new float[head.vocabularySize()];
        some = new float[head.vocabularySize()];
    }

    /**
     * Measures.
     *
     * @param tokens cut into windows of at most 256; the hidden vectors of their first {@code most} positions are used
     * @throws IllegalStateException if the model cannot be screened, or a screened choice differs
     */
    static ObjectNode of(CausalLM model, int[] tokens, int most) {
        long start = System.nanoTime();
        CausalLMHead head = model.head();
        Screen screen = Screen.of(head)
                .orElseThrow(
                        () -> new IllegalStateException(
                                "screening: expected a head in f32 or bf16 without a soft cap, got one that cannot be screened"));
        double build = (System.nanoTime() - start) / 1e9;
        ScreeningBench bench = new ScreeningBench(head, screen, states(model, tokens, most));
        ObjectNode document = Json.object()
                .put("dtype", model.dtype().label())
                .put("kernels", Kernels.name())
                .put("threads", Compute.shared().threads())
                .put("vocabulary_size", head.vocabularySize())
                .put("hidden_size", head.hiddenSize())
                .put("states", bench.states.size())
                .put("build_seconds", build)
                .put("screen_bytes", screen.bytes());
        bench.bounds(document.putObject("bounds"));
        ObjectNode samplers = document.putObject("samplers");
        samplers().forEach((name, options) -> bench.sampler(samplers.putObject(name), options));
        return document;
    }

    private static List<float[]> states(CausalLM model, int[] tokens, int most) {
        int window = Math.min(256, model.backbone().shape().contextLength());
        Activations activations = new Activations();
        List<float[]> states = new ArrayList<>();
        for (int from = 0; from < tokens.length && states.size() < most; from += window) {
            int[] part = Arrays.copyOfRange(tokens, from, Math.min(tokens.length, from + window));
            Rows hidden = model.forward(Batch.of(model.newCache(), part), activations);
            for (int r = 0; r < part.length && states.size() < most; r++) {
                int first = hidden.start(r);
                states.add(Arrays.copyOfRange(
                        hidden.data(), first, first + model.head().hiddenSize()));
            }
        }
        return states;
    }

    private static Map<String, GenerationOptions> samplers() {
        Map<String, GenerationOptions> samplers = new LinkedHashMap<>();
        samplers.put("greedy", GenerationOptions.builder().temperature(0).build());
        samplers.put("top_k_40", GenerationOptions.builder().topK(40).build());
        samplers.put("min_p_0.05", GenerationOptions.builder().minP(0.05).build());
        samplers.put(
                "top_k_40_top_p_0.9",
                GenerationOptions.builder().temperature(0.8).topK(40).topP(0.9).build());
        samplers.put("plain", GenerationOptions.builder().build());
        return samplers;
    }

    /** Both ways in turn; the one that goes first changes. */
    private void sampler(ObjectNode node, GenerationOptions options) {
        int count = states.size();
        Sampler sampler = new Sampler(options, Set.of(), 0, head.vocabularySize());
        ScreenedLogits logits = new ScreenedLogits(screen, head.vocabularySize());
        double[] wholeSeconds = new double[count];
        double[] screenedSeconds = new double[count];
        double[] rows = new double[count];
        int refused = 0;
        for (int i = 0; i < count; i++) {
            Rows row = Rows.of(states.get(i), head.hiddenSize(), 1);
            int position = i % TOKENS.length;
            int expected = -1;
            int token = -1;
            for (int turn = 0; turn < 2; turn++) {
                long start = System.nanoTime();
                if ((turn + i) % 2 == 0) {
                    expected = whole(sampler, row, position);
                    wholeSeconds[i] = (System.nanoTime() - start) / 1e9;
                    continue;
                }
                OptionalInt choice =
                        logits.screen(row, 0) ? sampler.next(logits, TOKENS, position) : OptionalInt.empty();
                token = choice.isPresent() ? choice.getAsInt() : whole(sampler, row, position);
                screenedSeconds[i] = (System.nanoTime() - start) / 1e9;
                refused += choice.isPresent() ? 0 : 1;
                rows[i] = logits.known();
            }
            compare(logits, expected, token, i);
        }
        node.put("refused", refused);
        quantiles(node.putObject("rows"), rows, 0.5, 0.95, 0.99);
        quantiles(node.putObject("whole_milliseconds"), scaled(wholeSeconds), 0.1, 0.5);
        quantiles(node.putObject("screened_milliseconds"), scaled(screenedSeconds), 0.1, 0.5);
    }

    private static double[] scaled(double[] seconds) {
        // The first third is not counted: kernels are compiled then.
        return Arrays.stream(seconds)
                .skip(seconds.length / 3)
                .map(s -> 1000 * s)
                .toArray();
    }

    private int whole(Sampler sampler, Rows row, int position) {
        head.logits(row, Rows.of(whole, whole.length, 1));
        return sampler.next(whole, 0, TOKENS, position);
    }

    private void compare(ScreenedLogits logits, int expected, int token, int state) {
        logits.copyTo(some);
        for (int id = 0; id < some.length; id++) {
            if (logits.knows(id) && Float.floatToRawIntBits(some[id]) != Float.floatToRawIntBits(whole[id])) {
                throw new IllegalStateException("logit of token " + id + " at state " + state + ": expected "
                        + whole[id] + ", got " + some[id]);
            }
        }
        if (token != expected) {
            throw new IllegalStateException("token at state " + state + ": expected " + expected + ", got " + token);
        }
    }

    /** How far the bounds are from the logits, in the logits' own spread. */
    private void bounds(ObjectNode node) {
        int count = states.size();
        double[] spread = new double[count]; // a = ||h|| ||e|| / (S sqrt d), S the standard deviation of the logits
        double[] beta = new double[count];
        double[] near = new double[count];
        double[] gap = new double[count];
        ScreenedLogits logits = new ScreenedLogits(screen, whole.length);
        double meanNorm = meanNorm();
        for (int i = 0; i < count; i++) {
            Rows row = Rows.of(states.get(i), head.hiddenSize(), 1);
            head.logits(row, Rows.of(whole, whole.length, 1));
            double deviation = deviation(whole);
            spread[i] = norm(states.get(i)) * meanNorm / (deviation * Math.sqrt(head.hiddenSize()));
            float[] sorted = whole.clone();
            Arrays.sort(sorted);
            gap[i] = sorted[sorted.length - 1] - sorted[sorted.length - 2];
            if (logits.screen(row, 0)) {
                double sum = 0;
                for (int id = 0; id < whole.length; id++) {
                    sum += (double) logits.upper(id) - whole[id];
                }
                beta[i] = sum / whole.length;
                double least = sorted[sorted.length - 1] - beta[i];
                near[i] = Arrays.stream(range(sorted)).filter(x -> x >= least).count();
            }
        }
        quantiles(node.putObject("a"), spread, 0.05, 0.5, 0.95);
        quantiles(node.putObject("beta"), beta, 0.05, 0.5, 0.95);
        quantiles(node.putObject("logits_within_beta_of_the_largest"), near, 0.5, 0.95, 0.99);
        quantiles(node.putObject("gap_of_the_two_largest"), gap, 0.05, 0.25, 0.5);
    }

    private static double[] range(float[] x) {
        double[] wide = new double[x.length];
        Arrays.setAll(wide, i -> x[i]);
        return wide;
    }

    private double meanNorm() {
        float[] row = new float[head.hiddenSize()];
        double sum = 0;
        for (int n = 0; n < head.vocabularySize(); n++) {
            head.projection().row(n, row, 0);
            sum += norm(row);
        }
        return sum / head.vocabularySize();
    }

    private static double norm(float[] x) {
        double sum = 0;
        for (float value : x) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    private static double deviation(float[] x) {
        double sum = 0;
        double squares = 0;
        for (float value : x) {
            sum += value;
            squares += (double) value * value;
        }
        double mean = sum / x.length;
        return Math.sqrt(Math.max(0, squares / x.length - mean * mean));
    }

    private static void quantiles(ObjectNode node, double[] figures, double... shares) {
        double[] sorted = figures.clone();
        Arrays.sort(sorted);
        for (double share : shares) {
            node.put("p" + Math.round(100 * share), sorted[(int) Math.min(sorted.length - 1, share * sorted.length)]);
        }
    }
}
