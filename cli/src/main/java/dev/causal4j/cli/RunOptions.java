package dev.causal4j.cli;

import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
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
    private List<String> cacheMemory = List.of();

    /** Bytes of keys and values that are asked for; empty for the default. */
    Optional<Long> cacheBytes() {
        refuse(cacheMemory.size() > 1, "cache-memory: expected to be given once, got it twice");
        return cacheMemory.stream().findFirst().map(this::bytes);
    }

    /** The same by the names of several models; that of all together has an empty name. */
    Map<String, Long> cacheBytesByName() {
        Map<String, Long> all = new LinkedHashMap<>();
        for (String each : cacheMemory) {
            int end = Math.max(0, each.lastIndexOf('='));
            Long before = all.put(each.substring(0, end), bytes(each.substring(each.lastIndexOf('=') + 1)));
            refuse(before != null, "cache-memory: expected to be given once for a model, got it twice");
        }
        return all;
    }

    private long bytes(String megabytes) {
        long bytes = 0;
        try {
            bytes = (long) Integer.parseInt(megabytes) << 20;
        } catch (NumberFormatException e) {
            String expected = "cache-memory: expected a whole number of at most " + Integer.MAX_VALUE;
            refuse(true, expected + ", got " + Visible.quoted(megabytes));
        }
        refuse(bytes < 0, "cache-memory: expected at least 0 MB, got " + megabytes);
        return bytes;
    }

    /** Also fails, before anything is loaded, if the kernels that the property sets are missing. */
    @Override
    void useThreads() {
        Kernels.require();
        super.useThreads();
    }

    @Override
    LoadOptions options() {
        return unbounded().withCacheBytes(cacheBytes().orElse(0L));
    }

    /** The options without the bound of keys and values. */
    LoadOptions unbounded() {
        DType dtype = DType.ofLabel(cached.toLowerCase(Locale.ROOT))
                .filter(List.of(DType.F32, DType.BF16)::contains)
                .orElseThrow(() -> Usage.wrong(spec, "kv-dtype: expected f32 or bf16, got " + cached));
        return super.options().withCached(dtype);
    }
}
