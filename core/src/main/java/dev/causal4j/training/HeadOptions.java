package dev.causal4j.training;

import dev.causal4j.model.ModelConfig;

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
        LearningRate.refuse(
                untieAt == retieAt && untieAt != NEVER,
                "step to retie at: expected another than to untie at, got " + retieAt);
    }

    /** Throws unless a run that is at this step, with this model, does all that these options ask for. */
    void check(long step, ModelConfig model, TrainingOptions options) {
        long last = Math.max(untieAt, retieAt);
        if (last != NEVER) {
            // The next change of the head; without one the last, after which the head is as that left it.
            long known = Math.min(untieAt, retieAt) >= step ? Math.min(untieAt, retieAt) : last;
            boolean tied = (known == untieAt) == (known >= step);
            String heads = tied ? "a tied head, got an untied one" : "an untied head, got a tied one";
            String remedy = known >= step ? "; leave it out" : " at step " + step + "; name a step from there on";
            LearningRate.refuse(model.tied() != tied, named(known) + ": expected " + heads + remedy);
            LearningRate.refuse(
                    last >= options.steps,
                    named(last) + ": expected a step below " + options.steps + "; name an earlier, or train longer");
        }
        String trained = ", got " + options.scope + "; leave one of both out";
        LearningRate.refuse(
                last != NEVER && !(options.scope instanceof TrainingScope.All),
                named(last) + ": expected a run that trains everything" + trained);
        LearningRate.refuse(
                muLoss > 0 && !options.scope.includes(model.tied() ? model.embedding() : model.head(), model),
                "mu-loss: expected a run that trains the projection" + trained);
        LearningRate.refuse(
                inputGradientScale != 1 && !options.scope.includes(model.embedding(), model),
                "input-gradient-scale: expected a run that trains the embedding" + trained);
    }

    private String named(long step) {
        return (step == untieAt ? "untie-at " : "retie-at ") + step;
    }
}
