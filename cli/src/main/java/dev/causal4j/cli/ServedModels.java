package dev.causal4j.cli;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import picocli.CommandLine.Option;

/** The models that a server has by their names, with the options for more than one. They are open until it is closed. */
final class ServedModels extends SharedOptions implements AutoCloseable {
    @Option(
            names = "--alias",
            paramLabel = "NAME[=MODEL]",
            description = "One more name of the first model, or of another one; may be repeated.")
    private List<String> aliases = List.of();

    @Option(
            names = "--adapter",
            paramLabel = "NAME=DIR",
            description =
                    "A further model: the --model before it with a LoRA adapter in PEFT's layout; may be repeated.")
    private List<String> adapters = List.of();

    private final Deque<Runnable> closing = new ArrayDeque<>(); // the last first

    /** A model: files, or an adapter of the model before it. */
    private record Part(String name, Checkpoint files, ChatTemplate template, Optional<Path> adapter) {}

    /** A value in the form {@code NAME=REST}. */
    private record Named(String name, String rest) {
        static Optional<Named> of(String value) {
            int at = value.indexOf('=');
            return at > 0 && at < value.length() - 1
                    ? Optional.of(new Named(value.substring(0, at), value.substring(at + 1)))
                    : Optional.empty();
        }
    }

    /** Names of the first model besides its own. */
    List<String> aliases() {
        return aliases.stream().filter(each -> Named.of(each).isEmpty()).toList();
    }

    /**
     * Loads all, after everything that can be refused was.
     *
     * @param calls how they write calls; empty for what their templates show
     */
    SequencedMap<String, Chat.Format> load(
            RunOptions model, LoadOptions options, TemplateOption template, Optional<ToolFormat> calls)
            throws IOException {
        List<Part> parts = open(model, template);
        Map<String, Long> bytes = divide(parts, options, model.cacheBytesByName());
        SequencedMap<String, Chat.Format> formats = new LinkedHashMap<>();
        CausalLM base = null;
        for (Part part : parts) {
            long own = bytes.getOrDefault(part.name, 0L);
            CausalLM loaded = base == null || part.adapter.isEmpty()
                    ? model.load(part.files, options.withCacheBytes(own))
                    : base.withAdapter(part.adapter.get(), own);
            closing.push(loaded::close);
            base = part.adapter.isEmpty() ? loaded : base;
            Chat.Format format = Chat.Format.of(loaded, part.template);
            formats.put(part.name, calls.map(format::withToolFormat).orElse(format));
        }
        aliases.stream()
                .flatMap(each -> Named.of(each).stream())
                .forEach(each -> formats.putLast(each.name, Objects.requireNonNull(formats.get(each.rest))));
        return formats;
    }

    private List<Part> open(RunOptions model, TemplateOption template) throws IOException {
        model.useThreads();
        Deque<List<String>> adapted = adaptersOfModels();
        List<Part> parts = new ArrayList<>();
        for (Path given : model.isGiven() ? model.given() : List.of(Path.of(""))) {
            Optional<Named> named = Files.exists(given) ? Optional.empty() : Named.of(given.toString());
            Checkpoint files = !model.isGiven()
                    ? AustenModel.open()
                    : ModelOptions.open(named.map(each -> Path.of(each.rest)).orElse(given));
            closing.push(files::close);
            ChatTemplate chosen = template.readOrPlain(files);
            parts.add(new Part(named.map(Named::name).orElse(files.name()), files, chosen, Optional.empty()));
            for (String adapter : adapted.pop()) {
                Named each = Named.of(adapter)
                        .orElseThrow(() -> Usage.wrong(spec, "adapter: expected NAME=DIR, got " + adapter));
                parts.add(new Part(each.name, files, chosen, Optional.of(Path.of(each.rest))));
            }
        }
        check(parts.stream().map(Part::name).toList());
        return parts;
    }

    /** The adapters after each model: the parser keeps the order of equal options alone. */
    private Deque<List<String>> adaptersOfModels() {
        Deque<List<String>> adapted = new ArrayDeque<>(List.of(new ArrayList<>()));
        Deque<String> rest = new ArrayDeque<>(adapters);
        boolean begun = false;
        for (String arg : spec.commandLine().getParseResult().originalArgs()) {
            if (arg.matches("--model(=.*)?")) {
                refuse(!begun && !adapted.getLast().isEmpty(), "adapter: expected --model before it, got none");
                if (begun) {
                    adapted.add(new ArrayList<>());
                }
                begun = true;
            } else if (arg.matches("--adapter(=.*)?")) {
                adapted.getLast().add(rest.pop());
            }
        }
        return adapted;
    }

    private void check(List<String> names) {
        String known = String.join(", ", names);
        refuse(
                names.stream().distinct().count() < names.size(),
                "model: expected different names, got " + known + "; give one another with --model NAME=PATH");
        for (String alias : aliases) {
            Optional<Named> named = Named.of(alias);
            boolean right = named.isEmpty() || (names.contains(named.get().rest) && !names.contains(named.get().name));
            refuse(!right, "alias: expected a new name and one of " + known + ", got " + alias);
        }
    }

    /**
     * The bytes of keys and values of each model, whatever the order in which they are loaded.
     *
     * @param wanted by name; those of all together have an empty name
     */
    private Map<String, Long> divide(List<Part> parts, LoadOptions options, Map<String, Long> wanted)
            throws IOException {
        String first = parts.getFirst().name;
        if (parts.size() == 1 && Set.of("", first).containsAll(wanted.keySet())) {
            return Map.of(first, wanted.getOrDefault(first, wanted.getOrDefault("", 0L)));
        }
        List<Long> all = new ArrayList<>();
        Map<String, Long> contexts = new LinkedHashMap<>();
        for (Part part : parts) {
            contexts.put(part.name, part.files.contextBytes(options));
            if (part.adapter.isEmpty()) {
                all.add(part.files.loadedBytes(options));
            }
        }
        long weights = all.stream().mapToLong(each -> each).sum();
        Map<String, Long> divided = divide(contexts, wanted, (Device.freeBytes() - weights) / 4);
        all.addAll(divided.values());
        Device.check(all);
        return divided;
    }

    /**
     * Gives each model the bytes that are wanted for it, or an equal part of the rest.
     *
     * @param contexts the fewest bytes of each
     * @param free bytes of all unless they are wanted
     */
    Map<String, Long> divide(Map<String, Long> contexts, Map<String, Long> wanted, long free) {
        Map<String, Long> divided = new HashMap<>(wanted);
        long all = wanted.getOrDefault("", 0L);
        divided.remove("");
        for (String name : divided.keySet()) {
            String known = String.join(", ", contexts.keySet());
            refuse(!contexts.containsKey(name), "cache-memory: expected one of " + known + ", got " + name);
        }
        long named = divided.values().stream().mapToLong(each -> each).sum();
        long part = ((all > 0 ? all : free) - named) / Math.max(1, contexts.size() - divided.size());
        contexts.forEach((name, least) -> {
            long bytes = divided.computeIfAbsent(name, _ -> all > 0 ? part : Math.max(part, least));
            String expected = "cache-memory: expected at least " + Math.ceilDiv(least, 1 << 20) + " MB for ";
            refuse(bytes < least, expected + name + ", a full context, got " + Math.max(0, bytes >> 20));
        });
        return divided;
    }

    /** Closes the models in the reverse order: an adapter before its model. */
    @Override
    public void close() {
        closing.forEach(Runnable::run);
    }
}
