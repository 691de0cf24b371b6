package dev.causal4j.cli;

import dev.causal4j.format.UntrustedInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads bounded texts in strict UTF-8, without a byte order mark. */
final class TextInput {
    /** A bound before allocation; the longest novel has a fifth of it. */
    static final int MOST_BYTES = 16 << 20;

    private static final String STANDARD_INPUT = "standard input";

    private TextInput() {}

    /** The argument, or for {@code -} standard input without its last line end, \n or \r\n. */
    static String argument(String argument) throws IOException {
        if (!argument.equals("-")) {
            return argument;
        }
        byte[] bytes;
        try {
            bytes = System.in.readNBytes(MOST_BYTES + 1);
        } catch (IOException e) {
            throw new IOException(STANDARD_INPUT + ": expected a text, got an error (" + e.getMessage() + ")", e);
        }
        return withoutMark(decode(STANDARD_INPUT, bytes)).replaceFirst("\r?\n\\z", ""); // the one echo adds
    }

    /** Opens a file, or standard input for {@code -}. */
    static InputStream open(String in) throws IOException {
        return in.equals("-") ? System.in : Files.newInputStream(requireRegular(Path.of(in)));
    }

    /** The name of an input in messages. */
    static String name(String in) {
        return in.equals("-") ? STANDARD_INPUT : in;
    }

    /** The text of a file, or for {@code -} that of standard input. */
    static String fileOrInput(String in) throws IOException {
        return in.equals("-") ? argument(in) : file(Path.of(in));
    }

    /** The text of a file. */
    static String file(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(requireRegular(file))) {
            return withoutMark(decode(file.toString(), in.readNBytes(MOST_BYTES + 1)));
        }
    }

    /** Drops the byte order mark that some editors write. */
    private static String withoutMark(String text) {
        return text.startsWith("\ufeff") ? text.substring(1) : text;
    }

    /** Refuses pipes and devices, on which reading could block for ever. */
    static Path requireRegular(Path file) throws IOException {
        UntrustedInput.requireFile(file, "a file");
        return file;
    }

    /** The bytes of a text. Refuses too many. */
    static byte[] bounded(String subject, byte[] bytes) throws IOException {
        if (bytes.length > MOST_BYTES) {
            throw new IOException(subject + ": expected at most " + MOST_BYTES + " bytes, got more; split it");
        }
        return bytes;
    }

    static String decode(String subject, byte[] bytes) throws IOException {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bounded(subject, bytes)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IOException(subject + ": expected text in UTF-8, got bytes that are not", e);
        }
    }
}
