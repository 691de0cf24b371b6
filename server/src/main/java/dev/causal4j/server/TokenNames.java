package dev.causal4j.server;

import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Names tokens in lists of log-probabilities. Immutable and thread-safe.
 *
 * @param asIds whether names are {@code token_id:N}
 */
record TokenNames(Tokenizer tokenizer, boolean asIds) {
    private static final HexFormat BYTES = HexFormat.of().withPrefix("\\x");

    /** The text of a token, or {@code bytes:\xe2\x80} if it has no text of its own: unique and without loss. */
    String name(int token) {
        if (asIds) {
            return "token_id:" + token;
        }
        byte[] bytes = bytes(token);
        String text = new String(bytes, StandardCharsets.UTF_8);
        boolean whole = Arrays.equals(text.getBytes(StandardCharsets.UTF_8), bytes);
        return whole ? text : "bytes:" + BYTES.formatHex(bytes);
    }

    /** The bytes of a token; of an id beyond the tokenizer's there are none. */
    byte[] bytes(int token) {
        return token < tokenizer.vocabularySize() ? tokenizer.bytes(token) : new byte[0];
    }
}
