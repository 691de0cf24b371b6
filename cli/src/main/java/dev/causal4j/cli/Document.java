package dev.causal4j.cli;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/** A JSON object that a command prints or reads, with its fields in their order. Not thread-safe. */
final class Document {
    /** The member of a conversation. */
    static final String MESSAGES = "messages";

    private final Map<String, Object> fields = new LinkedHashMap<>();

    /** Parses an object; its numbers keep every digit, so that copied fields are unchanged. */
    static Document parse(String subject, byte[] json) throws FormatException {
        Document document = new Document();
        document.fields.putAll(Json.exactTree(subject, json));
        return document;
    }

    /** The value in a file; null as Json.value has it. */
    static @Nullable Object value(Path file) throws IOException {
        return Json.value(file.toString(), TextInput.file(file).getBytes(StandardCharsets.UTF_8));
    }

    /** A conversation in a file; a list is one of these messages. */
    static Map<?, ?> conversation(Path file) throws IOException {
        Object value = value(file);
        return value instanceof Map<?, ?> map ? map : Map.of(MESSAGES, value == null ? Json.NULL : value);
    }

    /** The objects in a file with a list of them, as chat templates take them; of a conversation its messages. */
    static List<Map<String, Object>> list(Path file) throws IOException {
        if (!(conversation(file).get(MESSAGES) instanceof List<?> list)) {
            throw new IOException(file + ": expected a JSON list, got another value");
        }
        return list.stream().map(each -> object(file.toString(), each)).toList();
    }

    /** The fields of an object; their values are plain maps, lists, strings, numbers, booleans and {@link Json#NULL}. */
    @SuppressWarnings("unchecked") // names are strings
    static Map<String, Object> object(String subject, @Nullable Object value) {
        if (value instanceof Map) {
            return (Map<String, Object>) value;
        }
        throw new IllegalArgumentException(subject + ": expected a JSON object, got " + Json.describe(value));
    }

    Map<String, Object> fields() {
        return fields;
    }

    /** Sets a field. Null, an empty optional and a number that is not finite become null. */
    Document put(String name, @Nullable Object value) {
        fields.put(name, plain(value));
        return this;
    }

    private static Object plain(@Nullable Object value) {
        return switch (value) {
            case null -> Json.NULL;
            case Double number when !Double.isFinite(number) -> Json.NULL;
            case OptionalDouble number -> plain(number.orElse(Double.NaN));
            case Optional<?> any -> plain(any.orElse(null));
            case Document document -> document.fields;
            case Path path -> path.toString();
            case List<?> list -> list.stream().map(Document::plain).toList();
            default -> value;
        };
    }

    /** A number; the fallback if there is none of this name. */
    double number(String name, double fallback) {
        return fields.get(name) instanceof Number number ? number.doubleValue() : fallback;
    }

    /** The object as JSON on one line. */
    @Override
    public String toString() {
        return new String(Json.write(fields), StandardCharsets.UTF_8);
    }
}
