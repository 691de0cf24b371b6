package dev.causal4j.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Decodes one text token by token. Not thread-safe.
 *
 * <p>A token may end inside a UTF-8 character, or be one of its bytes. Such bytes wait until the character is complete;
 * tokens that are single bytes wait for the next token of another kind. So no part of a character is ever returned, and
 * all returned strings together equal {@link Tokenizer#decode} of all ids.
 */
public final class StreamingDecoder {
    private static final String REPLACEMENT = "\ufffd";

    private final Pieces pieces;
    private final Rule rule;
    private final boolean continues;

    private final CharsetDecoder utf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .replaceWith(REPLACEMENT);
    private final ByteArrayOutputStream run = new ByteArrayOutputStream(); // bytes that wait
    private boolean first;

    /**
     * How pieces become text. On byte level they are bytes, together in UTF-8. Else they are characters with marks for
     * spaces, and some are bytes: a run of these that is no UTF-8 becomes U+FFFD for each.
     *
     * @param hasBytes whether pieces such as {@code <0x0A>} are bytes
     * @param metaspace whether a mark made of bytes is a space too
     * @param dropsFirst whether a space at the beginning of the text is dropped; with metaspace, all marks of the first
     *     piece
     */
    record Rule(boolean hasBytes, boolean metaspace, boolean dropsFirst) {}

    /** @param continues whether another text comes before, so that a space at the beginning stays */
    StreamingDecoder(Pieces pieces, Rule rule, boolean continues) {
        this.pieces = pieces;
        this.rule = rule;
        this.continues = continues;
        first = !continues;
    }

    /**
     * Returns the text that {@code id} completes; empty if it ends inside a character. Special tokens are decoded too;
     * use {@link Tokenizer#isSpecial} to skip them.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id; the decoder is then unchanged
     */
    public String accept(int id) {
        String piece = pieces.piece(pieces.require(id));
        if (pieces.byteLevel()) {
            run.writeBytes(pieces.bytes(id));
            return decoded(false);
        }
        int single = rule.hasBytes ? pieces.fallbackByte(id) : Pieces.NONE;
        if (single >= 0) {
            run.write(single);
        }
        return single >= 0 || piece.isEmpty() ? "" : ofRun() + text(piece, true);
    }

    /** Ends the text and returns the rest: an unfinished character becomes U+FFFD. The decoder can then be reused. */
    public String finish() {
        String rest = pieces.byteLevel() ? decoded(true) : ofRun();
        first = !continues;
        return rest;
    }

    /** The text of the single-byte tokens that waited. */
    private String ofRun() {
        byte[] bytes = run.toByteArray();
        run.reset();
        String characters = new String(bytes, StandardCharsets.UTF_8);
        boolean valid = Arrays.equals(characters.getBytes(StandardCharsets.UTF_8), bytes);
        return text(valid ? characters : REPLACEMENT.repeat(bytes.length), rule.metaspace);
    }

    /** The text of the characters of a piece, or of bytes. */
    private String text(String characters, boolean hasMarks) {
        boolean drops = first && rule.dropsFirst;
        first &= characters.isEmpty();
        String text = characters;
        if (hasMarks) {
            text = drops && rule.metaspace ? text.replace("\u2581", "") : text.replace(Splitter.MARK, ' ');
        }
        return drops && !rule.metaspace && text.startsWith(" ") ? text.substring(1) : text;
    }

    /**
     * The complete characters of the bytes that wait. The longest valid start of a broken character becomes one U+FFFD,
     * as Unicode recommends and Hugging Face does.
     */
    private String decoded(boolean ends) {
        byte[] bytes = run.toByteArray();
        run.reset();
        for (int i = 1; i < bytes.length; i++) {
            // The JDK would replace the three bytes of a surrogate as one.
            if (bytes[i - 1] == (byte) 0xed && (bytes[i] & 0xe0) == 0xa0) {
                bytes[i - 1] = (byte) 0xff;
            }
        }
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length);
        utf8.reset().decode(in, out, ends);
        run.write(bytes, in.position(), in.remaining());
        return out.flip().toString();
    }
}
