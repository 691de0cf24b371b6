package dev.causal4j.austen;

import static org.assertj.core.api.Assertions.assertThat;

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
            TrainingOptions options = TrainingOptions.builder()
                    .steps(12)
                    .batchSize(2)
                    .learningRate(new LearningRate.Constant(part instanceof TrainingScope.LowRank ? 1e-2 : 1e-3))
                    .scope(part)
                    .build();
            try (Trainer trainer = Trainer.start(model, training, null, options, null)) {
                trainer.run(progress -> true);
                assertThat(new Scorer(trainer.model()).score(heldOut).perplexity())
                        .as("%s", part)
                        .isLessThan(0.9 * before);
            }
        }
        assertThat(new Scorer(model).score(heldOut).perplexity()).isEqualTo(before);
    }
}
