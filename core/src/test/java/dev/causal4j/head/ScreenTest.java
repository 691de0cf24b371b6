package dev.causal4j.head;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The bounds against every logit of many hidden vectors, and what the screen says of logits it did not compute. */
class ScreenTest {
    private static final int V = 523;

    record Weights(DType dtype, int depth, double scale) {
        Matrix matrix() {
            return Matrix.of(Device.shared(), dtype, V, depth, (n, row) -> {
                for (int k = 0; k < depth; k++) {
                    // One weight in 50 is eight times as large, as trained rows have outliers.
                    double outlier = CounterRandom.uniform(9, k, n) < 0.02 ? 8 : 1;
                    row[k] = (float) (scale * outlier * CounterRandom.normal(8, k, n));
                }
            });
        }
    }

    static Stream<Weights> weights() {
        return Stream.of(
                new Weights(DType.BF16, 1, 1),
                new Weights(DType.BF16, 193, 0.02),
                new Weights(DType.F32, 193, 0.02),
                new Weights(DType.F32, 1000, 1),
                new Weights(DType.F32, 33, 1e-20),
                new Weights(DType.F32, 33, 1e-24),
                new Weights(DType.F32, 65, 1e15));
    }

    @ParameterizedTest
    @MethodSource("weights")
    void everyLogitOfEveryRowIsWithinItsBound(Weights weights) {
        Screen screen = Screen.of(CausalLMHead.tied(weights.matrix())).orElseThrow();
        assertThat(violations(screen)).isZero();
    }

    @Test
    void theAuditSeesBoundsThatAreTooSmall() {
        Screen whole = Screen.of(CausalLMHead.tied(new Weights(DType.F32, 193, 0.02).matrix()))
                .orElseThrow();
        float[] halved = whole.bounds().clone();
        for (int n = 0; n < V; n++) {
            halved[n] /= 2;
        }
        assertThat(violations(new Screen(whole.projection(), whole.codes(), halved, 1e-20f, 1e20f)))
                .isGreaterThan(V / 2); // each row's residual is a hidden vector below
    }

    /** How often a logit is off by more than its bound, or above what {@link ScreenedLogits} says of it. */
    private static int violations(Screen screen) {
        Matrix projection = screen.projection();
        int depth = projection.cols();
        float[] hidden = new float[depth];
        Rows row = Rows.of(hidden, depth, 1);
        float[] exact = new float[V];
        float[] approximate = new float[V];
        ScreenedLogits screened = new ScreenedLogits(screen, V);
        int violations = 0;
        int held = 0;
        for (int round = 0; round < 2 * V; round++) {
            fill(hidden, round, screen);
            if (!screened.screen(row, 0)) {
                continue;
            }
            held++;
            projection.multiply(row, null, Rows.of(exact, V, 1));
            screen.codes().multiply(row, null, Rows.of(approximate, V, 1));
            double norm = 0;
            for (float h : hidden) {
                norm += (double) h * h;
            }
            norm = Math.sqrt(norm);
            for (int n = 0; n < V; n++) {
                boolean within =
                        Math.abs((double) exact[n] - approximate[n]) <= norm * (1 + 1e-12) * screen.bounds()[n];
                violations += within && exact[n] <= screened.upper(n) ? 0 : 1;
            }
        }
        assertThat(held).as("rows that were screened").isGreaterThanOrEqualTo(V - 1);
        return violations;
    }

    /** The residual of a row, on which Cauchy and Schwarz are sharp; then vectors of many sizes. */
    private static void fill(float[] hidden, int round, Screen screen) {
        int depth = hidden.length;
        if (round < V) {
            float[] code = new float[depth];
            screen.projection().row(round, hidden, 0);
            screen.codes().row(round, code, 0);
            float largest = 0;
            for (int k = 0; k < depth; k++) {
                hidden[k] -= code[k];
                largest = Math.max(largest, Math.abs(hidden[k]));
            }
            for (int k = 0; k < depth && largest > 0; k++) {
                hidden[k] /= largest;
            }
            return;
        }
        double size = Math.pow(10, round % 13 - 6);
        for (int k = 0; k < depth; k++) {
            hidden[k] = (float) (size * CounterRandom.normal(4, k, round));
        }
    }

    @Test
    void whatIsNotKnownIsBelowTheThreshold() {
        CausalLMHead head = CausalLMHead.tied(new Weights(DType.BF16, 193, 0.02).matrix());
        ScreenedLogits screened = new ScreenedLogits(Screen.of(head).orElseThrow(), V);
        float[] hidden = new float[193];
        float[] some = new float[V];
        for (int round = 0; round < 200; round++) {
            for (int k = 0; k < hidden.length; k++) {
                hidden[k] = (float) CounterRandom.normal(5, k, round);
            }
            Rows row = Rows.of(hidden, hidden.length, 1);
            float[] all = head.logits(row, 0);
            assertThat(screened.screen(row, 0)).isTrue();
            assertThat(screened.known()).isZero();
            assertThat(screened.knowLargest(7)).isTrue();
            assertThat(screened.known()).isBetween(7, 14);
            screened.copyTo(some);
            float threshold = Float.NEGATIVE_INFINITY;
            for (int id = 0; id < V; id++) {
                threshold = Math.max(threshold, some[id]);
            }
            assertThat(screened.knowAtLeast(threshold)).isTrue();
            screened.copyTo(some);
            for (int id = 0; id < V; id++) {
                if (some[id] == Float.NEGATIVE_INFINITY) {
                    assertThat(all[id]).isLessThan(threshold);
                } else {
                    assertThat(some[id]).isEqualTo(all[id]);
                }
            }
        }
        int known = screened.known();
        assertThat(screened.knowAtLeast(-1000)).as("more than may be known").isFalse();
        assertThat(screened.known()).isEqualTo(known);
        assertThat(screened.knowLargest(300)).isFalse();
    }

    @Test
    void idsBeyondTheTokensToChooseFromAreNeverKnown() {
        CausalLMHead head = CausalLMHead.tied(new Weights(DType.BF16, 33, 1).matrix());
        ScreenedLogits screened = new ScreenedLogits(Screen.of(head).orElseThrow(), 100);
        float[] last = new float[33];
        head.projection().row(V - 1, last, 0);
        assertThat(screened.screen(Rows.of(last, 33, 1), 0)).isTrue();
        assertThat(screened.knowLargest(3)).isTrue();
        float[] some = new float[V];
        some[V - 1] = 1;
        screened.copyTo(some);
        assertThat(some[V - 1]).as("not written").isEqualTo(1);
        assertThat(screened.known()).isBetween(3, 5);
    }

    @Test
    void vectorsThatTheBoundsDoNotCoverAreRefused() {
        CausalLMHead head = CausalLMHead.tied(new Weights(DType.F32, 33, 1).matrix());
        ScreenedLogits screened = new ScreenedLogits(Screen.of(head).orElseThrow(), V);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.MAX_VALUE, 1e-40f, 0}) {
            float[] hidden = new float[33];
            hidden[5] = bad;
            assertThat(screened.screen(Rows.of(hidden, 33, 1), 0)).isFalse();
            hidden[5] = 1;
            assertThat(screened.screen(Rows.of(hidden, 33, 1), 0)).isTrue();
        }
    }

    @Test
    void headsThatCannotBeScreenedHaveNoScreen() {
        Matrix matrix = new Weights(DType.F32, 33, 1).matrix();
        assertThat(Screen.of(CausalLMHead.tied(matrix).withSoftCap(30))).isEmpty();
        assertThat(Screen.of(CausalLMHead.tied(
                        Matrix.of(Device.shared(), DType.INT8, V, 33, (n, row) -> matrix.row(n, row, 0)))))
                .isEmpty();
        assertThat(Screen.of(CausalLMHead.tied(
                        Matrix.of(Device.shared(), DType.F32, V, 33, (n, row) -> row[n % 33] = Float.NaN))))
                .isEmpty();
        assertThat(Screen.of(CausalLMHead.tied(Matrix.of(Device.shared(), DType.F32, V, 33, (n, row) -> {}))))
                .isEmpty();
        assertThat(Screen.of(
                        CausalLMHead.tied(Matrix.of(Device.shared(), DType.F32, V, 33, (n, row) -> row[0] = 1e-38f))))
                .isEmpty();
    }

    @Test
    void anUntiedHeadIsScreenedByItsProjection() {
        Matrix projection = new Weights(DType.F32, 33, 1).matrix();
        Matrix embedding = Matrix.of(Device.shared(), DType.INT8, V, 33, (n, row) -> row[0] = 1);
        Screen screen = Screen.of(CausalLMHead.untied(embedding, projection)).orElseThrow();
        assertThat(screen.projection()).isSameAs(projection);
        assertThat(screen.vocabularySize()).isEqualTo(V);
        assertThat(screen.bytes()).isEqualTo(V * 33L + 8 * V);
    }
}
