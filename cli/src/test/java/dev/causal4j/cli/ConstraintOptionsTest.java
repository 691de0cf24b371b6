package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Texts of a form on the command line, with the embedded model. */
class ConstraintOptionsTest {
    @TempDir
    private Path folder;

    private String schema;
    private String grammar;
    private String choices;

    @BeforeEach
    void writeFiles() throws IOException {
        schema = write("person.json", """
                {"title": "A person", "type": "object", "additionalProperties": false, "required": ["name", "age"],
                 "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 1, "maximum": 99}}}
                """);
        grammar = write("yes.gbnf", "root ::= \" yes\" | \" no\"");
        choices = write("choices.txt", " very kind\n a zebra\n");
    }

    private String write(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text).toString();
    }

    @Test
    void aSchemaGivesADocumentAndSaysWhatItCost() {
        JsonNode made = Program.run("generate", "Emma:", "--json-schema", schema, "--seed", "3", "--json")
                .json();
        JsonNode person = JsonMapper.shared().readTree(made.get("text").asString());
        assertThat(person.propertyNames()).containsExactly("name", "age");
        assertThat(person.get("name").asString().codePoints().count()).isLessThanOrEqualTo(12);
        assertThat(person.get("age").asInt()).isBetween(1, 99);
        assertThat(made.has("logprobs")).isFalse();
        JsonNode constraint = made.get("constraint");
        assertThat(constraint.get("complete").asBoolean()).isTrue();
        assertThat(constraint.get("lost_log_probability").asDouble()).isPositive();
        assertThat(constraint.get("masks").asInt()).isEqualTo(made.get("tokens").size() + 1);
        assertThat(constraint.get("mask_micros_p50").asDouble())
                .isPositive()
                .isLessThanOrEqualTo(constraint.get("mask_micros_p99").asDouble());
        assertThat(constraint.get("ignored").toString()).contains("title");
        String text = Program.run("generate", "Emma:", "--json-schema", schema, "--seed", "3")
                .done()
                .out();
        assertThat(text).isEqualTo(made.get("text").asString() + System.lineSeparator());
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void eachKindHoldsTheTextToItsForm() {
        assertThat(text("--regex", " [a-z]{3,5}")).matches(" [a-z]{3,5}");
        assertThat(text("--grammar", grammar)).matches(" (yes|no)");
        assertThat(text("--choice", " happy", "--choice", " sad")).matches(" (happy|sad)");
        assertThat(text("--json-object", "--max-new-tokens", "400")).startsWith("{");
        assertThat(text("--json-schema", schema, "--whitespace", "compact"))
                .doesNotContain("\n")
                .contains("\",\"age\":");
        String spaced = text("--json-schema", schema, "--whitespace", "spaced");
        assertThat(spaced).contains("{\"name\": \"", "\", \"age\": ");
        assertThat(text("--json-schema", schema)).isEqualTo(spaced); // the model has no chat template
        assertThat(text("--json-object", "--max-new-tokens", "400"))
                .isNotEqualTo(text("--json-object", "--max-new-tokens", "400", "--whitespace", "flexible"));
    }

    private static String text(String... options) {
        List<String> all = new java.util.ArrayList<>(List.of("generate", "Emma was", "--seed", "1"));
        all.addAll(List.of(options));
        return Program.run(all.toArray(String[]::new)).done().out().replaceFirst("\\R\\z", "");
    }

    @Test
    void aTextThatIsCutIsNotComplete() {
        JsonNode cut = Program.run("generate", "Emma:", "--json-schema", schema, "--max-new-tokens", "3", "--json")
                .json();
        assertThat(cut.get("finish_reason").asString()).isEqualTo("length");
        assertThat(cut.get("constraint").get("complete").asBoolean()).isFalse();
    }

    @Test
    void answersOfAChatHaveTheForm() {
        String out = Program.runWithInput(
                        "Who are you?\n", "chat", "--regex", " [A-Z][a-z]{2,8}\\.", "--seed", "1", "--json")
                .out();
        JsonNode answer = JsonMapper.shared().readTree(out);
        assertThat(answer.get("text").asString()).matches(" [A-Z][a-z]{2,8}\\.");
        assertThat(answer.get("constraint").get("complete").asBoolean()).isTrue();
    }

    @Test
    void anExactDrawTellsItsTriesAndItsSeedMakesItAgain() {
        String[] common = {"generate", "Emma was", "--regex", " [a-z]{3,9}", "--json", "--seed"};
        JsonNode drawn =
                Program.run(with(common, "1", "--exact-sampling", "100")).json();
        JsonNode exact = drawn.get("exact_sampling");
        long seed = drawn.get("seed").asLong();
        assertThat(exact.get("tries").asLong()).isEqualTo(seed);
        assertThat(exact.get("acceptance_rate").asDouble()).isEqualTo(1.0 / seed);
        JsonNode again = Program.run(with(common, Long.toString(seed))).json();
        assertThat(again.get("text")).isEqualTo(drawn.get("text"));
        Program.run(with(common, "1", "--exact-sampling", "100", "--top-k", "3"))
                .refused(1, "exact sampling: expected a constraint, temperature 1");
    }

    private static String[] with(String[] common, String... more) {
        return Stream.of(common, more).flatMap(Arrays::stream).toArray(String[]::new);
    }

    @Test
    void aTextIsScoredUnderAConstraint() {
        JsonNode scored = Program.run(
                        "score", " very kind", "--prefix", "Emma was", "--regex", " (very )?[a-z]+", "--json")
                .json();
        JsonNode constraint = scored.get("constraint");
        assertThat(constraint.get("allowed").asBoolean()).isTrue();
        assertThat(constraint.get("leaves_at").isNull()).isTrue();
        assertThat(constraint.get("log_probability").asDouble())
                .isCloseTo(
                        constraint.get("lost_log_probability").asDouble()
                                - scored.get("nll").asDouble(),
                        within(1e-12));
        JsonNode other = Program.run(
                        "score", " very, kind", "--prefix", "Emma was", "--regex", " (very )?[a-z]+", "--json")
                .json()
                .get("constraint");
        assertThat(other.get("allowed").asBoolean()).isFalse();
        assertThat(other.get("leaves_at").asInt()).isEqualTo(1);
        assertThat(other.get("log_probability").isNull()).isTrue();
        assertThat(Program.run("score", " very", "--prefix", "Emma was", "--regex", " very [a-z]+")
                        .done()
                        .out())
                .contains("allowed so far, but not complete: log p ");
        assertThat(Program.run("score", " a", "--prefix", "Emma was", "--regex", " very")
                        .done()
                        .out())
                .contains("not allowed: it leaves the constraint at token 0, \" a\"");
    }

    @Test
    void choicesAreRankedOverAllTheirSpellings() {
        JsonNode ranked = Program.run("score", "Emma was", "--choices", choices, "--spellings", "--json")
                .json();
        assertThat(ranked.get("order").toString()).isEqualTo("[0,1]");
        JsonNode kind = ranked.get("choices").get(0);
        assertThat(kind.get("spellings").asInt()).isGreaterThan(10);
        double canonical = -Program.run("score", " very kind", "--prefix", "Emma was", "--json")
                .json()
                .get("nll")
                .asDouble();
        assertThat(kind.get("logprob").asDouble()).isGreaterThan(canonical).isCloseTo(canonical, within(0.1));
        assertThat(kind.get("share").asDouble()
                        + ranked.get("choices").get(1).get("share").asDouble())
                .isCloseTo(1, within(1e-12));
        assertThat(Program.run("score", "Emma was", "--choices", choices, "--spellings")
                        .done()
                        .out())
                .contains("spellings  choice", "\" a zebra\"");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2 | constraint: expected one of --json-schema | generate x --regex a --choice b",
                "2 | constraint: expected one of --json-schema | chat --json-object --regex b",
                "2 | whitespace: expected --json-schema or --json-object | generate x --whitespace compact --regex a",
                "2 | whitespace: expected | generate x --json-object --whitespace none",
                "2 | exact-sampling: expected a constraint | generate x --exact-sampling 3",
                "2 | constraint: expected a text as TEXT | score --jsonl F --regex a",
                "2 | constraint: expected a text as TEXT | score x --top 3 --regex a",
                "2 | spellings: expected --choices | score x --spellings",
                "2 | tool format: expected one of harmony | chat --tool-format x --model no-such-model",
                "2 | tool-choice: expected --tools | chat --tool-choice walk --model no-such-model",
                "1 | regex: expected | generate x --regex (a",
                "1 | no-such-file | generate x --grammar no-such-file",
                "2 | no-repeat-ngram-size: expected 0 beside a constraint | generate x --regex a --no-repeat-ngram-size 2"
            })
    void wrongUsageIsOneLine(int status, String told, String command) {
        Program.run(command.split(" ")).refused(status, told, ": expected ", ", got ");
    }

    @Test
    void whatASchemaAsksInVainIsRefusedBeforeAnythingIsLoaded() throws IOException {
        String bad = write("bad.json", "{\"type\": \"object\", \"if\": {}}");
        Program.run("generate", "x", "--json-schema", bad, "--model", "no-such-model")
                .refused(1, "schema: expected no \"if\"");
        Program.run("score", "x", "--json-schema", write("none.json", "{\"type\": 5}"))
                .refused(1, "schema: expected");
    }
}
