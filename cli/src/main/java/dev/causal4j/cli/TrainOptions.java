package dev.causal4j.cli;

import dev.causal4j.training.AdamW;
import dev.causal4j.training.HeadOptions;
import dev.causal4j.training.LearningRate;
import dev.causal4j.training.TrainingOptions;
import dev.causal4j.training.TrainingScope;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Options of what is trained and how: scope, steps, learning rate, evaluations. */
final class TrainOptions {
    /** Ten times that of full training: the ratio of the best rates of both (Schulman et al., LoRA Without Regret, 2025). */
    private static final double LOW_RANK_LEARNING_RATE = 1e-3;

    @ArgGroup(exclusive = true)
    private @Nullable Part part;

    @Option(names = "--lora-alpha", paramLabel = "A", description = "Scales low-rank matrices by A / R; default: 2 R.")
    private @Nullable Double loraAlpha;

    @Option(names = "--steps", paramLabel = "N", required = true, description = "Optimizer steps in all.")
    long steps;

    @Option(names = "--batch-size", paramLabel = "B", description = "Sequences of a step; default: ${DEFAULT-VALUE}.")
    int batchSize = 8;

    @Option(
            names = "--micro-batch-size",
            paramLabel = "N",
            description = "Sequences computed at once; bounds memory and changes no bit of the result;"
                    + " default: all of a step.")
    private @Nullable Integer microBatchSize;

    @Option(
            names = "--learning-rate",
            paramLabel = "R",
            description = "Highest learning rate; default: 1e-4, for low-rank matrices 1e-3.")
    private @Nullable Double learningRate;

    @Option(
            names = "--minimum-learning-rate",
            paramLabel = "R",
            description = "End of the half cosine after the warm-up; default: a tenth of the highest."
                    + " Equal to --learning-rate: constant.")
    private @Nullable Double minimumLearningRate;

    @Option(
            names = "--warmup-steps",
            paramLabel = "N",
            description = "Steps over which the learning rate rises from 0; default: ${DEFAULT-VALUE}.")
    private long warmupSteps;

    @Option(
            names = "--weight-decay",
            paramLabel = "W",
            description = "Decay of matrices, not of gains and biases; default: ${DEFAULT-VALUE}.")
    private double weightDecay = AdamW.DEFAULT.weightDecay();

    @Option(names = "--beta1", paramLabel = "B", description = "AdamW's decay of the mean gradient; default: 0.9.")
    private double beta1 = AdamW.DEFAULT.beta1();

    @Option(names = "--beta2", paramLabel = "B", description = "AdamW's decay of the mean square; default: 0.95.")
    private double beta2 = AdamW.DEFAULT.beta2();

    @Option(
            names = "--clip-norm",
            paramLabel = "C",
            description = "Largest norm of all gradients, 0 for any; default: 1.")
    private double clipNorm = 1;

    @Option(
            names = "--evaluation-interval",
            paramLabel = "N",
            description = "Steps between evaluations on held-out text; default: ${DEFAULT-VALUE}.")
    long evaluationInterval = 100;

    @Option(
            names = "--checkpoint-interval",
            paramLabel = "N",
            description = "Steps between checkpoints, 0 for one at the end only; default: ${DEFAULT-VALUE}.")
    long checkpointInterval = 100;

    @Option(
            names = "--keep-interval",
            paramLabel = "N",
            description = "Steps between checkpoints that stay, to branch from; repeat it to --resume. Default: none.")
    private long keepInterval;

    @Option(
            names = "--patience",
            paramLabel = "N",
            description = "Evaluations without improvement before training stops; default: never.")
    int patience;

    @Option(
            names = "--dropout",
            paramLabel = "P",
            description = "Dropout of embeddings, attention and residuals; default: 0.")
    private double dropout;

    @Option(
            names = "--input-gradient-scale",
            paramLabel = "S",
            description = "Factor of the gradient by the embedded tokens, the smaller part of a tied head's;"
                    + " default: 1.")
    private double inputGradientScale = HeadOptions.DEFAULT.inputGradientScale();

    @Option(names = "--z-loss", paramLabel = "W", description = "Weight of the squared log normaliser; default: 0.")
    private double zLoss;

    @Option(
            names = "--mu-loss",
            paramLabel = "W",
            description = "Weight of the squared norm of the projection's mean row; default: 0.")
    private double muLoss;

    @Option(names = "--untie-at", paramLabel = "STEP", description = "Untie the tied head after this many steps.")
    private long untieAt = HeadOptions.NEVER;

    @Option(
            names = "--retie-at",
            paramLabel = "STEP",
            description = "Tie the untied head after this many steps, to the mean of both tables.")
    private long retieAt = HeadOptions.NEVER;

    @Option(
            names = "--head-report",
            paramLabel = "N",
            description = "Steps between reports on the head's gradient in loss.jsonl; default: none.")
    private long headReport;

    @Option(names = "--recompute", description = "Compute activations twice to save memory.")
    private boolean recompute;

    @Option(
            names = "--seed",
            paramLabel = "S",
            description = "Seed of new weights, data order and dropout; default: ${DEFAULT-VALUE}.")
    long seed;

    /** Without any of them, everything is trained. */
    private static final class Part {
        @Option(names = "--head-only", description = "Train only the head's projection, and a tied embedding with it.")
        private boolean headOnly;

        @Option(names = "--last-layers", paramLabel = "N", description = "Train the last N layers and the last norm.")
        private @Nullable Integer lastLayers;

        @Option(
                names = "--lora-rank",
                paramLabel = "R",
                description = "Train matrices of rank R added to those of all layers (LoRA). The model that is written"
                        + " has their sum; DIR/adapter has them alone, in PEFT's layout.")
        private @Nullable Integer loraRank;
    }

    /**
     * The training options with these settings.
     *
     * @throws IllegalArgumentException if one is out of its range
     */
    TrainingOptions options() {
        double standard = scope() instanceof TrainingScope.LowRank ? LOW_RANK_LEARNING_RATE : 1e-4;
        double rate = Objects.requireNonNullElse(learningRate, standard);
        if (!(rate > 0)) {
            throw new IllegalArgumentException("learning-rate: expected a finite number above 0, got " + rate);
        }
        double minimum = minimumLearningRate == null ? rate / 10 : minimumLearningRate;
        return TrainingOptions.DEFAULT
                .withSteps(steps)
                .withBatchSize(batchSize)
                .withMicroBatchSize(microBatchSize == null ? batchSize : microBatchSize)
                .withLearningRate(new LearningRate(rate, minimum, warmupSteps, steps))
                .withAdamW(new AdamW(beta1, beta2, AdamW.DEFAULT.epsilon(), weightDecay))
                .withClipNorm(clipNorm)
                .withEvaluationInterval(evaluationInterval)
                .withCheckpointInterval(checkpointInterval)
                .withKeptInterval(keepInterval)
                .withPatience(patience)
                .withHead(new HeadOptions(inputGradientScale, zLoss, muLoss, untieAt, retieAt))
                .withHeadReportInterval(headReport)
                .withScope(scope())
                .withDropout(dropout, dropout, dropout)
                .withRecomputation(recompute)
                .withSeed(seed);
    }

    /** Whether the head is untied or tied on the way. */
    boolean changesHead() {
        return untieAt != HeadOptions.NEVER || retieAt != HeadOptions.NEVER;
    }

    TrainingScope scope() {
        if (loraAlpha != null && (part == null || part.loraRank == null)) {
            throw new IllegalArgumentException("lora-alpha: expected --lora-rank with it, got none");
        }
        if (part == null) {
            return new TrainingScope.All();
        }
        if (part.headOnly) {
            return new TrainingScope.Head();
        }
        if (part.lastLayers != null) {
            return new TrainingScope.LastLayers(part.lastLayers);
        }
        int rank = Objects.requireNonNull(part.loraRank);
        return new TrainingScope.LowRank(rank, loraAlpha == null ? 2.0 * rank : loraAlpha, true, true);
    }
}
