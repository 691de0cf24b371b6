package dev.causal4j.tokenizer;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.causal4j.tokenizer.Tokenizer.Encoding;
import java.util.Arrays;
import java.util.function.IntFunction;

/** Finds the places of tokens in the UTF-8 of their text. */
final class Offsets {
    // After tokens that are not found, the next one is looked for in this many bytes.
    private static final int WINDOW = 1 << 10;

    private Offsets() {}

    /**
     * Finds tokens in a well-formed text. Tokens that are not in it, since the text was normalized or a character is
     * unknown, share the bytes up to the next one that is.
     *
     * @param bytes the bytes that an id stands for
     */
    static Encoding find(String text, int[] tokens, IntFunction<byte[]> bytes) {
        String all = new String(text.getBytes(UTF_8), ISO_8859_1); // a char for each byte
        int[] starts = new int[tokens.length];
        int[] ends = new int[tokens.length];
        int lost = 0; // the first token that is not found yet
        int done = 0;
        int dropped = 0; // the first byte at or after that which is no space
        for (int i = 0; i < tokens.length; i++) {
            String own = new String(bytes.apply(tokens[i]), ISO_8859_1);
            String visible = own.startsWith(" ") ? own.substring(1) : own;
            dropped = Math.max(dropped, done);
            while (dropped < all.length() && all.charAt(dropped) <= ' ') {
                dropped++;
            }
            starts[i] = all.startsWith(own, done) || all.startsWith(visible, done) ? done : dropped;
            String found = all.startsWith(own, starts[i]) ? own : visible;
            if (lost < i && !own.isEmpty()) {
                starts[i] = all.indexOf(own, done, Math.min(all.length(), done + WINDOW));
                found = own;
            }
            if (starts[i] >= 0 && all.startsWith(found, starts[i])) {
                Arrays.fill(starts, lost, i, done);
                Arrays.fill(ends, lost, i, starts[i]);
                done = starts[i] + found.length();
                ends[i] = done;
                lost = i + 1;
            }
        }
        Arrays.fill(starts, lost, tokens.length, done);
        Arrays.fill(ends, lost, tokens.length, all.length());
        return new Encoding(tokens, starts, ends);
    }
}
