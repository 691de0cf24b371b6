package dev.causal4j.hub;

import dev.causal4j.format.Gguf;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The files of a repository that its model needs. Stateless. */
final class Needed {
    static final String CONFIG = "config.json";
    private static final String GGUF = ".gguf";
    private static final int SHOWN = 1000;

    private static final Pattern BESIDE_WEIGHTS = Pattern.compile(
            "(config|generation_config|vocab|modules|config_sentence_transformers|tokenizer[^/:]*)\\.json|merges\\.txt"
                    + "|\\d_[A-Za-z]+/(config\\.json|model\\.safetensors)"
                    + "|(additional_chat_templates/)?[^/:]+\\.jinja");

    private Needed() {}

    /** The weights in one file, or else the index of several. */
    static RemoteFile weights(ModelName name, Map<String, RemoteFile> files) throws HubException {
        RemoteFile single = files.get(TensorStore.SINGLE);
        RemoteFile weights = single != null ? single : files.get(TensorStore.INDEX);
        if (weights != null && files.containsKey(CONFIG)) {
            return weights;
        }
        String expected = CONFIG + ", and " + TensorStore.SINGLE + " or " + TensorStore.INDEX;
        boolean gguf = files.keySet().stream().anyMatch(path -> path.endsWith(GGUF));
        throw gguf
                ? new HubException(name, expected, "GGUF files", "run causal4j pull " + name + " --gguf PATTERN")
                : new HubException(name, expected, "a repository without them", "name another one");
    }

    /** The files that an index of weights names. */
    static Set<String> shards(Path index) throws IOException {
        return new TreeSet<>(SafeTensors.files(index).values());
    }

    /** Configuration, tokenizer and templates. */
    static boolean isBesideWeights(String path) {
        return BESIDE_WEIGHTS.matcher(path).matches();
    }

    /**
     * The GGUF files that a pattern names. Without {@code *} and {@code ?} it is a part of the name, else all of it; with a slash it
     * is compared with the path.
     */
    static List<String> gguf(ModelName name, Set<String> paths, String pattern) throws HubException {
        String marked = pattern.contains("*") || pattern.contains("?") ? pattern : "*" + pattern + "*";
        Pattern wanted = Pattern.compile(marked.toLowerCase(Locale.ROOT)
                .codePoints()
                .mapToObj(c -> c == '*' ? "[^/]*" : c == '?' ? "[^/]" : Pattern.quote(Character.toString(c)))
                .collect(Collectors.joining()));
        List<String> all = paths.stream()
                .filter(path -> path.endsWith(GGUF) && !path.contains(":"))
                .toList();
        List<String> chosen = all.stream()
                .filter(path -> {
                    String told = pattern.contains("/") ? path : path.substring(path.lastIndexOf('/') + 1);
                    return wanted.matcher(told.toLowerCase(Locale.ROOT)).matches();
                })
                .toList();
        if (chosen.isEmpty()) {
            String names = String.join(", ", all);
            String got = names.substring(0, Math.min(SHOWN, names.length()));
            throw new HubException(name, "GGUF files that match " + pattern, "[" + got + "]", "choose another pattern");
        }
        return chosen;
    }

    /** The files in a folder by their paths in it, as the hub writes them. */
    static Map<String, Path> files(Path folder) throws IOException {
        Map<String, Path> files = new TreeMap<>();
        if (Files.isDirectory(folder)) {
            try (Stream<Path> all = Files.walk(folder)) {
                all.filter(Files::isRegularFile)
                        .forEach(file ->
                                files.put(folder.relativize(file).toString().replace(File.separatorChar, '/'), file));
            }
        }
        return files;
    }

    /**
     * The model in a folder: the folder itself, or else its GGUF file. Empty if none is whole.
     *
     * @throws HubException if there are several GGUF files
     */
    static Optional<Path> model(ModelName name, Path folder) throws IOException {
        Map<String, Path> files = files(folder);
        if (!safetensors(files).isEmpty()) {
            return Optional.of(folder);
        }
        List<Path> ggufs = files.entrySet().stream()
                .filter(file -> isModel(file.getKey()) && hasParts(file.getKey(), files.keySet()))
                .map(Map.Entry::getValue)
                .toList();
        if (ggufs.size() > 1) {
            throw new HubException(name, "one GGUF file in the cache", ggufs.toString(), "name the file");
        }
        return ggufs.stream().findFirst();
    }

    /** The files of a folder that belong to its safetensors model; none if the model is not whole. */
    static List<String> safetensors(Map<String, Path> files) throws IOException {
        String weights = files.containsKey(TensorStore.SINGLE) ? TensorStore.SINGLE : TensorStore.INDEX;
        Path file = files.get(weights);
        if (file == null || !files.containsKey(CONFIG)) {
            return List.of();
        }
        Set<String> needed = weights.equals(TensorStore.INDEX) ? shards(file) : Set.of(weights);
        boolean whole = !needed.isEmpty() && files.keySet().containsAll(needed);
        return files.keySet().stream()
                .filter(path -> whole && (path.equals(weights) || needed.contains(path) || isBesideWeights(path)))
                .toList();
    }

    /** Whether this is a GGUF file, or the first part of a split one. */
    static boolean isModel(String path) {
        return path.endsWith(GGUF) && Gguf.isFirst(path);
    }

    /** Whether the paths have all parts of a GGUF file, if it is split. */
    static boolean hasParts(String path, Set<String> paths) {
        return Gguf.parts(path).allMatch(paths::contains);
    }
}
