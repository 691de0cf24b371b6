package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Screen;
import dev.causal4j.head.ScreenedLogits;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Screened choices against choices from all logits: the same ids, and the same bits of every logit that was computed. The
 * property {@code causal4j.screening.steps} says how many hidden vectors are tried, each with every sampler; the long run
 * has 100,000.
 */
class ScreenedSamplerTest {
    private static final int STEPS = Integer.getInteger("causal4j.screening.steps", 1600);

    /** Hidden vectors that share a matrix. */
    private static final int STEPS_A_MATRIX = 50;

    private static final int[] TOKENS = new int[64];

    static {
        for (int i = 0; i < TOKENS.length; i++) {
            TOKENS[i] = i * 7 % 40;
        }
    }

    private static Map<String, GenerationOptions> samplers() {
        Map<String, GenerationOptions> samplers = new LinkedHashMap<>();
        samplers.put("greedy", options().temperature(0).build());
        samplers.put("top-k", options().topK(40).build());
        samplers.put("top-k, cold", options().temperature(0.01).topK(5).build());
        samplers.put("top-k, hot", options().temperature(1e6).topK(5).build());
        samplers.put("min-p", options().temperature(1.3).minP(0.1).build());
        samplers.put(
                "min-p of three", options().rules(new SamplingRule.MinP(0.9, 3)).build());
        samplers.put(
                "top-k + top-p", options().temperature(0.8).topK(20).topP(0.9).build());
        samplers.put("top-h", options().rules(new SamplingRule.TopH(0.4)).build());
        samplers.put("plain", options().build());
        samplers.put("plain, cold", options().temperature(0.3).build());
        samplers.put(
                "greedy with penalties",
                options()
                        .temperature(0)
                        .repetitionPenalty(1.3)
                        .noRepeatNgramSize(2)
                        .build());
        samplers.put(
                "top-k with bans",
                options()
                        .topK(10)
                        .minNewTokens(20)
                        .logitBias(Map.of(3, Double.NEGATIVE_INFINITY, 5, -2.0))
                        .build());
        samplers.put("plain with penalty", options().repetitionPenalty(1.1).build());
        return samplers;
    }

    private static GenerationOptions.Builder options() {
        return GenerationOptions.builder().seed(11);
    }

    enum Weights {
        NORMAL,
        /** Small integers: most logits have many equals. */
        TIES,
        /** Each row several times. */
        DUPLICATES,
        /** Rows that differ from one another in the last bits. */
        NEAR_TIES,
        TINY,
        HUGE,
        /** Norms from 1e-20 to 1e3. */
        MIXED,
        /** Numbers so small that they lose bits. */
        SUBNORMAL;

        double weight(int n, int k, int seed) {
            double normal = CounterRandom.normal(seed, k, n);
            return switch (this) {
                case NORMAL -> 0.02 * normal;
                case TIES -> Math.rint(normal);
                case DUPLICATES -> 0.02 * CounterRandom.normal(seed, k, n % 37);
                case NEAR_TIES -> CounterRandom.normal(seed, k, n / 7) * (1 + 0x1p-22 * Math.rint(normal));
                case TINY -> 1e-20 * normal;
                case HUGE -> 1e12 * normal;
                case MIXED -> normal * Math.pow(10, n % 24 - 20);
                case SUBNORMAL -> 3e-39 * normal;
            };
        }
    }

    private static Matrix matrix(Weights weights, DType dtype, int rows, int cols, int seed) {
        return Matrix.of(Device.shared(), dtype, rows, cols, (n, row) -> {
            for (int k = 0; k < cols; k++) {
                row[k] = (float) weights.weight(n, k, seed);
            }
        });
    }

    @ParameterizedTest
    @EnumSource(Weights.class)
    void choicesAndLogitsAreThoseOfTheWholeHead(Weights weights) {
        int[][] shapes = {{300, 8}, {1000, 33}, {2048, 64}, {5003, 16}, {901, 1}};
        Map<String, Integer> screened = new LinkedHashMap<>();
        int matrices = Math.max(1, STEPS / Weights.values().length / STEPS_A_MATRIX);
        for (int m = 0; m < matrices; m++) {
            int[] shape = shapes[m % shapes.length];
            DType dtype = m % 2 == 0 ? DType.F32 : DType.BF16;
            Matrix matrix = matrix(weights, dtype, shape[0], shape[1], 100 + m);
            Optional<Screen> screen = Screen.of(CausalLMHead.tied(matrix));
            if (screen.isEmpty()) {
                continue;
            }
            for (int step = 0; step < STEPS_A_MATRIX; step++) {
                float[] hidden = hidden(matrix, weights, m * STEPS_A_MATRIX + step);
                compare(matrix, screen.get(), hidden, step, screened);
            }
        }
        System.getLogger(getClass().getName())
                .log(System.Logger.Level.INFO, weights + ": screened of " + matrices * STEPS_A_MATRIX + " " + screened);
        if (weights == Weights.SUBNORMAL) {
            assertThat(screened).as("underflow is not bounded").isEmpty();
        } else {
            assertThat(screened).containsKeys("greedy", "top-k", "top-k + top-p", "plain");
        }
        if (weights == Weights.NORMAL) {
            assertThat(screened).containsOnlyKeys(samplers().keySet());
        }
    }

    private static float[] hidden(Matrix matrix, Weights weights, int step) {
        float[] hidden = new float[matrix.cols()];
        switch (step % 4) {
            case 0 -> matrix.row(step % matrix.rows(), hidden, 0); // aligned with a row
            case 1 -> matrix.row(step % 5, hidden, 0); // and with other rows at another size
            default -> {
                for (int k = 0; k < hidden.length; k++) {
                    hidden[k] = (float) CounterRandom.normal(3, k, step);
                    hidden[k] = weights == Weights.TIES ? (float) Math.rint(2 * hidden[k]) : hidden[k];
                }
            }
        }
        double largest = 1e-45;
        for (float h : hidden) {
            largest = Math.max(largest, Math.abs(h));
        }
        double size = Math.pow(4, step % 7 - 3) * (weights == Weights.NORMAL ? 50 : 1);
        for (int k = 0; k < hidden.length && weights != Weights.TIES; k++) {
            hidden[k] = (float) (hidden[k] / largest * size);
        }
        return hidden;
    }

    private static void compare(Matrix matrix, Screen screen, float[] hidden, int step, Map<String, Integer> counts) {
        int vocabularySize = matrix.rows();
        float[] all = new float[vocabularySize];
        float[] some = new float[vocabularySize];
        Rows row = Rows.of(hidden, hidden.length, 1);
        matrix.multiply(row, null, Rows.of(all, vocabularySize, 1));
        ScreenedLogits screened = new ScreenedLogits(screen, vocabularySize);
        samplers().forEach((name, options) -> {
            Sampler sampler = new Sampler(options, Set.of(1), 10, vocabularySize);
            int length = 12 + step;
            int expected = sampler.next(all, 0, TOKENS, length);
            OptionalInt choice = screened.screen(row, 0) ? sampler.next(screened, TOKENS, length) : OptionalInt.empty();
            if (choice.isEmpty()) {
                return;
            }
            counts.merge(name, 1, Integer::sum);
            assertThat(choice.getAsInt()).as("%s at step %d", name, step).isEqualTo(expected);
            screened.copyTo(some);
            for (int id = 0; id < vocabularySize; id++) {
                if (some[id] != Float.NEGATIVE_INFINITY
                        && Float.floatToRawIntBits(some[id]) != Float.floatToRawIntBits(all[id])) {
                    throw new AssertionError(
                            "logit of " + id + ": expected " + all[id] + ", got " + some[id] + " with " + name);
                }
            }
        });
    }

    @Test
    void rulesThatNeedEveryLogitRefuse() {
        Matrix matrix = matrix(Weights.NORMAL, DType.F32, 1000, 33, 1);
        Screen screen = Screen.of(CausalLMHead.tied(matrix)).orElseThrow();
        Rows row = Rows.of(hidden(matrix, Weights.NORMAL, 3), 33, 1);
        ScreenedLogits screened = new ScreenedLogits(screen, 1000);
        List<GenerationOptions> refused = List.of(
                options().topP(0.9).build(),
                options().typicalP(0.9).build(),
                options().rules(new SamplingRule.EpsilonCutoff(0.01)).build(),
                options().rules(new SamplingRule.EtaCutoff(0.01)).build(),
                options().temperature(0).logitBias(Map.of(3, 1.0)).build(),
                options().temperature(0).repetitionPenalty(0.9).build(),
                options().rules(new ContextRule.ForcedBos(1)).build(),
                options().rules(new ContextRule.ReplaceNonFinite()).build(),
                options().topK(900).build(),
                options().minP(1e-30).build());
        for (GenerationOptions options : refused) {
            assertThat(screened.screen(row, 0)).isTrue();
            assertThat(new Sampler(options, Set.of(), 10, 1000).next(screened, TOKENS, 12))
                    .as("%s", options)
                    .isEmpty();
        }
    }

    @Test
    void aHeadThatBansAllItKnowsIsAskedForMore() {
        Matrix matrix = matrix(Weights.NORMAL, DType.F32, 1000, 33, 1);
        Screen screen = Screen.of(CausalLMHead.tied(matrix)).orElseThrow();
        float[] hidden = hidden(matrix, Weights.NORMAL, 3);
        Rows row = Rows.of(hidden, 33, 1);
        float[] all = new float[1000];
        matrix.multiply(row, null, Rows.of(all, 1000, 1));
        int[] best = new int[3];
        Sampler greedy = new Sampler(options().temperature(0).build(), Set.of(), 0, 1000);
        float[] left = all.clone();
        for (int i = 0; i < 3; i++) {
            best[i] = greedy.next(left, 0, TOKENS, 0);
            left[best[i]] = Float.NEGATIVE_INFINITY;
        }
        GenerationOptions banned = options()
                .temperature(0)
                .logitBias(Map.of(best[0], Double.NEGATIVE_INFINITY, best[1], Double.NEGATIVE_INFINITY))
                .build();
        ScreenedLogits screened = new ScreenedLogits(screen, 1000);
        assertThat(screened.screen(row, 0)).isTrue();
        assertThat(new Sampler(banned, Set.of(), 0, 1000).next(screened, TOKENS, 0))
                .hasValue(best[2]);
    }
}
