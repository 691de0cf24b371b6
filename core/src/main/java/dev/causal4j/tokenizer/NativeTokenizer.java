package dev.causal4j.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;

/**
 * A tokenizer of the native library, encoding only. Thread-safe: the library encodes through a shared reference, and
 * its cache of words has a lock of its own. Freed when no longer reachable.
 */
final class NativeTokenizer {
    private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;
    private static final Cleaner CLEANER = Cleaner.create();

    private final long handle;

    /**
     * Loads the native library if this is the first one.
     *
     * @param json written by {@link BytePairVocabulary#nativeJson} only: unexpected input makes the library end the
     *     process
     * @throws IOException if the library cannot be unpacked or loaded, or refuses the tokenizer
     */
    NativeTokenizer(String json) throws IOException {
        NativeLibrary.load();
        long created;
        try {
            created = LIBRARY.createTokenizerFromString(json);
        } catch (RuntimeException | UnsatisfiedLinkError e) {
            throw new IOException(
                    "tokenizer library: expected to take the tokenizer, got " + NativeLibrary.oneLine(e)
                            + "; report it to the project",
                    e);
        }
        handle = created;
        CLEANER.register(this, () -> LIBRARY.deleteTokenizer(created));
    }

    /** The ids of {@code text}, with no special token added and never truncated. */
    long[] encode(String text) {
        try {
            long encoding = LIBRARY.encode(handle, text, false);
            try {
                return LIBRARY.getTokenIds(encoding);
            } finally {
                LIBRARY.deleteEncoding(encoding);
            }
        } finally {
            // The library gets only a number: without this the cleaner could free it during the call.
            Reference.reachabilityFence(this);
        }
    }
}
