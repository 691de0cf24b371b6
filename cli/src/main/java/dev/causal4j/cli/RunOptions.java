package dev.causal4j.cli;

import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of commands that run a model. */
final class RunOptions extends ModelOptions {
    @Option(
            names = "--kv-dtype",
            paramLabel = "DTYPE",
            description = "Cached keys and values: f32, or bf16 for half the memory; default: f32.")
    private String cached = DType.F32.label();

    @Option(
            names = "--cache-memory",
            paramLabel = "MB",
            description =
                    "Most memory for keys and values of running sequences and of prompts that begin like earlier ones; at least a full context; default: a quarter of what is free.")
    private @Nullable Integer megabytes;

    /** Bytes of keys and values that are asked for; empty for the default. */
    Optional<Long> cacheBytes() {
        return Optional.ofNullable(megabytes).map(each -> (long) each << 20);
    }

    /** Also fails, before anything is loaded, if the kernels that the property sets are missing. */
    @Override
    void useThreads() {
        Kernels.require();
        super.useThreads();
    }

    @Override
    LoadOptions options() {
        DType dtype = DType.ofLabel(cached.toLowerCase(Locale.ROOT))
                .filter(List.of(DType.F32, DType.BF16)::contains)
                .orElseThrow(() -> Usage.wrong(spec, "kv-dtype: expected f32 or bf16, got " + cached));
        refuse(cacheBytes().orElse(0L) < 0, "cache-memory: expected at least 0 MB, got " + megabytes);
        return super.options().withCached(dtype).withCacheBytes(cacheBytes().orElse(0L));
    }
}
