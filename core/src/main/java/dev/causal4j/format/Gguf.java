package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A model in a GGUF file, or several: metadata and tensors, checked whole. Immutable and thread-safe. The package
 * documentation has the rules.
 *
 * @param metadata the values of the first file by their key: integers (Integer, or Long or BigInteger if it does not
 *     fit), Double, Boolean, String, and lists of these; they do not depend on the mapping
 * @param tensors in the order of their data, file by file. Rows are whole blocks. Shapes have the outermost dimension
 *     first, {@code [out, in]}, which the file has in the opposite order
 */
public record Gguf(Json metadata, TensorStore tensors) {
    private static final String NUMBER = "split.no";
    private static final String COUNT = "split.count";
    private static final String ENDING = "-%05d-of-%05d.gguf";
    private static final Pattern PART = Pattern.compile("(.*)-\\d{5}-of-(\\d{5})\\.gguf");

    /** The largest number of files that the format's u16 can say. */
    private static final int MAX_FILES = 65_535;

    /**
     * Maps a file, and if it is the first of a split model, {@code NAME-00001-of-00003.gguf}, also the others beside
     * it. The files must not be shortened or changed meanwhile.
     *
     * @param files holds the mappings, and with them the data of every tensor
     * @throws FormatException if a file does not exist or breaks a rule of the format, or this is not the first one
     * @throws IOException if reading fails
     */
    public static Gguf open(Path first, Arena files) throws IOException {
        Gguf model = map(first, files);
        Json metadata = model.metadata;
        int count = metadata.integer(COUNT, 1, 0, MAX_FILES); // a merged file says 0
        if (count < 2) {
            return model;
        }
        metadata.check(NUMBER, metadata.integer(NUMBER, 0, 0, count) == 0, "0: open the first file of the model");
        String name = first.toAbsolutePath().getFileName().toString();
        List<String> names = parts(name).toList();
        if (names.size() != count || !isFirst(name)) {
            String expected = "a name ending " + String.format(Locale.ROOT, ENDING, 1, count);
            throw new FormatException(first.toString(), expected, quote(name), "rename the files");
        }
        Map<String, Stored> tensors = new LinkedHashMap<>(model.tensors.tensors());
        Map<String, MemorySegment> mapped = new LinkedHashMap<>(model.tensors.files());
        for (int i = 1; i < count; i++) {
            Gguf next = map(first.resolveSibling(names.get(i)), files);
            next.metadata.requireInt(NUMBER, i, i);
            next.metadata.requireInt(COUNT, count, count);
            mapped.putAll(next.tensors.files());
            for (Map.Entry<String, Stored> tensor : next.tensors.tensors().entrySet()) {
                if (tensors.putIfAbsent(tensor.getKey(), tensor.getValue()) != null) {
                    String place = next.metadata.subject() + ", tensor " + quote(tensor.getKey());
                    throw new FormatException(place, "a tensor of one file", "that of another", "download it again");
                }
            }
        }
        metadata.integer("split.tensors.count", tensors.size(), tensors.size(), tensors.size());
        return new Gguf(
                metadata,
                new TensorStore(
                        metadata.subject(),
                        Collections.unmodifiableMap(tensors),
                        Map.of(),
                        Collections.unmodifiableMap(mapped)));
    }

    /** Whether a name is that of a model's only file, or of its first. */
    public static boolean isFirst(String name) {
        return parts(name).limit(1).allMatch(name::equals);
    }

    /**
     * The names of all files of the model that the named file belongs to, in order: the name alone if the model is not
     * split. They are made as they are taken: a name may say that there are 99,999.
     */
    public static Stream<String> parts(String name) {
        Matcher part = PART.matcher(name);
        int count = part.matches() ? Integer.parseInt(part.group(2)) : 0;
        if (count == 0) {
            return Stream.of(name);
        }
        return IntStream.rangeClosed(1, count)
                .mapToObj(i -> part.group(1) + String.format(Locale.ROOT, ENDING, i, count));
    }

    private static Gguf map(Path file, Arena arena) throws IOException {
        return new GgufFile(file.toString(), TensorStore.map(file, "a GGUF file", arena)).read();
    }
}
