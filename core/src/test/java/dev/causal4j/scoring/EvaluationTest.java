package dev.causal4j.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.InputException;
import dev.causal4j.compute.Compute;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Evaluation.Answer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tasks without files; EvalCommandTest of the command line holds all cases of the harness. */
class EvaluationTest {
    private static CausalLM model;

    @BeforeAll
    static void load() throws IOException {
        model = CausalLM.load(Path.of("src/test/resources/dev/causal4j/stories260K/stories260K.gguf"));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static Map<String, Object> config(Object... more) {
        Map<String, Object> config = new LinkedHashMap<>(Json.object(
                "task", "t",
                "output_type", "multiple_choice",
                "test_split", "test",
                "doc_to_text", "{{q}}",
                "doc_to_choice", List.of("a", "b"),
                "doc_to_target", "{{y}}"));
        config.putAll(Json.object(more));
        return config;
    }

    private static DocumentSource documents(Map<?, ?>... all) {
        return split -> Stream.of(all).map(each -> {
            Map<String, Object> document = new LinkedHashMap<>();
            each.forEach((key, value) -> document.put((String) key, value));
            return document;
        });
    }

    /** Answers that are given, by choice. */
    private static Responder responder(List<?>... values) {
        return (documents, names) -> IntStream.range(0, documents.size())
                .mapToObj(i -> new Answer(
                        values[Integer.parseInt(names.get(i).replaceAll(".* ", "")) % values.length].stream()
                                .<Object>map(each -> each instanceof Double sum ? List.of(sum, false) : each)
                                .toList(),
                        List.of(),
                        "sha256:" + "0".repeat(64)))
                .toList();
    }

    private static EvaluationResult run(EvaluationTask task, Responder responder) {
        return Evaluation.of(task).run(responder, EvaluationOptions.DEFAULT, EvaluationListener.NONE);
    }

    @Test
    void aUserNeedsTenLines() {
        Map<String, Object> settings =
                Json.object("task", "ball", "output_type", "multiple_choice", "test_split", "test");
        settings.putAll(Map.of("doc_to_text", "{{q}}", "doc_to_choice", List.of("time", "ball"), "doc_to_target", "y"));
        DocumentSource documents =
                split -> Stream.of(Map.of("q", "Once upon a", "y", 0), Map.of("q", "Lily played with her", "y", 1));
        List<Sample> samples = new ArrayList<>();
        EvaluationResult result = Evaluation.of(EvaluationTask.of(settings, documents))
                .run(model, EvaluationOptions.DEFAULT, samples::add);

        assertThat(result.value("ball", "acc,none")).isEqualTo(1.0);
        assertThat(result.bits()).startsWith("sha256:");
        assertThat(samples).extracting(Sample::id).containsExactly(0, 1);
    }

    @Test
    void ofEqualSumsTheFirstWinsAndGoldsOutsideAreWrong() {
        EvaluationTask task = EvaluationTask.of(
                config(), documents(Map.of("q", "x", "y", 0), Map.of("q", "x", "y", 1), Map.of("q", "x", "y", 7)));
        EvaluationResult result = run(task, responder(List.of(-1.0, -1.0)));
        assertThat(result.value("t", "acc,none")).isEqualTo(1.0 / 3);
    }

    @Test
    void aGoldMayBeATextAndSeveralMayBeRight() {
        EvaluationTask text = EvaluationTask.of(
                config("doc_to_choice", "{{['u', 'v']}}"),
                documents(Map.of("q", "x", "y", "v"), Map.of("q", "x", "y", "w")));
        assertThat(run(text, responder(List.of(-2.0, -1.0))).value("t", "acc,none"))
                .isEqualTo(0.5);
        EvaluationTask several =
                EvaluationTask.of(config("doc_to_target", "y"), documents(Map.of("q", "x", "y", List.of(1, 9))));
        assertThat(run(several, responder(List.of(-2.0, -1.0))).value("t", "acc,none"))
                .isEqualTo(1.0);
        assertThat(run(several, responder(List.of(-2.0, -1.0))).results())
                .extractingByKey("t", InstanceOfAssertFactories.MAP)
                .containsEntry("acc_stderr,none", "N/A");
    }

    @Test
    void theFirstDocumentDecidesWhetherSeveralTargetsAreRight() {
        Map<String, Object> generate = config("output_type", "generate_until", "doc_to_target", "y");
        generate.remove("doc_to_choice");
        EvaluationTask several = EvaluationTask.of(
                generate, documents(Map.of("q", "x", "y", List.of("ab")), Map.of("q", "x", "y", "ab")));
        // The harness makes a list of the letters of a single text.
        assertThat(run(several, responder(List.of("ab"), List.of("b"))).value("t", "exact_match,none"))
                .isEqualTo(1.0);
        EvaluationTask one = EvaluationTask.of(
                generate, documents(Map.of("q", "x", "y", "ab"), Map.of("q", "x", "y", List.of("ab"))));
        assertThat(run(one, responder(List.of("ab"), List.of("['ab']"))).value("t", "exact_match,none"))
                .isEqualTo(1.0);
    }

    @Test
    void filtersSelectAsTheHarnessDoes() {
        Map<String, Object> regex =
                Json.object("function", "regex", "regex_pattern", "(\\d)|([a-z])", "group_select", -1);
        Map<String, Object> map =
                Json.object("function", "map", "mapping_dict", Map.of("B", "yes"), "default_value", "no");
        Map<String, Object> settings = config("output_type", "generate_until", "doc_to_target", "yes");
        settings.remove("doc_to_choice");
        settings.put(
                "filter_list",
                List.of(
                        Json.object("name", "m", "filter", List.of(regex, Map.of("function", "uppercase"), map)),
                        Json.object("name", "r", "filter", List.of(regex, Map.of("function", "take_first")))));
        EvaluationTask task = EvaluationTask.of(settings, documents(Map.of("q", "x"), Map.of("q", "y")));
        List<Object> filtered = new ArrayList<>();
        EvaluationResult result = Evaluation.of(task)
                .run(
                        responder(List.of("7 a b"), List.of("..")),
                        EvaluationOptions.DEFAULT,
                        each -> filtered.addAll(each.filtered()));
        assertThat(filtered).containsExactly(List.of("yes"), List.of("no"), "b", "[invalid]");
        assertThat(result.value("t", "exact_match,m")).isEqualTo(0.5);
        regex.put("group_select", 5);
        assertThatThrownBy(() -> run(EvaluationTask.of(settings, documents(Map.of("q", "x"))), responder(List.of("1"))))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("t, document 0: group_select: expected one of 1 matches, got 5");
    }

    @Test
    void examplesFollowTheHarness() {
        Map<?, ?>[] rows = IntStream.range(0, 9)
                .mapToObj(i -> Map.of("q", "q" + i, "y", i % 2))
                .toArray(Map<?, ?>[]::new);
        Map<String, Object> settings = config("num_fewshot", 2, "fewshot_split", "test", "gen_prefix", "It is");
        settings.put(
                "fewshot_config",
                Json.object(
                        "sampler",
                        "first_n",
                        "target_delimiter",
                        "->",
                        "doc_to_choice",
                        List.of("A", "B"),
                        "fewshot_delimiter",
                        "|"));
        List<String> prompts = new ArrayList<>();
        Evaluation.of(EvaluationTask.of(settings, documents(rows)))
                .run(
                        responder(List.of(-1.0, -2.0)),
                        EvaluationOptions.DEFAULT.withLimit(2),
                        each -> prompts.add(
                                (String) each.requests().getLast().arguments().getFirst()));
        assertThat(prompts).containsExactly("q1->It is B|q2->It is A|q0 It is", "q0->It is A|q2->It is A|q1 It is");
        assertThatThrownBy(() -> Evaluation.of(EvaluationTask.of(settings, documents(rows)))
                        .run(
                                responder(List.of(-1.0, -2.0)),
                                EvaluationOptions.DEFAULT.withNumFewshot(1 << 30),
                                EvaluationListener.NONE))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("num-fewshot: expected at most");
    }

    /** A task of each kind of request, with examples that its prompts share. */
    private static List<EvaluationTask> tasks() {
        Map<?, ?>[] rows = IntStream.range(0, 7)
                .mapToObj(i -> Map.of("q", "Lily has " + i % 7 + " toys and", "y", i % 2, "t", "the park " + i))
                .toArray(Map<?, ?>[]::new);
        List<String> choices = List.of("Tom", "Tom is sad", "a big ball", "a big dog");
        List<EvaluationTask> tasks = new ArrayList<>();
        for (String type : List.of("multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until")) {
            Map<String, Object> settings = config("task", type, "output_type", type, "num_fewshot", 2);
            settings.put("fewshot_config", Map.of("split", "test", "sampler", "first_n"));
            settings.put("doc_to_choice", choices);
            settings.put("doc_to_target", "y");
            if (!type.equals("multiple_choice")) {
                settings.remove("doc_to_choice");
                settings.put("doc_to_target", "t");
            }
            settings.put("generation_kwargs", Map.of("until", List.of("."), "max_gen_toks", 6));
            tasks.add(EvaluationTask.of(settings, documents(rows)));
        }
        return tasks;
    }

    @Test
    void digestsAndFiguresAreEqualForEachBatchCacheWindowAndNumberOfThreads() {
        Evaluation all = Evaluation.of(tasks(), List.of());
        EvaluationResult expected = all.run(model, EvaluationOptions.DEFAULT, EvaluationListener.NONE);
        assertThat(new HashSet<>(expected.taskBits().values())).hasSize(4);
        for (int parallel : new int[] {1, 64}) {
            for (long cached : new long[] {0, 1 << 24}) {
                EngineOptions options = EngineOptions.DEFAULT
                        .withParallel(parallel)
                        .withPrefixBytes(cached)
                        .withPromptRows(parallel);
                try (Engine engine = new Engine(model, options)) {
                    assertThat(all.run(Responder.of(engine, 0), EvaluationOptions.DEFAULT, EvaluationListener.NONE))
                            .as(options.toString())
                            .isEqualTo(expected);
                }
            }
        }
        Responder each = Responder.of(Engine.shared(model), 0);
        Responder alone = (documents, names) -> IntStream.range(0, documents.size())
                .mapToObj(i -> each.respond(List.of(documents.get(i)), List.of(names.get(i)))
                        .getFirst())
                .toList();
        int threads = Compute.shared().threads();
        try {
            Compute.shared().use(1);
            assertThat(all.run(alone, EvaluationOptions.DEFAULT, EvaluationListener.NONE))
                    .isEqualTo(expected);
        } finally {
            Compute.shared().use(threads);
        }
    }

    @Test
    void eachRequestHasTheSameBitsAloneAndInTheTreeOfItsDocument() {
        Responder responder = Responder.of(Engine.shared(model), 0);
        Evaluation.of(tasks(), List.of()).run(responder, EvaluationOptions.DEFAULT.withLimit(3), sample -> {
            for (int i = 0; i < sample.requests().size(); i++) {
                Answer alone = responder
                        .respond(List.of(List.of(sample.requests().get(i))), List.of("alone"))
                        .getFirst();
                assertThat(alone.values())
                        .containsExactly(sample.answer().values().get(i));
                assertThat(alone.tokenBits())
                        .containsExactly(sample.answer().tokenBits().get(i));
            }
        });
    }

    @Test
    void tokenBitsTellWhereADifferenceBegins() {
        List<Prediction> predictions = new ArrayList<>();
        for (int token : new int[] {7, 8, 9}) {
            predictions.add(new Prediction(token, -token / 10.0, 0, List.of()));
        }
        String digits = Answer.of(0, predictions, "").tokenBits().getFirst();
        assertThat(digits).hasSize(12).matches("[0-9a-f]+");
        for (int i = 0; i < 3; i++) {
            List<Prediction> changed = new ArrayList<>(predictions);
            int token = changed.get(i).token();
            changed.set(i, new Prediction(token, Math.nextUp(-token / 10.0), 0, List.of()));
            String other = Answer.of(0, changed, "").tokenBits().getFirst();
            assertThat(Arrays.mismatch(digits.toCharArray(), other.toCharArray()) / Answer.DIGITS)
                    .isEqualTo(i);
        }
    }

    @Test
    void aNegativeGoldIsGreedyIfTheLastIs() {
        Map<String, Object> settings = config("doc_to_target", "y");
        settings.put("metric_list", List.of(Map.of("metric", "acc"), Map.of("metric", "exact_match")));
        EvaluationTask task = EvaluationTask.of(settings, documents(Map.of("q", "x", "y", -1)));
        EvaluationResult result = run(task, responder(List.of(List.of(-1.0, false), List.of(-2.0, true))));
        assertThat(result.value("t", "acc,none")).isZero();
        assertThat(result.value("t", "exact_match,none")).isEqualTo(1.0);
    }

    @Test
    void examplesThatAllPromptsBeginWithAreComputedOnce(@TempDir Path folder) throws IOException {
        Map<?, ?>[] rows = IntStream.range(0, 40)
                .mapToObj(i -> Map.of("q", "One day, Lily saw " + i + " big red balls in the park and she", "y", 0))
                .toArray(Map<?, ?>[]::new);
        Map<String, Object> settings =
                config("num_fewshot", 8, "validation_split", "v", "doc_to_choice", List.of("ran", "sat"));
        settings.put("fewshot_config", Map.of("sampler", "first_n", "split", "v"));
        Path file = folder.resolve("scores.jfr");
        Set<List<Integer>> distinct = new HashSet<>();
        try (Recording recording = new Recording();
                Engine engine = new Engine(model)) {
            recording.enable("dev.causal4j.Score");
            recording.start();
            LmEval eval = new LmEval(engine, model.contextLength());
            Evaluation.of(EvaluationTask.of(settings, documents(rows)))
                    .run(
                            Responder.of(engine, 0),
                            EvaluationOptions.DEFAULT,
                            each -> each.requests().forEach(request -> {
                                Request.Continuation one = (Request.Continuation) request;
                                int[] all = eval.request(one.context(), one.continuation())
                                        .sequence();
                                for (int length = 1; length < all.length; length++) {
                                    distinct.add(Arrays.stream(all, 0, length)
                                            .boxed()
                                            .toList());
                                }
                            }));
            recording.stop();
            recording.dump(file);
        }
        long computed = 0;
        for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
            computed += event.getLong("tokens");
        }
        // Prompts of different documents share whole pages.
        assertThat(computed).isBetween((long) distinct.size(), distinct.size() + 16L * rows.length);
    }

    @Test
    void knownAnswersAreNotComputed() {
        EvaluationTask task =
                EvaluationTask.of(config(), documents(Map.of("q", "x", "y", 0), Map.of("q", "z", "y", 0)));
        List<Answer> answers = new ArrayList<>();
        EvaluationResult whole =
                Evaluation.of(task).run(model, EvaluationOptions.DEFAULT, each -> answers.add(each.answer()));
        EvaluationListener known = new EvaluationListener() {
            @Override
            public Optional<Answer> known(String name, String filter, int document) {
                return Optional.of(answers.get(document));
            }

            @Override
            public void accept(Sample sample) {}
        };
        Responder none = (documents, names) -> {
            throw new AssertionError("asked");
        };
        assertThat(Evaluation.of(task).run(none, EvaluationOptions.DEFAULT, known))
                .isEqualTo(whole);
    }

    @Test
    void drawsAreRefused() {
        Map<String, Object> settings = config("output_type", "generate_until");
        settings.remove("doc_to_choice");
        for (Map<String, Object> kwargs : List.<Map<String, Object>>of(
                Map.of("do_sample", true),
                Map.of("temperature", 0.7),
                Map.of("max_gen_toks", 0),
                Map.of("num_beams", 2))) {
            settings.put("generation_kwargs", kwargs);
            assertThatThrownBy(() -> EvaluationTask.of(settings, documents(Map.of("q", "x", "y", "z"))))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("generation_kwargs: expected greedy text");
        }
        settings.put("generation_kwargs", Map.of("do_sample", false, "temperature", 0.7)); // greedy in the harness
        EvaluationTask.of(settings, documents(Map.of("q", "x", "y", "z")));
    }

    @Test
    void groupsWithinThemselvesAndLargeOnesAreRefused() {
        EvaluationTask task = EvaluationTask.of(config(), documents(Map.of("q", "x", "y", 0)));
        List<EvaluationGroup> deep = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            List<String> members = i == 39 ? List.of("t") : List.of("g" + (i + 1), "g" + (i + 1));
            deep.add(EvaluationGroup.of("g" + i, Map.of(), members));
        }
        for (List<EvaluationGroup> each : List.of(
                List.of(EvaluationGroup.of("t", Map.of(), List.of("t"))),
                List.of(EvaluationGroup.of("g", Map.of(), List.of("g"))),
                List.of(
                        EvaluationGroup.of("g", Map.of(), List.of("h")),
                        EvaluationGroup.of("h", Map.of(), List.of("g")),
                        EvaluationGroup.of("g", Map.of(), List.of())),
                deep)) {
            assertThatThrownBy(() -> Evaluation.of(List.of(task), each))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("expected a group by a name of its own");
        }
    }

    @Test
    void settingsOfOtherKindsAreRefused() {
        Map<String, Object> generate = config("output_type", "generate_until");
        generate.remove("doc_to_choice");
        Map<String, Object> filter = Json.object("name", "f", "filter", List.of(Map.of("function", "take_first")));
        for (Map<String, Object> each : List.<Map<String, Object>>of(
                Map.of("num_fewshot", "two"),
                Map.of("num_fewshot", -1),
                Map.of("description", 1),
                Map.of("gen_prefix", true),
                Map.of("fewshot_config", Map.of("target_delimiter", 1)),
                Map.of("metric_list", List.of()),
                Map.of("metric_list", List.of(Map.of("metric", "exact_match", "regexes_to_ignore", "ab"))),
                Map.of("filter_list", List.of(filter, filter)),
                filter("regex_pattern", 1),
                filter("group_select", "a"),
                filter("mapping_dict", 1),
                filter("regex_pattern", "(".repeat(5000) + ")".repeat(5000)))) {
            Map<String, Object> wrong = new LinkedHashMap<>(generate);
            wrong.putAll(each);
            assertThatThrownBy(() -> EvaluationTask.of(wrong, documents(Map.of("q", "x", "y", "z"))))
                    .as(each.toString())
                    .isInstanceOf(InputException.class);
        }
    }

    private static Map<String, Object> filter(String key, Object value) {
        String function = key.equals("mapping_dict") ? "map" : "regex";
        return Map.of(
                "filter_list",
                List.of(Json.object("name", "f", "filter", List.of(Map.of("function", function, key, value)))));
    }

    @Test
    void nothingIsComputedIfExamplesOfALaterTaskAreMissing() {
        EvaluationTask task = EvaluationTask.of(config(), documents(Map.of("q", "x", "y", 0)));
        Map<String, Object> settings = config("task", "u", "fewshot_split", "test", "num_fewshot", 3);
        EvaluationTask other = EvaluationTask.of(settings, documents(Map.of("q", "x", "y", 0)));
        List<Sample> samples = new ArrayList<>();
        assertThatThrownBy(() -> Evaluation.of(List.of(task, other), List.of())
                        .run(responder(List.of(-1.0, -2.0)), EvaluationOptions.DEFAULT, samples::add))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("num-fewshot: expected at most");
        assertThat(samples).isEmpty();
    }
}
