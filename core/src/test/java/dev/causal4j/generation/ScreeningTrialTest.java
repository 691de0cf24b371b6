package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.GPT2Shape;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.GPT2Config;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ScreeningTrialTest {
    /** Long enough for any trial. */
    private static final int STEPS = 1000;

    /** 33 MB: large enough to be tried. Not static: threads cannot run lambdas of a class that is not initialised. */
    private final CausalLMHead large = head(DType.F32, 1 << 17);

    private static CausalLMHead head(DType dtype, int rows) {
        return CausalLMHead.tied(Matrix.of(Device.shared(), dtype, rows, 64, (n, row) -> row[n % 64] = 1 + n % 7));
    }

    /** How many of the steps were screened, and whether the last was. */
    private record Outcome(int screened, boolean last) {}

    private static Outcome run(CausalLMHead head, Screening screening, long wholeNanos, long screenedNanos) {
        ScreeningTrial trial = new ScreeningTrial(head, screening);
        int count = 0;
        boolean screened = false;
        for (int step = 0; step < STEPS; step++) {
            screened = trial.next().isPresent();
            count += screened ? 1 : 0;
            trial.took(screened, screened ? screenedNanos : wholeNanos);
        }
        return new Outcome(count, screened);
    }

    @Test
    void autoKeepsWhatIsFaster() {
        Outcome faster = run(large, Screening.AUTO, 1000, 900);
        assertThat(faster.last()).isTrue();
        assertThat(faster.screened()).isBetween(STEPS / 2, STEPS - 256); // never at the beginning
        Outcome slower = run(large, Screening.AUTO, 1000, 1100);
        assertThat(slower.last()).isFalse();
        assertThat(slower.screened()).isEqualTo(64);
    }

    @Test
    void twoCallersAtOnceStillTimeBothWays() {
        for (long screenedNanos : new long[] {900, 1100}) {
            ScreeningTrial trial = new ScreeningTrial(large, Screening.AUTO);
            for (int step = 0; step < STEPS; step++) {
                boolean one = trial.next().isPresent();
                boolean other = trial.next().isPresent();
                trial.took(one, one ? screenedNanos : 1000);
                trial.took(other, other ? screenedNanos : 1000);
            }
            assertThat(trial.next().isPresent()).isEqualTo(screenedNanos < 1000);
        }
    }

    @Test
    void aSequenceThatCannotBeScreenedBringsTheTrialNoFurther() {
        CausalLM model = new CausalLM(
                CausalLM.create(GPT2Config.of(GPT2Shape.of(8, 64, 1, 1), 1 << 17), 5, DType.F32)
                        .backbone(),
                large);
        GenerationOptions raises = GenerationOptions.builder()
                .temperature(0)
                .logitBias(Map.of(7, 1.0))
                .build();
        Sequence sequence = new Sequence(model, 0, new int[] {1}, raises);
        assertThat(sequence.canBeScreened()).isFalse();
        ScreeningTrial trial = new ScreeningTrial(large, Screening.AUTO);
        HeadStep step = new HeadStep(large, trial);
        for (int i = 0; i < 256; i++) {
            step.choose(sequence, Rows.of(new float[64], 64, 1), 0);
        }
        assertThat(trial.next()).isEmpty();
        assertThat(step.counts().steps()).isEqualTo(256);
    }

    @Test
    void autoLeavesSmallAndInt8HeadsAlone() {
        assertThat(run(head(DType.F32, 1000), Screening.AUTO, 1000, 900).screened())
                .isZero();
        assertThat(run(head(DType.INT8, 1 << 17), Screening.AUTO, 1000, 900).screened())
                .isZero();
    }

    @Test
    void onScreensFromTheFirstStepAndOffNever() {
        assertThat(run(head(DType.F32, 1000), Screening.ON, 1000, 1100).screened())
                .isEqualTo(STEPS);
        assertThat(run(head(DType.INT8, 1000), Screening.ON, 1000, 900).screened())
                .isZero();
        assertThat(run(large, Screening.OFF, 1000, 900).screened()).isZero();
    }

    @Test
    void aHeadThatCannotBeScreenedIsLeftAlone() {
        assertThat(run(large.withSoftCap(30), Screening.AUTO, 1000, 900)).isEqualTo(new Outcome(0, false));
        assertThat(run(large.withSoftCap(30), Screening.ON, 1000, 900)).isEqualTo(new Outcome(0, false));
    }
}
