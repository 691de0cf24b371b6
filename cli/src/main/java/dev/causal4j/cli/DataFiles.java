package dev.causal4j.cli;

import dev.causal4j.cli.LineReader.Named;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.scoring.DocumentSource;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The data files of a task by their splits: JSON, JSONL and CSV by their names. Immutable. */
record DataFiles(String task, Map<String, List<Path>> splits) implements DocumentSource {
    private static final Pattern GIVEN = Pattern.compile("(?:([^:=]*):)?([^:=]+)=(.+)", Pattern.DOTALL);
    private static final int MOST_COLUMNS = 10_000;

    /**
     * The files of a task: those that are given for it, for its data set or for all, in this order, else those that it
     * names, which may lie beside its file.
     *
     * @param given each as {@code [NAME:]SPLIT=FILE}
     */
    static DataFiles of(Path file, Map<String, Object> config, List<String> given) {
        Map<String, List<Path>> splits = new TreeMap<>();
        Object own = config.get("dataset_kwargs") instanceof Map<?, ?> settings ? settings.get("data_files") : null;
        Map<?, ?> named = own instanceof Map<?, ?> map ? map : own == null ? Map.of() : Map.of("train", own);
        named.forEach((split, files) -> splits.put(
                String.valueOf(split),
                (files instanceof List<?> list ? list : List.of(files))
                        .stream().map(each -> beside(file, each.toString())).toList()));
        String task = String.valueOf(config.get("task"));
        for (@Nullable Object name : new @Nullable Object[] {null, config.get("dataset_name"), task}) {
            for (String each : given) {
                Matcher parts = GIVEN.matcher(each);
                if (!parts.matches()) {
                    throw new IllegalArgumentException("data: expected [NAME:]SPLIT=FILE, got " + Visible.quoted(each));
                }
                if (Objects.equals(parts.group(1), name)) {
                    splits.put(parts.group(2), List.of(Path.of(parts.group(3))));
                }
            }
        }
        return new DataFiles(task, splits);
    }

    private static Path beside(Path file, String name) {
        Path path = Path.of(name);
        return Files.exists(path) ? path : file.resolveSibling(name);
    }

    @Override
    public Stream<Map<String, Object>> documents(String split) {
        List<Path> files = splits.get(split);
        if (files == null) {
            throw new IllegalArgumentException(task + ": expected data of its split " + split + ", got "
                    + (splits.isEmpty() ? "none" : splits.keySet()) + "; give --data " + split + "=FILE");
        }
        return files.stream().map(DataFiles::read).reduce(Stream.empty(), Stream::concat);
    }

    private static Stream<Map<String, Object>> read(Path file) {
        String name = file.toString();
        try {
            if (name.endsWith(".jsonl")) {
                InputStream in = TextInput.open(name);
                LineReader lines = new LineReader(in, TextInput.MOST_BYTES);
                return Stream.generate(() -> line(name, lines))
                        .takeWhile(Optional::isPresent)
                        .map(Optional::get)
                        .onClose(() -> close(in));
            }
            if (name.endsWith(".json") && Document.value(file) instanceof List<?> list) {
                return list.stream().map(each -> Document.object(name, each));
            }
            if (name.endsWith(".csv")) {
                return table(name, TextInput.file(file)).stream();
            }
            throw new IOException(name + ": expected a .jsonl or .csv file, or a .json file with a list, got another");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void close(InputStream in) {
        try (in) {
            return;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Optional<Map<String, Object>> line(String name, LineReader lines) {
        try {
            Named line = lines.nextFilled(name).orElse(null);
            return line == null ? Optional.empty() : Optional.of(Json.tree(line.subject(), line.bytes()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The rows of a table by the names in its first; a column of whole numbers has numbers. */
    private static List<Map<String, Object>> table(String name, String text) throws IOException {
        List<String> columns = List.of();
        List<Map<String, Object>> rows = new ArrayList<>();
        List<String> row = new ArrayList<>();
        StringBuilder cell = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i <= text.length(); i++) {
            char c = i < text.length() ? text.charAt(i) : '\n';
            boolean pair = quoted && text.startsWith("\"\"", i);
            if (c == '"' && !pair && (quoted || cell.isEmpty())) {
                quoted = !quoted;
            } else if (i < text.length() && (quoted || (c != ',' && c != '\n' && c != '\r'))) {
                cell.append(c);
                i += pair ? 1 : 0;
            } else {
                row.add(cell.toString());
                cell.setLength(0);
            }
            if (row.size() > (columns.isEmpty() ? MOST_COLUMNS : columns.size()) || (quoted && i == text.length())) {
                throw new IOException(
                        name + ", row " + (rows.size() + 2) + ": expected as many cells as columns, at most "
                                + MOST_COLUMNS + ", and quotes in pairs, got others; correct the file");
            }
            if (!quoted && (c == '\n' || c == '\r')) {
                if (columns.isEmpty()) {
                    columns = row;
                } else if (row.size() > 1 || !row.getFirst().isEmpty()) {
                    rows.add(new LinkedHashMap<>());
                    for (int column = 0; column < row.size(); column++) {
                        rows.getLast().put(columns.get(column), row.get(column));
                    }
                }
                row = new ArrayList<>();
                i += text.startsWith("\r\n", i) ? 1 : 0;
            }
        }
        for (String column : columns) {
            if (rows.stream().allMatch(each -> String.valueOf(each.get(column)).matches("-?[0-9]{1,18}"))) {
                rows.forEach(each -> each.put(column, whole(String.valueOf(each.get(column)))));
            }
        }
        return rows;
    }

    /** As the numbers of JSON. */
    private static Number whole(String digits) {
        long number = Long.parseLong(digits);
        return number == (int) number ? (Number) (int) number : (Number) number;
    }

    /** The name, size and SHA-256 of each file by its split. */
    Map<String, Object> digests() throws IOException {
        Map<String, Object> all = new LinkedHashMap<>();
        for (Map.Entry<String, List<Path>> split : splits.entrySet()) {
            List<Object> files = new ArrayList<>();
            for (Path file : split.getValue()) {
                MessageDigest sha = Sha256.begin();
                try (InputStream in = new DigestInputStream(TextInput.open(file.toString()), sha)) {
                    long size = in.transferTo(OutputStream.nullOutputStream());
                    String digits = HexFormat.of().formatHex(sha.digest());
                    files.add(Json.object("name", file.toString(), "size", size, "sha256", digits));
                }
            }
            all.put(split.getKey(), files);
        }
        return all;
    }
}
