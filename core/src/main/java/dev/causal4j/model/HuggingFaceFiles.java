package dev.causal4j.model;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.families.Families;
import dev.causal4j.model.families.Family;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Writes a model in Hugging Face layout, except for its tokenizer, with the names and places of its family. As
 * thread-safe as {@code rows}.
 *
 * @param rows gives the rows of a parameter; rows of a vector have one number each
 */
record HuggingFaceFiles(ModelConfig config, Function<ParameterSpec, Matrix.Source> rows) {
    /** The rows of a parameter; a weight includes its adapter. */
    static Matrix.Source rows(Parameters parameters, ParameterSpec spec) {
        if (spec.role().isVector()) {
            float[] vector = parameters.vector(spec);
            return (n, row) -> row[0] = vector[n];
        }
        Matrix.Source stored = parameters.stored(spec);
        if (stored != null) {
            return stored;
        }
        Matrix matrix = parameters.matrix(spec);
        LowRank adapter = parameters.adapter(spec);
        Matrix.Source rows = (n, row) -> matrix.row(n, row, 0);
        return adapter == null ? rows : adapter.merged(rows);
    }

    /** Saves a model with its tokenizer; see {@link CausalLM#save}. */
    static void save(CausalLM model, Path folder, DType dtype) throws IOException {
        if (model.tokenizer().isPresent()) {
            model.tokenizer().get().save(folder);
        }
        HuggingFaceFiles files = new HuggingFaceFiles(model.config(), spec -> rows(model, spec));
        files.write(folder, dtype, Long.MAX_VALUE, (_, _) -> {});
    }

    /**
     * Writes the configuration and then the weights, a tensor at a time.
     *
     * @param most bytes of a file of weights
     */
    void write(Path folder, DType dtype, long most, ProgressListener progress) throws IOException {
        Family family = config.family();
        Map<String, Object> json = config.toJson();
        json.putIfAbsent("architectures", List.of(Families.architecture(family)));
        json.remove(Families.OWN_KEY); // the order of heads is undone in the written tensors
        json.remove("dtype"); // newer files have it instead of torch_dtype
        json.put("torch_dtype", dtype.label().replace("f", "float"));
        WholeFile.write(folder.resolve(Checkpoint.CONFIG), Json.write(json));
        Map<?, ?> generation = config.generation().source();
        if (!generation.isEmpty()) {
            WholeFile.write(folder.resolve(GenerationDefaults.FILE), Json.write(generation));
        }
        Map<Origin, Consumer<TensorView>> parameters = new LinkedHashMap<>();
        String root = family.rootWritten(config.tied());
        for (ParameterSpec spec : config.specs()) {
            Origin origin = config.origin(spec, root);
            parameters.put(origin, tensor -> origin.write(tensor, spec.cols(), rows.apply(spec), Compute.shared()));
        }
        Collection<SafeTensors.Source> tensors = StoredRows.sources(dtype, parameters);
        long total = tensors.stream().mapToLong(SafeTensors.Source::bytes).sum();
        TensorStore.write(folder, tensors, most, bytes -> progress.accept(bytes, total));
    }
}
