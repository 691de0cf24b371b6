package dev.causal4j.format;

import dev.causal4j.FormatException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;

/** Reads untrusted files: bounded in size, as strict JSON. Stateless and thread-safe. */
public final class UntrustedInput {
    // Real files nest 3 to 6 deep.
    private static final int MAX_DEPTH = 64;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // Keys are names of tensors or tokens, all different: interning them would only invite hash collisions.
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
            .build();

    private UntrustedInput() {}

    /** Reads a JSON object; the parser stands on its opening brace. */
    interface Content<T> {
        T read(JsonParser json) throws FormatException;
    }

    /**
     * Refuses pipes and devices, on which reading could block for ever.
     *
     * @param what the expected kind, for instance "a JSON file"
     * @throws FormatException unless this is a file that exists
     */
    public static void requireFile(Path file, String what) throws FormatException {
        if (!Files.isRegularFile(file)) {
            String got = Files.isDirectory(file) ? "a folder" : Files.exists(file) ? "a special file" : "no such file";
            throw new FormatException(file.toString(), what, got, "check the path");
        }
    }

    /**
     * All bytes of a file.
     *
     * @param what the file should be, for instance "a JSON file"
     * @param limit the most bytes it may have
     * @throws FormatException if there is no such file, or it is longer
     * @throws IOException if reading fails
     */
    public static byte[] readFile(Path file, String what, int limit) throws IOException {
        requireFile(file, what);
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(limit + 1);
            requireLength(file.toString(), what, bytes.length <= limit ? bytes.length : Files.size(file), limit);
            return bytes;
        }
    }

    /** Whether a text has a form in UTF-8: every surrogate is one of a pair. */
    public static boolean isUnicode(String text) {
        return text.equals(new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
    }

    static void requireLength(String subject, String what, long length, int limit) throws FormatException {
        if (length > limit) {
            throw new FormatException(
                    subject, what + " of at most " + limit + " bytes", length + " bytes", "is this the right file?");
        }
    }

    /** Reads bytes that must be one JSON object in UTF-8 and nothing after it. */
    static <T> T readObject(String subject, byte[] bytes, Content<T> content) throws FormatException {
        Reader text = new InputStreamReader(
                new ByteArrayInputStream(bytes),
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT));
        try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), text)) {
            JsonToken first = json.nextToken();
            if (first != JsonToken.START_OBJECT) {
                throw new FormatException(subject, "a JSON object", kind(first), "is the file damaged?");
            }
            T result = content.read(json);
            JsonToken after = json.nextToken();
            if (after != null) {
                throw new FormatException(
                        subject, "one JSON object", "also " + kind(after) + " after it", "is the file damaged?");
            }
            return result;
        } catch (JacksonException e) {
            boolean encoding = e.getCause() instanceof CharacterCodingException;
            String got = encoding ? "bytes that are not" : FormatException.quote(e.getOriginalMessage()) + place(e);
            throw new FormatException(
                    subject, encoding ? "text in UTF-8" : "valid JSON", got, "is the file damaged?", e);
        }
    }

    private static String kind(JsonToken token) {
        return switch (token) {
            case null -> "nothing";
            case START_OBJECT, END_OBJECT -> "an object";
            case START_ARRAY, END_ARRAY -> "a list";
            case VALUE_STRING, PROPERTY_NAME -> "a string";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            case VALUE_TRUE, VALUE_FALSE -> "a boolean";
            default -> "null";
        };
    }

    /** Exceeded limits have no position. */
    private static String place(JacksonException e) {
        TokenStreamLocation location = e.getLocation();
        return location == null ? "" : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
    }
}
