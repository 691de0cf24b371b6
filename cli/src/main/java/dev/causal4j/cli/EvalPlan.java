package dev.causal4j.cli;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.json.Json;
import dev.causal4j.scoring.Evaluation;
import dev.causal4j.scoring.EvaluationGroup;
import dev.causal4j.scoring.EvaluationOptions;
import dev.causal4j.scoring.EvaluationResult;
import dev.causal4j.scoring.EvaluationTask;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/** The tasks of an evaluation with their data, and groups of them. Its statement has all to do it again. */
record EvalPlan(List<EvaluationTask> tasks, List<DataFiles> data, List<TaskFiles.Group> groups) {
    private static final Map<String, Object> PROTOCOL = Json.object("name", "lm-eval", "version", "0.4.13.dev0");

    static EvalPlan of(TaskFiles files, List<String> given) {
        EvalPlan plan = new EvalPlan(new ArrayList<>(), new ArrayList<>(), files.groups);
        files.tasks.values().forEach(each -> plan.add(each.config(), DataFiles.of(each.file(), each.config(), given)));
        return plan;
    }

    /** The plan of a statement, whose data must be the same. */
    static EvalPlan of(Json stated) throws IOException {
        EvalPlan plan = new EvalPlan(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (Object task : stated.section("tasks").root().keySet()) {
            Json own = stated.section("tasks").section((String) task);
            Map<String, List<Path>> splits = new LinkedHashMap<>();
            for (Object split : own.section("data").root().keySet()) {
                List<Path> files = new ArrayList<>();
                for (Json file : own.section("data").objects((String) split)) {
                    files.add(Path.of(file.requireString("name")));
                }
                splits.put((String) split, files);
            }
            DataFiles data = new DataFiles((String) task, splits);
            String is = text(data.digests());
            if (!is.equals(text(own.section("data").root()))) {
                throw new IOException(stated.subject() + ", task " + task + ": expected the data "
                        + text(own.section("data").root()) + ", got " + is + "; get those files");
            }
            plan.add(Document.object("config", own.section("config").root()), data);
        }
        for (Json group : stated.objects("group_settings")) {
            Map<String, Object> config =
                    Document.object("settings", group.section("settings").root());
            String name = group.requireString("name");
            plan.groups.add(new TaskFiles.Group(EvaluationGroup.of(name, config, group.strings("members")), config));
        }
        return plan;
    }

    private static String text(Object value) {
        return new String(Json.write(value), StandardCharsets.UTF_8);
    }

    private void add(Map<String, Object> config, DataFiles files) {
        tasks.add(EvaluationTask.of(config, files));
        data.add(files);
    }

    Evaluation evaluation() {
        return Evaluation.of(tasks, groups.stream().map(TaskFiles.Group::group).toList());
    }

    /** How many samples it has. */
    long samples(EvaluationOptions options) {
        return tasks.stream().mapToLong(each -> each.samples(options)).sum();
    }

    static EvaluationOptions options(Json stated, Map<String, String> specialTokens) throws FormatException {
        Json options = stated.section("options");
        Optional<ChatTemplate> template = options.has("template")
                ? Optional.of(ChatTemplate.parse("template", options.requireString("template"), specialTokens))
                : Optional.empty();
        return new EvaluationOptions(
                options.has("num_fewshot")
                        ? OptionalInt.of(options.requireInt("num_fewshot", 0, Integer.MAX_VALUE))
                        : OptionalInt.empty(),
                Long.parseLong(options.requireString("fewshot_seed")),
                Double.parseDouble(options.requireString("limit")),
                options.requireString("system_instruction"),
                template,
                Boolean.TRUE.equals(options.root().get("fewshot_as_multiturn")),
                options.requireInt("max_length", 0, Integer.MAX_VALUE));
    }

    /** The facts of its statement. */
    Map<String, Object> facts(EvaluationOptions options, EvaluationResult result) throws IOException {
        Map<String, Object> all = new LinkedHashMap<>();
        for (int i = 0; i < tasks.size(); i++) {
            String name = tasks.get(i).name();
            Map<String, Object> own = Json.object(
                    "config", tasks.get(i).config(), "data", data.get(i).digests());
            own.put("bits", Objects.requireNonNull(result.taskBits().get(name)));
            all.put(name, own);
        }
        Map<String, Object> set = new LinkedHashMap<>();
        set.put(
                "num_fewshot",
                options.numFewshot().isPresent() ? options.numFewshot().getAsInt() : Json.NULL);
        set.put("fewshot_seed", Long.toString(options.fewshotSeed()));
        set.put("limit", Double.toString(options.limit()));
        set.put("system_instruction", options.systemInstruction());
        set.put("template", options.template().<Object>map(ChatTemplate::source).orElse(Json.NULL));
        set.put("fewshot_as_multiturn", options.multiturn());
        set.put("max_length", options.maxLength());
        Map<String, Object> facts = Json.object("protocol", PROTOCOL, "options", set, "tasks", all);
        facts.put(
                "group_settings",
                groups.stream()
                        .map(each -> Json.object(
                                "name",
                                each.group().name(),
                                "members",
                                each.group().members(),
                                "settings",
                                each.config()))
                        .toList());
        facts.putAll(result.json());
        facts.put("bits", result.bits());
        return facts;
    }
}
