package dev.causal4j.model;

import dev.causal4j.json.Sha256;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * The files that a model was loaded from. With the version of the arithmetic ({@link CausalLM#ARITHMETIC}) they determine every
 * bit that the model computes, unless a file that stays mapped is written in place. Immutable and thread-safe.
 *
 * @param files config.json and the files of the weights, or GGUF files, in the order in which they were read
 * @param dtype the dtype to which the stored weights were rounded or quantised; empty for the stored formats
 * @param adapter the files of its adapter; empty for none
 * @param merged whether the adapter was added to the weights before they were rounded
 * @param tokenizer the SHA-256 of {@link Tokenizer#toJson}; empty without one
 */
public record ModelDigests(
        List<File> files, Optional<DType> dtype, List<File> adapter, boolean merged, Optional<String> tokenizer) {
    /** Bytes that are read at once; a buffer has at most 2 GB. */
    private static final long CHUNK = 1 << 24;

    /** Of no files. */
    static final CompletableFuture<Optional<ModelDigests>> NONE = CompletableFuture.completedFuture(Optional.empty());

    /** Copies the lists. */
    public ModelDigests {
        files = List.copyOf(files);
        adapter = List.copyOf(adapter);
    }

    /**
     * A file.
     *
     * @param name its name without a folder
     * @param size its bytes
     * @param sha256 the SHA-256 of its bytes, 64 digits in lower case
     */
    public record File(String name, long size, String sha256) {}

    /** These with another adapter beside the weights; empty if one is part of them. */
    Optional<ModelDigests> withAdapter(List<File> others) {
        return merged ? Optional.empty() : Optional.of(new ModelDigests(files, dtype, others, false, tokenizer));
    }

    /** Starts to compute the digests of files on a thread of its own. */
    static CompletableFuture<List<File>> begin(Map<String, MemorySegment> files) {
        return CompletableFuture.supplyAsync(
                () -> of(files),
                task -> Thread.ofPlatform().name("causal4j-digests").daemon().start(task));
    }

    /** The digests of files by their names. */
    static List<File> of(Map<String, MemorySegment> files) {
        List<File> digests = new ArrayList<>();
        files.forEach((name, bytes) -> {
            MessageDigest sha = Sha256.begin();
            for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
                sha.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at))
                        .asByteBuffer());
            }
            digests.add(new File(name, bytes.byteSize(), HexFormat.of().formatHex(sha.digest())));
        });
        return digests;
    }
}
