package dev.causal4j.training;

import dev.causal4j.decoder.Activations;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The speed of a training step at the shape of GPT-2 small, run by hand: {@code TrainerBench SEQUENCES LENGTH STEPS
 * [BLOCKS|INPUTS] [DROPOUT]}. Prints each step, then the peak memory of the process where the system tells it.
 */
final class TrainerBench {
    private TrainerBench() {}

    public static void main(String[] args) throws Exception {
        int sequences = Integer.parseInt(args[0]);
        int length = Integer.parseInt(args[1]);
        Activations.Keep keep = args.length > 3 ? Activations.Keep.valueOf(args[3]) : Activations.Keep.BLOCKS;
        double rate = args.length > 4 ? Double.parseDouble(args[4]) : 0;
        int vocabularySize = 50257;
        int[] ids = new int[Math.max(4 * length, 5000) + 1];
        for (int i = 1; i < ids.length; i++) {
            ids[i] = (int) ((ids[i - 1] * 48271L + 11) % vocabularySize);
        }
        Trainer trainer = Trainer.start(
                CausalLM.create(SmallModels.gpt2(vocabularySize, 1024, 768, 12, 12), 1, DType.F32),
                Examples.windows(Tokens.of(vocabularySize, ids), length, 1),
                TrainingOptions.DEFAULT
                        .withSteps(Integer.parseInt(args[2]))
                        .withBatchSize(sequences)
                        .withMicroBatchSize(sequences)
                        .withRecomputation(keep == Activations.Keep.INPUTS)
                        .withDropout(rate, rate, rate));
        trainer.run(progress -> {
            System.out.printf(
                    "step %d  loss %.4f  norm %.3f  %.1f tokens/s%n",
                    progress.step(), progress.loss(), progress.gradientNorm(), progress.tokensPerSecond());
            return true;
        });
        Path status = Path.of("/proc/self/status");
        if (Files.exists(status)) {
            Files.readAllLines(status).stream()
                    .filter(line -> line.startsWith("VmHWM"))
                    .forEach(System.out::println);
        }
    }
}
