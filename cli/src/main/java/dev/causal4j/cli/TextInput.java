package dev.causal4j.cli;

import dev.causal4j.json.UntrustedInput;
import dev.causal4j.training.Documents;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;

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

    /** The documents in a folder as JSON Lines, whose files are read one by one. */
    static InputStream folder(Path folder) throws IOException {
        Iterator<Path> files = Documents.of(folder).files().iterator();
        return new InputStream() {
            private InputStream file = nullInputStream();

            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] to, int from, int length) throws IOException {
                int count = file.read(to, from, length);
                while (count < 0 && files.hasNext()) {
                    file.close();
                    file = lines(folder, files.next());
                    count = file.read(to, from, length);
                }
                return count;
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    /** A file of text as an object with its name and its text; JSON Lines as they are. */
    private static InputStream lines(Path folder, Path file) throws IOException {
        InputStream lines = Documents.isJsonLines(file)
                ? Files.newInputStream(file)
                : bytes(new Document()
                        .put("file", folder.relativize(file))
                        .put("text", file(file))
                        .toString());
        return new SequenceInputStream(lines, bytes("\n"));
    }

    private static InputStream bytes(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
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

    /** Refuses pipes and devices, on which reading could block without end. */
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
