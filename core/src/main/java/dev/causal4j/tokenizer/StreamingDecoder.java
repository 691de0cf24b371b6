package dev.causal4j.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Decodes one text token by token. Not thread-safe.
 *
 * <p>A token may end inside a UTF-8 character, or be one of its bytes. Such bytes wait for the rest, and bytes of their
 * own for the next token that is none: no part of a character is ever returned, and all returned strings together equal
 * {@link Tokenizer#decode} of all ids.
 */
public final class StreamingDecoder {
    private static final char REPLACEMENT = '\ufffd';

    private final Vocabulary vocabulary;
    private final Rule rule;
    private final boolean continues;

    private final ByteArrayOutputStream run = new ByteArrayOutputStream(); // bytes that wait
    private boolean afterPiece;
    private boolean afterText;

    /**
     * How pieces become text: as bytes, together in UTF-8; or as characters with marks for spaces, and bytes, where a run
     * of bytes that is no UTF-8 is U+FFFD for each.
     *
     * @param hasBytes whether pieces such as {@code <0x0A>} are bytes
     * @param spacesInBytes whether a mark made of bytes is a space too
     * @param dropsFirstMarks whether the marks of the first piece vanish
     * @param dropsFirstSpace whether a space at the beginning of the text vanishes
     */
    record Rule(
            boolean byteLevel,
            boolean hasBytes,
            boolean spacesInBytes,
            boolean dropsFirstMarks,
            boolean dropsFirstSpace) {}

    /** @param continues whether another text comes before, so that a space at the beginning stays */
    StreamingDecoder(Vocabulary vocabulary, Rule rule, boolean continues) {
        this.vocabulary = vocabulary;
        this.rule = rule;
        this.continues = continues;
        afterPiece = continues;
        afterText = continues;
    }

    /**
     * The text that {@code id} completes; empty if it ends inside a character. Special tokens are decoded too; use
     * {@link Tokenizer#isSpecial} to skip them.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id; the decoder is then unchanged
     */
    public String accept(int id) {
        vocabulary.require(id);
        StringBuilder text = new StringBuilder();
        int single = rule.hasBytes ? vocabulary.fallbackByte(id) : Vocabulary.NONE;
        if (rule.byteLevel) {
            run.writeBytes(vocabulary.bytes(id));
            decode(false, text);
        } else if (single >= 0) {
            run.write(single);
        } else if (!vocabulary.piece(id).isEmpty()) {
            endRun(text);
            append(vocabulary.piece(id), text);
        }
        return withoutFirstSpace(text);
    }

    /** Ends the text: an unfinished character becomes U+FFFD. The decoder can then be reused. */
    public String finish() {
        StringBuilder text = new StringBuilder();
        if (rule.byteLevel) {
            decode(true, text);
        } else {
            endRun(text);
        }
        String rest = withoutFirstSpace(text);
        afterPiece = continues;
        afterText = continues;
        return rest;
    }

    private void endRun(StringBuilder text) {
        byte[] bytes = run.toByteArray();
        run.reset();
        String characters = new String(bytes, StandardCharsets.UTF_8);
        if (!Arrays.equals(characters.getBytes(StandardCharsets.UTF_8), bytes)) {
            text.repeat(REPLACEMENT, bytes.length);
        } else if (rule.spacesInBytes && bytes.length > 0) {
            append(characters, text);
        } else {
            text.append(characters);
        }
        afterPiece |= bytes.length > 0;
    }

    private void append(String piece, StringBuilder text) {
        text.append(
                rule.dropsFirstMarks && !afterPiece ? piece.replace("\u2581", "") : piece.replace(Splitter.MARK, ' '));
        afterPiece = true;
    }

    private String withoutFirstSpace(StringBuilder text) {
        boolean drops = rule.dropsFirstSpace && !afterText && text.indexOf(" ") == 0;
        afterText |= !text.isEmpty();
        return text.substring(drops ? 1 : 0);
    }

    /**
     * Decodes the bytes of whole characters. Each longest start of a character that does not go on is replaced as one, as
     * Unicode recommends and Hugging Face does; the JDK's decoder replaces surrogates (ED A0 80) otherwise.
     */
    private void decode(boolean ends, StringBuilder text) {
        byte[] bytes = run.toByteArray();
        run.reset();
        for (int from = 0, to; from < bytes.length; from = to) {
            int first = bytes[from] & 0xff;
            int more = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
            // The second byte's limits exclude long forms, surrogates and what lies beyond U+10FFFF.
            int lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
            int highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
            to = from + 1;
            while (to <= from + more
                    && to < bytes.length
                    && (bytes[to] & 0xff) >= lowest
                    && (bytes[to] & 0xff) <= highest) {
                lowest = 0x80;
                highest = 0xbf;
                to++;
            }
            if (to <= from + more && to == bytes.length && !ends) {
                run.write(bytes, from, to - from);
            } else if (to <= from + more || (more == 0 && first >= 0x80)) {
                text.append(REPLACEMENT);
            } else {
                text.append(new String(bytes, from, to - from, StandardCharsets.UTF_8));
            }
        }
    }
}
