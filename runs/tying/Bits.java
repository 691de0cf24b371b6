import dev.causal4j.austen.AustenModel;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.training.Documents;
import dev.causal4j.training.Examples;
import dev.causal4j.training.Tokens;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;

/** E7: what it costs to round the table of the vocabulary where it is looked up, and where it is multiplied. */
final class Bits {
    static final Path RECORDS = Run.RECORDS.resolve("bits");
    static final int[] BITS = {8, 6, 4, 3};
    private static final int GROUP = 32;
    private static final int LENGTH = 256;
    private static final int EXAMPLES = 128;

    private final CausalLM model;
    private final Examples heldOut;

    private Bits(CausalLM model, Examples heldOut) {
        this.model = model;
        this.heldOut = heldOut;
    }

    /** Measures the embedded model, and each run of S1 tied and untied whose last checkpoint is here. */
    static void run() throws IOException {
        Path austen = RECORDS.resolve("austen.json");
        if (!Files.exists(austen)) {
            try (CausalLM model = AustenModel.load(DType.F32)) {
                write(austen, new Bits(model, examples("books", model)).measure());
            }
        }
        for (Run run : Stream.of("S1-tied", "S1-untied")
                .flatMap(arm -> Stream.of(1, 2, 3, 4, 5, 6).flatMap(seed -> Schedule.run(arm, seed).stream()))
                .toList()) {
            Path record = RECORDS.resolve(run.arm().name() + "-" + run.seed() + ".json");
            Path checkpoint = run.folder().resolve("checkpoint-" + run.steps());
            if (run.recorded() && !Files.exists(record) && Files.exists(checkpoint)) {
                try (CausalLM model = CausalLM.load(checkpoint, DType.F32)) {
                    write(record, new Bits(model, examples("reference", model)).measure());
                }
            }
        }
    }

    private static Examples examples(String corpus, CausalLM model) throws IOException {
        Path file = Run.WORK.resolve(corpus).resolve("held-out." + model.name() + ".tokens");
        Documents documents = Documents.of(Run.WORK.resolve(corpus).resolve("held-out.jsonl"));
        return Examples.inOrder(Tokens.prepare(file, documents, model), LENGTH).evenly(EXAMPLES);
    }

    private static void write(Path file, Map<String, Object> rises) throws IOException {
        Files.createDirectories(RECORDS);
        Files.write(file, Json.write(rises));
        System.out.println(file.getFileName() + " " + rises);
    }

    private Map<String, Object> measure() throws IOException {
        double exact = loss(model.head().embedding(), model.head().projection());
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("loss", exact);
        for (int bits : BITS) {
            Matrix embedding = rounded(model.head().embedding(), bits);
            Matrix projection = model.head().tied() ? embedding : rounded(model.head().projection(), bits);
            all.put("embedding_" + bits, loss(embedding, model.head().projection()) - exact);
            all.put("projection_" + bits, loss(model.head().embedding(), projection) - exact);
        }
        return all;
    }

    private double loss(Matrix embedding, Matrix projection) throws IOException {
        Parameters parameters = Parameters.of(
                spec -> spec.role() == Role.EMBEDDING
                        ? embedding
                        : spec.role() == Role.PROJECTION ? projection : model.matrix(spec),
                model::vector);
        CausalLM changed = CausalLM.of(model.name(), model.config().withTied(false), parameters, null);
        TrainingOptions options = TrainingOptions.DEFAULT.withHeldOut(heldOut);
        try (Trainer trainer = Trainer.start(changed, heldOut, options)) {
            return trainer.heldOutLoss(_ -> {}).orElseThrow();
        }
    }

    /** Symmetric codes in groups of inputs, with the scale of the largest number. */
    private static Matrix rounded(Matrix matrix, int bits) {
        int most = (1 << (bits - 1)) - 1;
        return Matrix.of(Device.shared(), DType.F32, matrix.rows(), matrix.cols(), (n, row) -> {
            matrix.row(n, row, 0);
            for (int from = 0; from < row.length; from += GROUP) {
                int end = Math.min(row.length, from + GROUP);
                double largest = 0;
                for (int k = from; k < end; k++) {
                    largest = Math.max(largest, Math.abs(row[k]));
                }
                for (int k = from; k < end && largest > 0; k++) {
                    row[k] = (float) (Math.rint(row[k] / largest * most) * largest / most);
                }
            }
        });
    }
}
