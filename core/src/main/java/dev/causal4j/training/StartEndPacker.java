package dev.causal4j.training;

import java.util.Arrays;

/**
 * Brings token ids to one length, as KerasHub's layer of this name: start tokens before, end tokens after, the tokens
 * cut at the end so that both fit, and padding. Immutable as long as nobody writes to its arrays; thread-safe.
 *
 * @param startTokens may be none
 * @param endTokens may be none
 * @param padToken an id like any other (0 is "!" in GPT-2's vocabulary): only the mask tells padding from text
 * @param padLeft whether padding stands before, and not after
 */
public record StartEndPacker(int[] startTokens, int[] endTokens, int padToken, boolean padLeft) {
    /**
     * A row of tokens.
     *
     * @param tokens [length]
     * @param mask [length] true where the token is not padding
     */
    public record Packed(int[] tokens, boolean[] mask) {
        /** How many tokens are not padding. */
        int real() {
            int real = 0;
            for (boolean token : mask) {
                real += token ? 1 : 0;
            }
            return real;
        }
    }

    /** With start and end tokens. */
    public Packed pack(int[] tokens, int length) {
        return pack(tokens, length, true, true);
    }

    /**
     * Packs.
     *
     * @throws IllegalArgumentException if start and end tokens alone are longer than {@code length}
     */
    public Packed pack(int[] tokens, int length, boolean addStart, boolean addEnd) {
        int[] start = addStart ? startTokens : new int[0];
        int[] end = addEnd ? endTokens : new int[0];
        if (length < 1 || start.length + end.length > length) {
            throw new IllegalArgumentException("sequence length: expected room for " + start.length + " start and "
                    + end.length + " end tokens, got " + length);
        }
        int kept = Math.min(tokens.length, length - start.length - end.length);
        int real = start.length + kept + end.length;
        int from = padLeft ? length - real : 0;
        int[] packed = new int[length];
        boolean[] mask = new boolean[length];
        Arrays.fill(packed, padToken);
        Arrays.fill(mask, from, from + real, true);
        System.arraycopy(start, 0, packed, from, start.length);
        System.arraycopy(tokens, 0, packed, from + start.length, kept);
        System.arraycopy(end, 0, packed, from + start.length + kept, end.length);
        return new Packed(packed, mask);
    }
}
