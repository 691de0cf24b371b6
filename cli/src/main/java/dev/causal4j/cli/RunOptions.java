package dev.causal4j.cli;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Option;

/** Options of commands that run a model. */
final class RunOptions extends ModelOptions {
    @Option(
            names = "--kv-dtype",
            paramLabel = "DTYPE",
            description = "Cached keys and values: f32, or bf16 for half the memory; default: f32.")
    private String cached = DType.F32.label();

    /** Also fails, before anything is loaded, if the kernels that the property sets are missing. */
    @Override
    void useThreads() {
        Kernels.name();
        super.useThreads();
    }

    @Override
    LoadOptions options() {
        DType dtype = DType.ofLabel(cached.toLowerCase(Locale.ROOT))
                .filter(List.of(DType.F32, DType.BF16)::contains)
                .orElseThrow(() -> Usage.wrong(spec, "kv-dtype: expected f32 or bf16, got " + cached));
        return super.options().withCached(dtype);
    }
}
