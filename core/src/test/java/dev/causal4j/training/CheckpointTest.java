package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** When checkpoints are written and deleted, and that nothing of a run is lost between two of them. */
class CheckpointTest {
    private static final int V = 23;
    private static final Tokens TOKENS =
            Tokens.of(V, new Random(2).ints(300, 0, V).toArray());
    private static final Examples EXAMPLES = Examples.windows(TOKENS, 8, 5);
    private static final ModelConfig CONFIG = SmallModels.gpt2(V, 9, 12, 2, 3);

    /** Gains of a Gemma are stored less one. */
    private static final ModelConfig GEMMA = SmallModels.config("""
            {"model_type": "gemma3_text", "vocab_size": 23, "hidden_size": 16, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 24,
             "max_position_embeddings": 16, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 8,
             "sliding_window": 4, "sliding_window_pattern": 2}""");

    private static final TrainingOptions OPTIONS = TrainingOptions.DEFAULT
            .withSteps(12)
            .withBatchSize(3)
            .withLearningRate(LearningRate.constant(1e-2))
            .withHeldOut(Tokens.of(V, new Random(3).ints(40, 0, V).toArray()))
            .withEvaluationInterval(0)
            .withCheckpointInterval(0);

    @TempDir
    Path folder;

    private TrainingOptions in(String name, TrainingOptions options) {
        return options.withFolder(folder.resolve(name));
    }

    private static Trainer start(TrainingOptions options) throws IOException {
        return Trainer.start(CausalLM.create(CONFIG, 3, DType.F32), EXAMPLES, options);
    }

    private List<String> checkpoints(String name) throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve(name))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(file -> file.startsWith("checkpoint-"))
                    .sorted()
                    .toList();
        }
    }

    /** A Gemma with small gains: most of them lose bits when one is taken away and added again. */
    private static CausalLM gemma() {
        CausalLM model = CausalLM.create(GEMMA, 3, DType.F32);
        Random random = new Random(7);
        Parameters parameters = Parameters.of(model::matrix, spec -> {
            float[] gains = model.vector(spec).clone();
            for (int i = 0; i < gains.length && spec.role() == Role.GAIN; i++) {
                gains[i] = random.nextFloat();
            }
            return gains;
        });
        return CausalLM.of("gemma", GEMMA, parameters, null);
    }

    @Test
    void gainsThatAreStoredLessOneResumeToTheSameBytes() throws IOException {
        TrainingOptions options = OPTIONS.withSteps(8).withLearningRate(LearningRate.constant(0.03));
        try (Trainer trainer = Trainer.start(gemma(), EXAMPLES, in("whole", options))) {
            trainer.run(_ -> true);
            CausalLM saved = CausalLM.load(folder.resolve("whole"));
            for (var spec : GEMMA.specs()) {
                assertThat(SmallModels.numbers(saved, spec))
                        .as(spec.name())
                        .isEqualTo(SmallModels.numbers(trainer.model(), spec));
            }
        }
        for (int stop : new int[] {0, 1, 4}) {
            TrainingOptions parts = in("parts" + stop, options);
            try (Trainer trainer = Trainer.start(gemma(), EXAMPLES, parts)) {
                if (stop == 0) {
                    Thread.currentThread().interrupt(); // before the first step
                }
                trainer.run(step -> step.step() < stop);
                assertThat(Thread.interrupted()).isEqualTo(stop == 0);
                assertThat(trainer.step()).isEqualTo(stop);
            }
            try (Trainer trainer = Trainer.resume(EXAMPLES, parts)) {
                trainer.run(_ -> true);
            }
            for (String file : List.of("model.safetensors", "training/optimizer.safetensors")) {
                assertThat(folder.resolve("parts" + stop + "/checkpoint-8").resolve(file))
                        .hasSameBinaryContentAs(
                                folder.resolve("whole/checkpoint-8").resolve(file));
            }
        }
    }

    @Test
    void theListenerHasAnEvaluationBeforeItsCheckpointIsWritten() throws IOException {
        try (Trainer trainer = start(in("killed", OPTIONS.withEvaluationInterval(2)))) {
            assertThatThrownBy(() -> trainer.run(step -> {
                        if (step.validationLoss().isPresent()) {
                            throw new IllegalStateException("killed");
                        }
                        return true;
                    }))
                    .hasMessage("killed");
        }
        assertThat(folder.resolve("killed/checkpoint-2")).doesNotExist();
        try (Trainer trainer = start(in("best", OPTIONS.withEvaluationInterval(2)))) {
            assertThatThrownBy(() -> trainer.run(step -> {
                        if (step.step() == 3) {
                            throw new IllegalStateException("killed");
                        }
                        return true;
                    }))
                    .hasMessage("killed");
        }
        assertThat(checkpoints("best")).containsExactly("checkpoint-2");
        TrainingResult cancelled;
        try (Trainer trainer = start(in("cancelled", OPTIONS.withEvaluationInterval(2)))) {
            cancelled = trainer.run(step -> step.validationLoss().isEmpty());
        }
        assertThat(cancelled.bestStep()).isEqualTo(2);
        assertThat(checkpoints("cancelled")).containsExactly("checkpoint-2");
    }

    @Test
    void keptCheckpointsAreWrittenWhenOthersAreNot() throws IOException {
        try (Trainer trainer = start(in("kept", OPTIONS.withKeptInterval(5)))) {
            trainer.run(_ -> true);
        }
        assertThat(checkpoints("kept")).containsExactly("checkpoint-10", "checkpoint-12", "checkpoint-5");
    }

    @Test
    void aRunIsReplacedOnlyWhenNothingRefusesTheOther() throws IOException {
        TrainingOptions old = in("old", OPTIONS.withSteps(4));
        try (Trainer trainer = start(old)) {
            trainer.run(_ -> true);
        }
        Path checkpoint = folder.resolve("old/checkpoint-4");
        TrainingOptions other = old.withSteps(6).withOverwrite(true);
        HeadOptions unties = new HeadOptions(1, 0, 0, 5, HeadOptions.NEVER);
        TrainingScope part = new TrainingScope.LastLayers(1);
        assertThatThrownBy(() -> start(other.withHead(unties).withScope(part))).hasMessageContaining("everything");
        assertThatThrownBy(() -> start(other.withHeldOut(Tokens.of(V, 1)))).hasMessageContaining("held-out data");
        assertThatThrownBy(() -> Trainer.branch(checkpoint, EXAMPLES, other))
                .hasMessage(
                        folder.resolve("old") + ": expected a folder without checkpoints, got a run in it; resume it,"
                                + " or choose another folder");
        TrainingOptions more = in("more", OPTIONS.withSteps(6).withKeptInterval(2));
        try (Trainer trainer = start(more)) {
            trainer.run(_ -> true);
        }
        TrainingOptions branched = more.withOverwrite(true);
        assertThatThrownBy(() -> Trainer.branch(checkpoint, EXAMPLES, branched.withSeed(5)))
                .hasMessageContaining("a seed of 0");
        assertThatThrownBy(() -> Trainer.branch(
                        checkpoint, EXAMPLES, branched.withHead(new HeadOptions(1, 0, 0, HeadOptions.NEVER, 4))))
                .hasMessageContaining("retie-at 4");
        assertThat(checkpoints("old")).containsExactly("checkpoint-4");
        assertThat(checkpoints("more")).containsExactly("checkpoint-2", "checkpoint-4", "checkpoint-6");
        try (Trainer trainer = Trainer.branch(checkpoint, EXAMPLES, branched)) {
            assertThat(checkpoints("more")).containsExactly("checkpoint-4");
            assertThat(trainer.step()).isEqualTo(4);
        }
        try (Trainer trainer = start(other)) {
            assertThat(checkpoints("old")).isEmpty();
            assertThat(trainer.step()).isZero();
        }
    }
}
