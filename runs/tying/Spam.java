import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.HeadReport;
import dev.causal4j.json.Json;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.training.Example;
import dev.causal4j.training.Examples;
import dev.causal4j.training.LearningRate;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** E5: steps to learn SpamLang, and the share of the gradient that heads pass on. */
final class Spam {
    static final Path RECORDS = Run.RECORDS.resolve("spam");
    static final int[] VOCABULARIES = {512, 2048, 8192, 32768};
    static final int[] SIZES = {32, 64, 128};
    static final int SEEDS = 5;
    private static final int LENGTH = 64;
    static final int MOST_STEPS = 1000;
    private static final int INTERVAL = 10;
    private static final int MEASURED = 8;
    private static final int UNCOUNTED = 8;
    private static final double LEARNT = 0.1;
    private static final long STREAM = 0x7370616d_00000000L; // "spam"

    private final int v;
    private final int d;
    private final boolean tied;
    private final int seed;

    private Spam(int v, int d, boolean tied, int seed) {
        this.v = v;
        this.d = d;
        this.tied = tied;
        this.seed = seed;
    }

    static Path record(int v, int d, boolean tied, int seed) {
        return RECORDS.resolve(v + "-" + d + "-" + (tied ? "tied" : "untied") + "-" + seed + ".json");
    }

    /** Trains what has no record, small vocabularies first. */
    static void run() throws IOException {
        Compute.shared().use(1);
        for (int v : VOCABULARIES) {
            for (int seed = 1; seed <= SEEDS; seed++) {
                for (int d : SIZES) {
                    for (boolean tied : new boolean[] {true, false}) {
                        Path record = record(v, d, tied, seed);
                        if (!Files.exists(record)) {
                            Files.createDirectories(RECORDS);
                            Map<String, Object> result = new Spam(v, d, tied, seed).train();
                            Files.write(record, Json.write(result));
                            System.out.println(record.getFileName() + " " + result);
                        }
                    }
                }
            }
        }
    }

    private Example example(long index, long stream, int uncounted) {
        int symbol = (int) (CounterRandom.uniform(seed, index, STREAM + stream) * v);
        int[] tokens = new int[LENGTH];
        int[] targets = new int[LENGTH];
        Arrays.fill(tokens, symbol);
        Arrays.fill(targets, symbol);
        Arrays.fill(targets, 0, uncounted, CausalLMHead.IGNORED);
        return new Example(tokens, targets);
    }

    private Examples examples(long count, long stream, int uncounted) {
        return new Examples() {
            @Override
            public long perEpoch() {
                return count;
            }

            @Override
            public Example example(long index) {
                return Spam.this.example(index, stream, uncounted);
            }
        };
    }

    private Map<String, Object> train() throws IOException {
        ModelConfig config = ModelConfig.parse(new Shape(v, LENGTH, d, 1, 2 * d).config(tied, 1));
        TrainingOptions options = TrainingOptions.DEFAULT
                .withSteps(MOST_STEPS)
                .withLearningRate(new LearningRate(4e-3, 4e-3, 20, MOST_STEPS))
                .withHeldOut(examples(32, 1, UNCOUNTED))
                .withEvaluationInterval(INTERVAL)
                .withSeed(seed);
        long[] learnt = {0};
        Map<String, Object> result = new LinkedHashMap<>();
        try (CausalLM model = CausalLM.create(config, seed, DType.F32);
                Trainer trainer = Trainer.start(model, examples(Long.MAX_VALUE, 0, 0), options)) {
            add(result, "begin", trainer.model());
            trainer.run(step -> {
                if (step.validationLoss().orElse(1) < LEARNT) {
                    learnt[0] = step.step();
                }
                return learnt[0] == 0;
            });
            result.put("steps", learnt[0]);
            add(result, "end", trainer.model());
        }
        return result;
    }

    /** The kept share after a held-out sequence of each of eight symbols, and with a table of normal numbers. */
    private void add(Map<String, Object> result, String when, CausalLM model) {
        Matrix random = Matrix.of(Device.shared(), DType.F32, v, d, (n, row) -> {
            for (int k = 0; k < d; k++) {
                row[k] = (float) (0.02 * CounterRandom.normal(seed, (long) n * d + k, STREAM + 2));
            }
        });
        List<Batch.Chunk> chunks = new ArrayList<>();
        int[] targets = new int[MEASURED * LENGTH];
        for (int i = 0; i < MEASURED; i++) {
            Example example = example(i, 1, LENGTH - 1);
            chunks.add(new Batch.Chunk(model.newCache(), example.tokens()));
            System.arraycopy(example.targets(), 0, targets, i * LENGTH, LENGTH);
        }
        Rows hidden = model.forward(new Batch(chunks), new Activations());
        HeadReport own = HeadReport.of(model.head(), hidden, targets, 0);
        HeadReport control = HeadReport.of(CausalLMHead.tied(random), hidden, targets, 0);
        chunks.forEach(chunk -> chunk.cache().close());
        result.put(when + "_kept_share", own.keptShare());
        result.put(when + "_kept_norm", own.keptNorm());
        result.put(when + "_control_share", control.keptShare());
        result.put(when + "_control_norm", control.keptNorm());
    }
}
