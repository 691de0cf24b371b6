package dev.causal4j.model;

import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.JsonTree;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorSource;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.WholeFile;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Saves a model in Hugging Face layout. */
final class HuggingFaceFolder {
    private HuggingFaceFolder() {}

    static void write(CausalLM model, Path folder, DType dtype) throws IOException {
        ModelConfig config = model.config();
        Map<String, Object> json = config.toJson();
        json.put("torch_dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
        WholeFile.write(folder.resolve(Checkpoint.CONFIG), JsonTree.write(json));
        if (model.tokenizer().isPresent()) {
            model.tokenizer().get().save(folder);
        }
        List<TensorSource> tensors = new ArrayList<>();
        for (ParameterSpec spec : config.specs()) {
            Origin origin = config.family().origin(spec, config.family().rootWritten(config));
            tensors.add(new TensorSource(
                    origin.name(), dtype, origin.shape(spec), memory -> view(model, spec, origin, dtype, memory)));
        }
        SafeTensors.writeInTurn(folder.resolve(TensorStore.SINGLE), tensors, Map.of("format", "pt"));
    }

    private static TensorView view(
            CausalLM model, ParameterSpec spec, Origin origin, DType dtype, SegmentAllocator memory) {
        if (spec.role().isVector()) {
            return TensorView.of(origin.name(), model.vector(spec), dtype, memory);
        }
        Matrix matrix = model.matrix(spec);
        LowRank adapter = model.adapter(spec);
        try (Arena arena = Arena.ofShared()) {
            Device device = new Device(arena, matrix.device().compute());
            Matrix sum = adapter == null ? matrix : adapter.merged(device, matrix);
            return TensorView.of(origin.name(), sum, origin instanceof Origin.Transposed, dtype, memory);
        }
    }
}
