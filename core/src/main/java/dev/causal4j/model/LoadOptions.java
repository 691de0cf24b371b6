package dev.causal4j.model;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Options of loading. Immutable.
 *
 * @param dtype dtype of the weights, rounded or quantised from f32; null for the stored one
 * @param cached dtype of cached keys and values: f32, or bf16 to round them to it
 * @param cacheBytes most bytes of keys and values, enough for a full context; 0 for a quarter of the bytes that the
 *     process may still take
 * @param progress called after each parameter
 * @param compute the threads; unless shared, the caller closes them after the model
 * @param merged folder of an adapter to make part of the weights; null for none
 * @param digests whether to compute the digests of the files that are loaded, which takes a second thread
 */
public record LoadOptions(
        @Nullable DType dtype,
        DType cached,
        long cacheBytes,
        ProgressListener progress,
        Compute compute,
        @Nullable Path merged,
        boolean digests) {
    /** The stored dtype, keys and values in f32, the threads of the process, and no adapter. */
    public static final LoadOptions DEFAULT =
            new LoadOptions(null, DType.F32, 0, (_, _) -> {}, Compute.shared(), null, false);

    /** These options with another dtype of weights; null for the stored one. */
    public LoadOptions withDtype(@Nullable DType wanted) {
        return new LoadOptions(wanted, cached, cacheBytes, progress, compute, merged, digests);
    }

    /** These options with another dtype of cached keys and values. */
    public LoadOptions withCached(DType wanted) {
        return new LoadOptions(dtype, wanted, cacheBytes, progress, compute, merged, digests);
    }

    /** These options with another bound of cached keys and values; loading fails unless they are free, too. */
    public LoadOptions withCacheBytes(long bytes) {
        return new LoadOptions(dtype, cached, bytes, progress, compute, merged, digests);
    }

    /** These options with a listener of progress. */
    public LoadOptions withProgress(ProgressListener listener) {
        return new LoadOptions(dtype, cached, cacheBytes, listener, compute, merged, digests);
    }

    /** These options with other threads. */
    public LoadOptions withCompute(Compute threads) {
        return new LoadOptions(dtype, cached, cacheBytes, progress, threads, merged, digests);
    }

    /**
     * These options with the low-rank adapter in a folder of PEFT's layout merged into the weights. The stored weights
     * and the adapter are added in f32, and rounded or quantised once. For quantised weights a dtype must be chosen.
     */
    public LoadOptions withMerged(@Nullable Path adapter) {
        return new LoadOptions(dtype, cached, cacheBytes, progress, compute, adapter, digests);
    }

    /** These options with digests of the files, for {@link CausalLM#digests}, or without. */
    public LoadOptions withDigests(boolean wanted) {
        return new LoadOptions(dtype, cached, cacheBytes, progress, compute, merged, wanted);
    }

    /** Dtype and bytes of cached keys and values. */
    KVCache.Options cache() {
        return new KVCache.Options(cached, cacheBytes > 0 ? cacheBytes : Device.freeBytes() / 4);
    }

    /** All options except the listener, for messages. */
    @Override
    public String toString() {
        return "LoadOptions[dtype=" + (dtype == null ? "as stored" : dtype.label()) + ", cached=" + cached.label()
                + ", cacheBytes=" + (cacheBytes == 0 ? "a quarter" : cacheBytes)
                + ", threads=" + compute.threads() + ", merged=" + (merged == null ? "none" : merged)
                + ", digests=" + digests + "]";
    }
}
