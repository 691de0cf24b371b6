package dev.causal4j.cli;

import dev.causal4j.json.Json;
import dev.causal4j.scoring.EvaluationGroup;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.AbstractConstruct;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeId;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.representer.Representer;
import org.yaml.snakeyaml.resolver.Resolver;

/** The task files of lm-evaluation-harness, in YAML 1.1: tasks, groups and tags by their names. Not thread-safe. */
final class TaskFiles {
    /** The harness has 14,000. */
    private static final int MOST_FILES = 50_000;

    private static final int MOST_BYTES = 1 << 20;
    private static final int MOST_VALUES = 100_000;
    private static final int MOST_DEPTH = 50;
    private static final List<String> IGNORED = List.of("__pycache__", ".ipynb_checkpoints");
    private static final List<String> IN_GROUPS =
            List.of("group", "group_alias", "task", "aggregate_metric_list", "metadata");

    /** A task with the settings of the files that its file includes, or a group with its own. */
    record TaskFile(Path file, Map<String, Object> config) {}

    /** A group with its settings. */
    record Group(EvaluationGroup group, Map<String, Object> config) {}

    private final List<Path> folders;
    private final Map<String, Set<String>> tags = new TreeMap<>();
    private final Map<String, String> owners = new HashMap<>(); // what was asked for, by the tasks that it has
    private @Nullable Map<String, TaskFile> index;
    private int added;

    /** The tasks that were asked for, by their names. */
    final Map<String, TaskFile> tasks = new LinkedHashMap<>();

    /** The groups that were asked for, each before those that it has. */
    final List<Group> groups = new ArrayList<>();

    /** @param folders in which names are looked for; of equal names that in the last folder holds */
    TaskFiles(List<Path> folders) {
        this.folders = folders;
    }

    /** Reads a file and those that it includes. */
    private static Map<String, Object> read(Path file, Set<Path> including) throws IOException {
        if (including.size() >= MOST_DEPTH || !including.add(file.toRealPath())) {
            throw new IOException(file + ": expected at most " + MOST_DEPTH
                    + " files that include each other, each once," + " got more");
        }
        Map<String, Object> own = parsed(file);
        Object includes = own.remove("include");
        Map<String, Object> all = new LinkedHashMap<>();
        for (Object each : includes instanceof List<?> list
                ? list
                : Stream.ofNullable(includes).toList()) {
            Map<String, Object> included = read(file.resolveSibling(each.toString()), including);
            included.remove("task_list");
            all.putAll(included);
        }
        all.putAll(own);
        return all;
    }

    private static Map<String, Object> parsed(Path file) throws IOException {
        LoaderOptions bounds = new LoaderOptions(); // at most 50 aliases, 50 deep
        bounds.setCodePointLimit(MOST_BYTES);
        bounds.setWarnOnDuplicateKeys(false); // the last one holds
        try {
            DumperOptions unused = new DumperOptions();
            Yaml yaml = new Yaml(new PlainValues(bounds), new Representer(unused), unused, bounds, new PythonTags());
            Object value = yaml.load(TextInput.file(file));
            return new LinkedHashMap<>(Document.object(file.toString(), plain(value, new int[1], 0)));
        } catch (YAMLException e) {
            throw new IOException(file + ": expected YAML 1.1, got an error (" + e.getMessage() + ")", e);
        }
    }

    /** Reads nothing but plain values, and functions of Python as texts. */
    private static final class PlainValues extends SafeConstructor {
        PlainValues(LoaderOptions bounds) {
            super(bounds);
            yamlConstructors.put(new Tag("!function"), new AbstractConstruct() {
                @Override
                public Object construct(Node node) {
                    return "!function " + (node instanceof ScalarNode name ? name.getValue() : "");
                }
            });
        }
    }

    /** Which words are no texts, as PyYAML has it: numbers with an exponent have a point and a sign; dates stay texts. */
    private static final class PythonTags extends Resolver {
        private static final Pattern NO_NUMBER = Pattern.compile("[^.]*[eE].*|.*[eE][0-9].*");

        @Override
        public Tag resolve(NodeId kind, @Nullable String value, boolean implicit) {
            Tag tag = super.resolve(kind, value, implicit);
            boolean number = value == null || !NO_NUMBER.matcher(value).matches();
            return tag.equals(Tag.TIMESTAMP) || (tag.equals(Tag.FLOAT) && !number) ? Tag.STR : tag;
        }
    }

    /**
     * A value of JSON's kinds. Each alias becomes a copy, and is counted: a small file can ask for many. A key that is no
     * text equals none.
     */
    private static Object plain(@Nullable Object value, int[] values, int depth) {
        if (++values[0] > MOST_VALUES || depth > MOST_DEPTH) {
            throw new YAMLException("more than " + MOST_VALUES + " values, or deeper than " + MOST_DEPTH);
        }
        return switch (value) {
            case null -> Json.NULL;
            case Map<?, ?> map -> {
                Map<String, Object> plain = new LinkedHashMap<>();
                map.forEach((key, each) ->
                        plain.put(key instanceof String text ? text : "!! " + key, plain(each, values, depth + 1)));
                yield plain;
            }
            case List<?> list -> {
                List<Object> plain = new ArrayList<>();
                list.forEach(each -> plain.add(plain(each, values, depth + 1)));
                yield plain;
            }
            case Boolean flag -> flag;
            case Number number -> number;
            default -> value.toString();
        };
    }

    private Map<String, TaskFile> index() throws IOException {
        if (index == null) {
            index = new TreeMap<>();
            for (Path folder : folders) {
                Map<String, TaskFile> own = new LinkedHashMap<>();
                for (Path file : files(folder)) {
                    register(file, own);
                }
                index.putAll(own);
            }
        }
        return index;
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            List<Path> files = all.filter(file -> file.toString().endsWith(".yaml")
                            && Collections.disjoint(
                                    IGNORED, List.of(file.toString().split("[/\\\\]"))))
                    .limit(MOST_FILES + 1)
                    .sorted()
                    .toList();
            if (files.size() > MOST_FILES) {
                throw new IOException(folder + ": expected at most " + MOST_FILES + " task files, got more");
            }
            return files;
        }
    }

    /** Adds the task or group of a file; like the harness it passes over a file that is neither. */
    private void register(Path file, Map<String, TaskFile> own) {
        try {
            Map<String, Object> config = read(file, new HashSet<>());
            Object name = config.getOrDefault("group", config.get("task"));
            boolean added = name instanceof String text && own.putIfAbsent(text, new TaskFile(file, config)) == null;
            Object tagged = config.getOrDefault("tag", List.of());
            if (added && !config.containsKey("group")) {
                (tagged instanceof List<?> list ? list : List.of(tagged))
                        .forEach(tag -> tags.computeIfAbsent(tag.toString(), _ -> new TreeSet<>())
                                .add((String) name));
            }
        } catch (IOException | IllegalArgumentException e) {
            return;
        }
    }

    /** All names, each with the file of its task or group, or the tasks of its tag. */
    Map<String, String> names() throws IOException {
        Map<String, String> names = new TreeMap<>();
        index().forEach((name, found) -> names.put(name, found.file.toString()));
        tags.forEach((tag, tagged) -> names.putIfAbsent(tag, String.join(" ", tagged)));
        return names;
    }

    /** Adds the tasks of a file or name. */
    void select(String asked) throws IOException {
        if (!Files.isRegularFile(Path.of(asked))) {
            add(asked, Map.of(), asked, 0);
            return;
        }
        TaskFile found = new TaskFile(Path.of(asked), read(Path.of(asked), new HashSet<>()));
        if (found.config.containsKey("group")) {
            addGroup(String.valueOf(found.config.get("group")), found, Map.of(), asked, 0);
        } else {
            addTask(found, Map.of(), asked);
        }
    }

    private List<String> add(String name, Map<String, Object> settings, String asked, int depth) throws IOException {
        TaskFile found = index().get(name);
        if (++added > MOST_FILES) {
            throw new IOException(asked + ": expected at most " + MOST_FILES + " tasks and groups in it, got more");
        }
        if ((found == null && !tags.containsKey(name)) || depth > MOST_DEPTH) {
            throw new IOException(name + ": expected a task file, or the name of a task, group or tag in or below "
                    + folders + ", got none; check the name or give --tasks");
        }
        if (found == null) {
            List<String> members = new ArrayList<>();
            for (String each : Objects.requireNonNull(tags.get(name))) {
                members.addAll(add(each, settings, asked, depth + 1));
            }
            return members;
        }
        return List.of(
                found.config.containsKey("group")
                        ? addGroup(name, found, settings, asked, depth)
                        : addTask(found, settings, asked));
    }

    private String addTask(TaskFile found, Map<String, Object> settings, String asked) throws IOException {
        Map<String, Object> config = new LinkedHashMap<>(found.config);
        config.putAll(settings);
        config.keySet().removeAll(List.of("tag", "group", "task_list"));
        String name = String.valueOf(config.get("task"));
        String owner = owners.putIfAbsent(name, asked);
        if (owner != null && !owner.equals(asked)) {
            throw new IOException(name + ": expected a task once, got it in " + owner + " and " + asked + "; drop one");
        }
        tasks.put(name, new TaskFile(found.file, config));
        return name;
    }

    /** @param settings that replace those of all its tasks */
    private String addGroup(String name, TaskFile found, Map<String, Object> settings, String asked, int depth)
            throws IOException {
        int place = groups.size();
        Map<String, Object> inherited = new LinkedHashMap<>(found.config);
        inherited.keySet().removeAll(IN_GROUPS);
        inherited.putAll(settings);
        List<String> members = new ArrayList<>();
        Object given = found.config.getOrDefault("task", List.of());
        for (Object each : given instanceof List<?> list ? list : List.of(given)) {
            Map<String, Object> item = each instanceof Map<?, ?> ? Document.object(name, each) : Map.of("task", each);
            Map<String, Object> own = new LinkedHashMap<>(inherited);
            own.putAll(item);
            Object group = own.remove("group");
            own.remove("task");
            String member = String.valueOf(group != null ? group : item.get("task"));
            if (index().containsKey(member) || tags.containsKey(member)) {
                members.addAll(add(member, own, asked, depth + 1));
            } else if (group != null) {
                TaskFile inline = new TaskFile(found.file, item);
                members.add(addGroup(name + "::" + member, inline, inherited, asked, depth + 1));
            } else if (each instanceof Map) {
                own.put("task", name + "::" + member);
                members.add(addTask(new TaskFile(found.file, Map.of()), own, asked));
            } else {
                add(member, own, asked, depth); // refuses it
            }
        }
        Map<String, Object> config = new LinkedHashMap<>(found.config);
        config.keySet().retainAll(List.of("group_alias", "aggregate_metric_list", "metadata"));
        config.values().removeIf(Json.NULL::equals);
        List<String> once = members.stream().distinct().toList();
        groups.add(place, new Group(EvaluationGroup.of(name, config, once), config));
        return name;
    }
}
