package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.TemplateException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.TextTemplate;
import dev.causal4j.json.Json;
import dev.causal4j.scoring.Request.Continuation;
import dev.causal4j.scoring.Request.Rolling;
import dev.causal4j.scoring.Request.Until;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Writes the requests of a task's documents, in their order, for which examples are drawn. Not thread-safe. */
final class Prompts {
    /** @param delimiter what follows it in a plain prompt */
    private record Turn(String role, String content, String delimiter) {}

    private final EvaluationTask task;
    private final EvaluationOptions options;
    private final Map<String, Object> config;
    private final PythonRandom random;
    private final List<Map<String, Object>> pool;
    private final boolean dropsDocument;

    private final int shots;

    Prompts(EvaluationTask task, EvaluationOptions options) {
        this.task = task;
        this.options = options;
        config = task.config();
        random = new PythonRandom(options.fewshotSeed());
        shots = shots(task, options);
        Object split = task.examples.get("split");
        dropsDocument = Objects.equals(split, config.get("test_split"));
        pool = shots == 0 ? List.of() : pool(split);
        requireShots(pool.size());
        task.check(
                "gen_prefix",
                options.template().isEmpty() || !config.containsKey("gen_prefix"),
                "none with a chat template",
                config.get("gen_prefix"));
    }

    /** How many examples a prompt has. */
    static int shots(EvaluationTask task, EvaluationOptions options) {
        int own = EvaluationTask.index(task.config().getOrDefault("num_fewshot", 0));
        return own == 0 && task.config().containsKey("num_fewshot")
                ? 0
                : options.numFewshot().orElse(own);
    }

    private List<Map<String, Object>> pool(@Nullable Object split) {
        if (split == null && task.examples.get("samples") instanceof List<?>) {
            return task.maps("samples", task.examples.get("samples"));
        }
        String name = Stream.of(
                        split, config.get("training_split"), config.get("validation_split"), config.get("test_split"))
                .filter(Objects::nonNull)
                .map(String::valueOf)
                .findFirst()
                .orElseThrow();
        try (Stream<Map<String, Object>> documents = task.source.documents(name)) {
            return documents.toList();
        }
    }

    private List<Map<String, Object>> examples(Map<String, Object> document) {
        boolean first = "first_n".equals(task.examples.get("sampler"));
        boolean drops = dropsDocument && (first || !document.isEmpty());
        int drawn = shots == 0 ? 0 : shots + (drops ? 1 : 0);
        Stream<Map<String, Object>> all = first
                ? pool.stream()
                : drawn > pool.size()
                        ? Stream.of()
                        : Arrays.stream(random.sample(pool.size(), drawn)).mapToObj(pool::get);
        List<Map<String, Object>> examples = all.filter(each -> !drops || !each.equals(document))
                .limit(shots)
                .toList();
        requireShots(examples.size());
        return examples;
    }

    private void requireShots(int most) {
        if (most < shots) {
            throw new InputException("num-fewshot: expected at most as many examples as can be drawn of " + pool.size()
                    + " documents of " + task.name() + ", got " + shots + "; ask for fewer");
        }
    }

    /** The requests of the next document. */
    List<Request> next(Map<String, Object> document) {
        List<String> contexts = contexts(document);
        String context = contexts.getFirst();
        return switch (task.type) {
            case LOGLIKELIHOOD -> List.of(new Continuation(context, target(document)));
            case LOGLIKELIHOOD_ROLLING -> List.of(new Rolling(target(document)));
            case GENERATE_UNTIL -> List.of(new Until(context, task.generation));
            case MULTIPLE_CHOICE -> {
                String before = options.template().isPresent() ? "" : task.delimiter(config, "target_delimiter");
                List<String> choices = task.choices(document, config);
                task.check("doc_to_choice", !choices.isEmpty(), "at least one", choices);
                List<Request> requests = new ArrayList<>();
                if (task.multipleInput) {
                    String end = before + TextTemplate.print(task.target(document, config));
                    contexts.forEach(each -> requests.add(new Continuation(each, end)));
                } else {
                    choices.forEach(choice -> requests.add(new Continuation(context, before + choice)));
                }
                if (task.metrics.stream().anyMatch(each -> each.name().equals("acc_mutual_info"))) {
                    choices.forEach(choice -> requests.add(new Continuation("", before + choice)));
                }
                yield requests;
            }
        };
    }

    private String target(Map<String, Object> document) {
        return string(task, task.target(document, config));
    }

    static String string(EvaluationTask task, Object value) {
        task.check("document", value instanceof String, "a text", value);
        return (String) value;
    }

    /** The prompts of a document, without what is asked for: one, or one for each choice. */
    private List<String> contexts(Map<String, Object> document) {
        List<Turn> turns = new ArrayList<>();
        String system = joined(
                options.systemInstruction(),
                task.part(document, config.get("description")),
                task.delimiter(config, "fewshot_delimiter"));
        if (!system.isEmpty()) {
            turns.add(new Turn("system", system, ""));
        }
        examples(document).forEach(each -> addExample(each, turns));
        String prefix = task.part(document, config.get("gen_prefix"));
        if (task.multipleInput) {
            return task.choices(document, config).stream()
                    .map(each -> rendered(turns, each, prefix, ""))
                    .toList();
        }
        String question = string(task, task.text(document, config));
        return List.of(rendered(turns, question, prefix, task.delimiter(config, "target_delimiter")));
    }

    private void addExample(Map<String, Object> example, List<Turn> turns) {
        Object question = task.text(example, task.examples);
        List<String> choices = task.choices(example, task.examples);
        Object answer = task.target(example, task.examples);
        String prefix = task.part(example, task.examples.get("gen_prefix"));
        String delimiter = task.delimiter(task.examples, "target_delimiter");
        if (task.multipleInput) {
            question = task.choice(choices, question);
            choices = List.of();
        }
        boolean answered = !answer.equals("") && !answer.equals(Json.NULL);
        String asked = string(task, question);
        boolean delimited = prefix.isEmpty() ? answered : isSeparate(asked, prefix);
        turns.add(new Turn("user", asked, delimited ? delimiter : ""));
        if (answered) {
            Object given = EvaluationTask.isWhole(answer) && !choices.isEmpty()
                    ? task.choice(choices, answer)
                    : answer instanceof List<?> list && !list.isEmpty() ? list.getFirst() : answer;
            String text = joined(prefix, string(task, given), " ");
            turns.add(new Turn("assistant", text, task.delimiter(task.examples, "fewshot_delimiter")));
        } else if (!prefix.isEmpty()) {
            turns.add(new Turn("assistant", prefix, ""));
        }
    }

    private String rendered(List<Turn> before, String question, String prefix, String delimiter) {
        List<Turn> turns = new ArrayList<>(before);
        turns.add(new Turn("user", question, isSeparate(question, prefix) ? delimiter : ""));
        if (!prefix.isEmpty()) {
            turns.add(new Turn("assistant", prefix, ""));
        }
        if (options.template().isEmpty()) {
            return plain(turns);
        }
        List<Message> messages = new ArrayList<>();
        boolean system = turns.getFirst().role.equals("system");
        List<Turn> others = turns.subList(system ? 1 : 0, turns.size());
        (options.multiturn() ? others : List.of(new Turn("user", plain(others), "")))
                .forEach(each -> messages.add(new Message(each.role, each.content)));
        ChatTemplate template = options.template().get();
        if (system) {
            messages.addFirst(new Message("system", turns.getFirst().content));
            try {
                return template.render(messages, null, true, Map.of()).text();
            } catch (TemplateException e) {
                messages.removeFirst();
            }
        }
        return template.render(messages, null, true, Map.of()).text();
    }

    private static String plain(List<Turn> turns) {
        StringBuilder text = new StringBuilder();
        turns.forEach(each -> text.append(each.content).append(each.delimiter));
        return text.toString();
    }

    /** Whether there are two parts and neither has a blank where they meet. */
    private static boolean isSeparate(String before, String after) {
        return !before.isEmpty()
                && !after.isEmpty()
                && !LmEval.isBlank(before.codePointBefore(before.length()))
                && !LmEval.isBlank(after.codePointAt(0));
    }

    private static String joined(String before, String after, String delimiter) {
        return before + (isSeparate(before, after) ? delimiter : "") + after;
    }
}
