package dev.causal4j.hub;

import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.UntrustedInput;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The files of a repository that its model needs. Stateless. */
final class Needed {
    static final String CONFIG = "config.json";
    private static final String GGUF = ".gguf";
    private static final int LONGEST_INDEX = 64_000_000;
    private static final int SHOWN = 1000;
    private static final Pattern LATER_PART = Pattern.compile(".*-(?!00001)\\d{5}-of-\\d{5}\\.gguf");

    private static final Pattern BESIDE_WEIGHTS =
            Pattern.compile("(config|generation_config|vocab|tokenizer[^/:]*)\\.json|merges\\.txt"
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
                ? new HubException(name, expected, "GGUF files", "choose with --gguf PATTERN")
                : new HubException(name, expected, "a repository without them", "name another one");
    }

    /** The files that an index of weights names. */
    static Set<String> shards(Path index) throws IOException {
        byte[] json = UntrustedInput.readFile(index, "an index of safetensors files", LONGEST_INDEX);
        Object files = Json.tree(index.toString(), json).get("weight_map");
        return files instanceof Map<?, ?> map
                ? map.values().stream().map(String::valueOf).collect(Collectors.toSet())
                : Set.of();
    }

    /** Configuration, tokenizer and templates. */
    static boolean isBesideWeights(String path) {
        return BESIDE_WEIGHTS.matcher(path).matches();
    }

    /** The GGUF files that a pattern names: a part of the name, or with marks of a pattern all of it; with a slash of the path. */
    static List<RemoteFile> gguf(ModelName name, Collection<RemoteFile> files, String pattern) throws HubException {
        String glob =
                (pattern.matches(".*[*?].*") ? pattern : "*" + pattern + "*").replaceAll("[\\[\\]{}\\\\]", "\\\\$0");
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + glob.toLowerCase(Locale.ROOT));
        List<RemoteFile> all = files.stream()
                .filter(file -> file.path().endsWith(GGUF) && !file.path().contains(":"))
                .toList();
        List<RemoteFile> chosen = all.stream()
                .filter(file -> {
                    Path path = Path.of(file.path().toLowerCase(Locale.ROOT));
                    return matcher.matches(pattern.contains("/") ? path : path.getFileName());
                })
                .toList();
        if (chosen.isEmpty()) {
            String names = all.stream().map(RemoteFile::path).collect(Collectors.joining(", "));
            String got = names.substring(0, Math.min(SHOWN, names.length()));
            throw new HubException(name, "GGUF files that match " + pattern, "[" + got + "]", "choose another pattern");
        }
        return chosen;
    }

    /**
     * The model in a folder: the folder itself, or else its GGUF file. Empty if there is neither. Whether all files of an index are
     * there is for its reader to see.
     *
     * @throws HubException if there are several GGUF files
     */
    static Optional<Path> model(ModelName name, Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        try (Stream<Path> all = Files.walk(folder)) {
            List<Path> files = all.filter(Files::isRegularFile).sorted().toList();
            boolean weights = files.contains(folder.resolve(TensorStore.SINGLE))
                    || files.contains(folder.resolve(TensorStore.INDEX));
            if (weights && files.contains(folder.resolve(CONFIG))) {
                return Optional.of(folder);
            }
            List<Path> ggufs =
                    files.stream().filter(file -> isModel(file.toString())).toList();
            if (ggufs.size() > 1) {
                throw new HubException(name, "one GGUF file in the cache", ggufs.toString(), "name the file");
            }
            return ggufs.stream().findFirst();
        }
    }

    /** Whether this is a GGUF file, of a split one the first. */
    static boolean isModel(String path) {
        return path.endsWith(GGUF) && !LATER_PART.matcher(path).matches();
    }
}
