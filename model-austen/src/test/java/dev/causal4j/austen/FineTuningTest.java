package dev.causal4j.austen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.tensor.DType;
import dev.causal4j.training.Examples;
import dev.causal4j.training.LearningRate;
import dev.causal4j.training.Tokens;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import dev.causal4j.training.TrainingScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The embedded model learns another language than Austen's, whichever part of it is trained: that of a license. */
class FineTuningTest {
    @Test
    void trainingAnyPartLowersThePerplexityOfHeldOutText() throws IOException {
        CausalLM model = AustenModel.load(DType.F32);
        String text = Files.readString(Path.of("../LICENSE"));
        String heldOut = text.substring(7_000, 9_000);
        int[] ids = model.requireTokenizer().encode(text.substring(0, 7_000));
        Examples training = Examples.windows(Tokens.of(model.head().vocabularySize(), ids), 128, 1);
        double before = new Scorer(model).score(heldOut).perplexity();

        for (TrainingScope part : List.of(
                new TrainingScope.All(),
                new TrainingScope.Head(),
                new TrainingScope.LastLayers(2),
                new TrainingScope.LowRank(4, 8, true, true))) {
            TrainingOptions options = TrainingOptions.DEFAULT
                    .withSteps(12)
                    .withBatchSize(2)
                    .withLearningRate(LearningRate.constant(part instanceof TrainingScope.LowRank ? 1e-2 : 1e-3))
                    .withScope(part);
            try (Trainer trainer = Trainer.start(model, training, options)) {
                trainer.run(progress -> true);
                assertThat(new Scorer(trainer.model()).score(heldOut).perplexity())
                        .as("%s", part)
                        .isLessThan(0.9 * before);
            }
        }
        assertThat(new Scorer(model).score(heldOut).perplexity()).isEqualTo(before);
    }

    /** Promised: the bits of the model in training, and merged those of the model that was written. */
    @Test
    void lowRankAdditionsSavedAndLoadedComputeWhatTheTrainedModelDoes(@TempDir Path folder) throws IOException {
        try (CausalLM model = AustenModel.load()) {
            String text = Files.readString(Path.of("../LICENSE"));
            int[] ids = model.requireTokenizer().encode(text.substring(0, 7_000));
            TrainingOptions options = TrainingOptions.DEFAULT
                    .withSteps(3)
                    .withBatchSize(2)
                    .withLearningRate(LearningRate.constant(1e-2))
                    .withScope(new TrainingScope.LowRank(4, 8, true, true));
            Examples training = Examples.windows(Tokens.of(model.head().vocabularySize(), ids), 128, 1);
            String heldOut = text.substring(7_000, 8_000);
            try (Trainer trainer = Trainer.start(model, training, options.withFolder(folder));
                    CausalLM before = model.withAdapter(save(trainer, folder.resolve("before")))) {
                trainer.run(progress -> true);
                try (CausalLM adapted = model.withAdapter(folder.resolve("adapter"));
                        CausalLM merged = adapted.merged();
                        CausalLM written = CausalLM.load(folder, DType.F32)) {
                    double trained = nll(trainer.model(), heldOut);
                    assertThat(nll(adapted, heldOut)).isEqualTo(trained);
                    assertThat(nll(merged, heldOut))
                            .isEqualTo(nll(written, heldOut))
                            .isCloseTo(trained, within(1e-5 * trained));
                    assertThat(nll(before, heldOut))
                            .isEqualTo(nll(model, heldOut))
                            .isGreaterThan(trained);
                }
            }
        }
    }

    private static Path save(Trainer trainer, Path folder) throws IOException {
        trainer.model().saveAdapter(Files.createDirectory(folder));
        return folder;
    }

    private static double nll(CausalLM model, String text) {
        return new Scorer(model).score(text).totals().nll();
    }
}
