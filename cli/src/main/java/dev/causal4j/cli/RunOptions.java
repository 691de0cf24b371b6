package dev.causal4j.cli;

import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import picocli.CommandLine.Option;

/** Options of commands that run a model. */
final class RunOptions extends ModelOptions {
    @Option(
            names = "--kv-dtype",
            paramLabel = "DTYPE",
            converter = DTypeConverter.class,
            description = "Cached keys and values: f32, or bf16 for half the memory; default: f32.")
    private DType cached = DType.F32;

    @Override
    LoadOptions options() {
        if (cached != DType.F32 && cached != DType.BF16) {
            throw Usage.wrong(spec, "kv-dtype: expected f32 or bf16, got " + cached.label());
        }
        return super.options().withCached(cached);
    }
}
