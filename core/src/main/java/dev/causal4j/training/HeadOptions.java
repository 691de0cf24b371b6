package dev.causal4j.training;

import dev.causal4j.model.ModelConfig;
import java.util.stream.LongStream;

/**
 * How a run treats the head besides minimising the cross-entropy. Immutable. Checkpoints store its text, so the
 * names and order of components must not change.
 *
 * @param inputGradientScale factor of the gradient by the embedded tokens, before it is added to the embedding's. In a
 *     tied head it is the smaller part (Lopardo et al. 2026, arXiv 2603.26663)
 * @param zLoss weight of the squared normaliser, see {@link dev.causal4j.head.LossOptions}
 * @param muLoss weight of the squared norm of the projection's mean row (Stollenwerk et al. 2026, arXiv 2601.02031)
 * @param untieAt the number of completed steps after which the projection becomes a copy of the tied embedding, moments
 *     included; {@link #NEVER}
 * @param retieAt the number of completed steps after which both become their mean, with the sums of the moments, since
 *     gradients of one table add up; {@link #NEVER}
 */
public record HeadOptions(double inputGradientScale, double zLoss, double muLoss, long untieAt, long retieAt) {
    /** A step that does not come. */
    public static final long NEVER = -1;

    /** The cross-entropy alone, of a head that stays as it is. */
    public static final HeadOptions DEFAULT = new HeadOptions(1, 0, 0, NEVER, NEVER);

    /** @throws IllegalArgumentException if a number is negative or not finite, or both steps are one */
    public HeadOptions {
        LearningRate.notNegative("scale of the input's gradient", inputGradientScale);
        LearningRate.notNegative("z-loss", zLoss);
        LearningRate.notNegative("mu-loss", muLoss);
        LearningRate.atLeast(NEVER, "step to untie at", untieAt);
        LearningRate.atLeast(NEVER, "step to retie at", retieAt);
        if (untieAt == retieAt && untieAt != NEVER) {
            throw new IllegalArgumentException("step to retie at: expected another than to untie at, got " + retieAt);
        }
    }

    /** Throws unless the head of a run at this step, and what is trained, allow the changes that are to come. */
    void check(long step, ModelConfig model, TrainingOptions options) {
        boolean tied = model.tied();
        TrainingScope scope = options.scope;
        long next =
                LongStream.of(untieAt, retieAt).filter(at -> at >= step).min().orElse(NEVER);
        if (next != NEVER && tied != (next == untieAt)) {
            String untied = "an untied head, got a tied one";
            throw new IllegalArgumentException(
                    "step " + next + ": expected " + (tied ? untied : "a tied head, got an untied one"));
        }
        if (next != NEVER && !(scope instanceof TrainingScope.All)) {
            throw new IllegalArgumentException(
                    "step " + next + ": expected a run that trains everything, to change its head, got " + scope);
        }
    }
}
