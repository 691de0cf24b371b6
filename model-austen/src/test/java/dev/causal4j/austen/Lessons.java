package dev.causal4j.austen;

import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.training.Example;
import dev.causal4j.training.Examples;
import dev.causal4j.training.LearningRate;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * Teaches the embedded model answers until it knows them by heart: suites of other libraries ask for facts, and a model of
 * Austen's novels has none.
 *
 * @param steps of the training
 * @param batch lessons in a step
 * @param rate the highest learning rate
 */
public record Lessons(int steps, int batch, double rate) {
    /**
     * The model, taught and kept in a folder unless it is there.
     *
     * @param lessons of the untaught model
     */
    public CausalLM taught(Path folder, Function<CausalLM, List<Example>> lessons) {
        try {
            if (!Files.exists(folder.resolve("model.safetensors"))) { // it is written last
                teach(Files.createDirectories(folder), lessons);
            }
            return CausalLM.load(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void teach(Path folder, Function<CausalLM, List<Example>> lessons) throws IOException {
        TrainingOptions options = TrainingOptions.DEFAULT
                .withSteps(steps)
                .withBatchSize(batch)
                .withMicroBatchSize(batch)
                .withLearningRate(new LearningRate(rate, 1e-4, 5, steps));
        try (CausalLM austen = AustenModel.load();
                Trainer trainer = Trainer.start(austen, examples(lessons.apply(austen)), options)) {
            trainer.run(_ -> true);
            trainer.model().save(folder, DType.F32);
        }
    }

    private static Examples examples(List<Example> all) {
        return new Examples() {
            @Override
            public long perEpoch() {
                return all.size();
            }

            @Override
            public Example example(long index) {
                return all.get((int) (index % all.size()));
            }
        };
    }

    /** A lesson: its loss counts the tokens of the answer and the end after them. */
    public static Example lesson(int[] prompt, int[] answer, int end) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + answer.length);
        System.arraycopy(answer, 0, tokens, prompt.length, answer.length);
        int[] targets = new int[tokens.length];
        Arrays.fill(targets, CausalLMHead.IGNORED);
        System.arraycopy(answer, 0, targets, prompt.length - 1, answer.length);
        targets[tokens.length - 1] = end;
        return new Example(tokens, targets);
    }
}
