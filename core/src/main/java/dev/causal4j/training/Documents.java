package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.json.Json;
import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The documents in some files. A text file is one document. In a JSONL file, whose name ends in {@code .jsonl}, each
 * line is one: an object with a text, or with the {@code messages} of a conversation and perhaps {@code tools}.
 * Immutable and thread-safe. Files are read as a stream, so they may be larger than the memory; a line of JSONL may
 * have 16 million characters.
 */
public final class Documents {
    /** The default text field of a JSONL line. */
    public static final String TEXT_FIELD = "text";

    private static final String MESSAGES = "messages";
    private static final int MAX_LINE = 16_000_000;
    private static final char BYTE_ORDER_MARK = '\ufeff';

    private final List<Path> files;
    private final String textField;
    private final @Nullable ChatTemplate template;

    /** Receives documents. */
    public interface Visitor {
        /** Reads a document; {@code text} is valid until this returns. */
        void document(Reader text) throws IOException;

        /** Reads a conversation. Unless overridden, it reads each of its texts as a document. */
        default void conversation(List<Message> messages, List<ToolDefinition> tools) throws IOException {
            for (Message message : messages) {
                if (message.fields().get("content") instanceof String text) {
                    document(new StringReader(text));
                }
            }
        }
    }

    private Documents(List<Path> files, String textField, @Nullable ChatTemplate template) {
        this.files = files;
        this.textField = textField;
        this.template = template;
    }

    /**
     * Finds the files without reading them. Folders are read recursively in the order of paths; names that begin with a
     * dot are skipped.
     *
     * @param paths text files, JSONL files and folders
     * @throws FormatException if a path is neither a file nor a folder, or a folder has no file
     * @throws IOException if a folder cannot be read
     */
    public static Documents of(Path... paths) throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path path : paths) {
            if (Files.isDirectory(path)) {
                List<Path> inside = inside(path);
                if (inside.isEmpty()) {
                    throw new FormatException(path.toString(), "files of text", "a folder without", "name another");
                }
                files.addAll(inside);
            } else if (Files.isRegularFile(path)) {
                files.add(path);
            } else {
                String got = Files.exists(path) ? "a special file" : "no such file";
                throw new FormatException(path.toString(), "a file or folder of text", got, "check the path");
            }
        }
        return new Documents(List.copyOf(files), TEXT_FIELD, null);
    }

    /** These documents, read with another text field of a JSONL line. */
    public Documents withTextField(String other) {
        return new Documents(files, other, template);
    }

    /** These documents with the template of a model, which conversations need to become tokens. */
    public Documents withTemplate(@Nullable ChatTemplate other) {
        return new Documents(files, textField, other);
    }

    @Nullable
    ChatTemplate template() {
        return template;
    }

    private static List<Path> inside(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            return all.filter(Files::isRegularFile)
                    .filter(file -> !("/" + name(folder.relativize(file))).contains("/."))
                    .sorted(Comparator.comparing(Documents::name))
                    .toList();
        } catch (UncheckedIOException e) {
            throw new IOException(
                    folder + ": expected a folder that can be read, got " + e.getMessage()
                            + "; check its links and permissions",
                    e);
        }
    }

    /** Independent of the system's separator. */
    private static String name(Path file) {
        return file.toString().replace('\\', '/');
    }

    /** The files, in their order. */
    public List<Path> files() {
        return files;
    }

    /** The size of all files in bytes. */
    public long bytes() throws IOException {
        long bytes = 0;
        for (Path file : files) {
            bytes += Files.size(file);
        }
        return bytes;
    }

    /** Whether each line of a file is a document, by its name. */
    public static boolean isJsonLines(Path file) {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".jsonl");
    }

    /**
     * Reads all documents in order. Byte order marks and blank lines of JSONL are skipped.
     *
     * @param progress receives the bytes read so far
     * @throws FormatException if a file is not UTF-8, naming the byte, or a line of JSONL is not valid, naming the line
     * @throws IOException if reading fails, or the visitor does
     * @throws IllegalArgumentException if the visitor refuses a document; the message begins with the file, and the
     *     line of JSONL
     */
    public void forEach(Visitor visitor, LongConsumer progress) throws IOException {
        long[] read = {0};
        for (Path file : files) {
            CharsetDecoder strict = StandardCharsets.UTF_8.newDecoder();
            try (BufferedReader text =
                    new BufferedReader(new InputStreamReader(open(file, read, progress), strict), 1 << 16)) {
                text.mark(1);
                if (text.read() != BYTE_ORDER_MARK) {
                    text.reset();
                }
                if (isJsonLines(file)) {
                    readLines(file, text, visitor);
                } else {
                    visit(file.toString(), () -> visitor.document(text));
                }
            } catch (MalformedInputException e) {
                throw new FormatException(
                        file.toString(), "text in UTF-8", wrongByte(file), "convert the file to UTF-8", e);
            }
        }
    }

    /** Finds the first byte of a file that is not UTF-8, which Java's reader does not report. */
    private static String wrongByte(Path file) throws IOException {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
        CharBuffer chars = CharBuffer.allocate(1 << 16);
        long offset = 0;
        try (FileChannel in = FileChannel.open(file)) {
            CoderResult result = CoderResult.UNDERFLOW;
            for (boolean ended = false; !ended && !result.isError(); bytes.compact()) {
                ended = in.read(bytes) < 0;
                result = decoder.decode(bytes.flip(), chars.clear(), ended);
                offset += bytes.position();
            }
        }
        return String.format("byte 0x%02x at offset %d", bytes.get(0) & 0xff, offset);
    }

    /** Writes the identity of these documents: the kind, the bytes and the size of each file, without its name. */
    void writeTo(DataOutputStream content, LongConsumer progress) throws IOException {
        long[] read = {0};
        if (template != null) {
            content.write((template.source() + "\0").getBytes(StandardCharsets.UTF_8));
        }
        for (Path file : files) {
            String kind = isJsonLines(file) ? "jsonl " + textField : "text";
            content.write((kind + "\0").getBytes(StandardCharsets.UTF_8));
            try (InputStream in = open(file, read, progress)) {
                content.writeLong(in.transferTo(content));
            }
        }
    }

    /** Opens a file, counts its bytes in {@code read} as they are read, and reports them. */
    private static InputStream open(Path file, long[] read, LongConsumer progress) throws IOException {
        return new FilterInputStream(Files.newInputStream(file)) {
            @Override
            public int read(byte[] to, int from, int length) throws IOException {
                int count = super.read(to, from, length);
                if (count > 0) {
                    progress.accept(read[0] += count);
                }
                return count;
            }
        };
    }

    private void readLines(Path file, BufferedReader text, Visitor visitor) throws IOException {
        StringBuilder line = new StringBuilder();
        long number = 1;
        for (int c = text.read(); c >= 0; c = text.read()) {
            if (c == '\n') {
                readLine(file + " line " + number++, line.toString(), visitor);
                line.setLength(0);
            } else if (line.append((char) c).length() > MAX_LINE) {
                throw new FormatException(
                        file + " line " + number,
                        "at most " + MAX_LINE + " characters",
                        "more",
                        "cut the document, or is the file no JSONL?");
            }
        }
        readLine(file + " line " + number, line.toString(), visitor);
    }

    private void readLine(String subject, String json, Visitor visitor) throws IOException {
        if (!json.isBlank()) {
            byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
            Json line = new Json(subject, Json.tree(subject, bytes));
            if (line.has(MESSAGES) && !line.has(textField)) {
                List<Message> messages = new ArrayList<>();
                for (Json message : line.objects(MESSAGES)) {
                    message.requireString("role");
                    messages.add(new Message(fields(message)));
                }
                List<ToolDefinition> tools = new ArrayList<>();
                for (Json tool : line.objects("tools")) {
                    tools.add(new ToolDefinition(fields(tool)));
                }
                visit(subject, () -> visitor.conversation(messages, tools));
            } else {
                String text = line.requireString(textField);
                visit(subject, () -> visitor.document(new StringReader(text)));
            }
        }
    }

    private static Map<String, Object> fields(Json object) {
        Map<String, Object> fields = new LinkedHashMap<>();
        object.root().forEach((name, value) -> fields.put(String.valueOf(name), value));
        return fields;
    }

    private interface Visit {
        void run() throws IOException;
    }

    /** Prefixes the message with the place if the visitor refuses a document. */
    private static void visit(String subject, Visit visit) throws IOException {
        try {
            visit.run();
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(subject + ", " + e.getMessage(), e);
        }
    }
}
