package dev.causal4j.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

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

    // Of byte-level tokens the unfinished character: its bits, the number of bytes to come, and the range of the next.
    private int codePoint;
    private int missing;
    private int lowest;
    private int highest;

    // Of others the bytes that wait, and whether a piece and a character came before.
    private final ByteArrayOutputStream run = new ByteArrayOutputStream();
    private boolean afterPiece;
    private boolean afterText;

    /** How pieces become text. */
    sealed interface Rule {
        /** The bytes of all pieces, together in UTF-8. */
        record Bytes() implements Rule {}

        /**
         * Characters, with marks for spaces, and bytes; a run of bytes that is no UTF-8 is U+FFFD for each.
         *
         * @param spacesInBytes whether a mark made of bytes is a space too
         * @param dropsFirstMarks whether the marks of the first piece vanish
         * @param dropsFirstSpace whether a space at the beginning of the text vanishes
         */
        record Marks(boolean hasBytes, boolean spacesInBytes, boolean dropsFirstMarks, boolean dropsFirstSpace)
                implements Rule {}
    }

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
        switch (rule) {
            case Rule.Bytes() -> {
                for (byte b : vocabulary.bytes(id)) {
                    acceptByte(b & 0xff, text);
                }
            }
            case Rule.Marks marks -> {
                int single = marks.hasBytes() ? vocabulary.fallbackByte(id) : Vocabulary.NONE;
                if (single >= 0) {
                    run.write(single);
                } else if (!vocabulary.piece(id).isEmpty()) {
                    endRun(marks, text);
                    appendPiece(marks, vocabulary.piece(id), text);
                }
                dropSpace(marks, text);
            }
        }
        return text.toString();
    }

    /** Ends the text: an unfinished character becomes U+FFFD. The decoder can then be reused. */
    public String finish() {
        StringBuilder text = new StringBuilder(missing > 0 ? String.valueOf(REPLACEMENT) : "");
        if (rule instanceof Rule.Marks marks) {
            endRun(marks, text);
            dropSpace(marks, text);
        }
        missing = 0;
        afterPiece = continues;
        afterText = continues;
        return text.toString();
    }

    private void endRun(Rule.Marks marks, StringBuilder text) {
        if (run.size() > 0) {
            try {
                ByteBuffer bytes = ByteBuffer.wrap(run.toByteArray());
                String characters =
                        StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
                if (marks.spacesInBytes()) {
                    appendPiece(marks, characters, text);
                } else {
                    text.append(characters);
                }
            } catch (CharacterCodingException notUtf8) {
                text.repeat(REPLACEMENT, run.size());
            }
            afterPiece = true;
            run.reset();
        }
    }

    private void appendPiece(Rule.Marks marks, String piece, StringBuilder text) {
        boolean drops = marks.dropsFirstMarks() && !afterPiece;
        text.append(drops ? piece.replace("\u2581", "") : piece.replace(Splitter.MARK, ' '));
        afterPiece = true;
    }

    private void dropSpace(Rule.Marks marks, StringBuilder text) {
        if (!afterText && marks.dropsFirstSpace() && text.indexOf(" ") == 0) {
            text.deleteCharAt(0);
            afterText = true;
        }
        afterText |= !text.isEmpty();
    }

    /**
     * One step of UTF-8 decoding where each longest start of a valid sequence is replaced as one, as Unicode recommends
     * and Hugging Face does. The JDK's decoder replaces surrogates (ED A0 80) otherwise.
     */
    private void acceptByte(int b, StringBuilder text) {
        if (missing > 0 && (b < lowest || b > highest)) {
            text.append(REPLACEMENT);
            missing = 0;
        }
        if (missing > 0) {
            codePoint = (codePoint << 6) | (b & 0x3f);
            lowest = 0x80;
            highest = 0xbf;
            if (--missing == 0) {
                text.appendCodePoint(codePoint);
            }
        } else if (b < 0x80) {
            text.append((char) b);
        } else if (b < 0xc2 || b > 0xf4) {
            text.append(REPLACEMENT);
        } else {
            begin(b);
        }
    }

    /** The second byte's limits exclude long forms, surrogates and what lies beyond U+10FFFF. */
    private void begin(int b) {
        missing = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
        codePoint = b & (0x3f >> missing);
        lowest = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        highest = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    }
}
