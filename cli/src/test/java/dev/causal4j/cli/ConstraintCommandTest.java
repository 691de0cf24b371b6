package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ConstraintCommandTest {
    @TempDir
    Path folder;

    private List<JsonNode> run(String... lines) throws Exception {
        Path in = Files.writeString(folder.resolve("in.jsonl"), String.join("\n", lines));
        String out = Program.run("constraint", "--jsonl", in.toString(), "--json")
                .done()
                .out();
        return out.lines().map(line -> JsonMapper.shared().readTree(line)).toList();
    }

    @Test
    void textsAndPrefixesAreFollowed() throws Exception {
        JsonNode answer = run("{\"id\":7,\"constraint\":{\"choice\":[\"a\",\"ab\",\"é\"]},"
                        + "\"texts\":[\"a\",\"abc\",\"hex:c3\"],\"prefixes\":[\"\",\"a\",\"ab\"]}")
                .getFirst();

        assertThat(answer.get("id").asInt()).isEqualTo(7);
        assertThat(answer.get("compile_micros").asLong()).isNotNegative();
        assertThat(answer.get("texts"))
                .hasToString("[{\"viable\":1,\"complete\":true},{\"viable\":2,\"complete\":false},"
                        + "{\"viable\":1,\"complete\":false}]");
        assertThat(answer.get("prefixes").get(1).get("count").asInt()).isEqualTo(1);
        assertThat(answer.get("prefixes").get(1).get("eos").asBoolean()).isTrue();
        assertThat(answer.get("prefixes").get(2).get("allowed").asString()).isEmpty();
    }

    @Test
    void eachKindIsKnownAndErrorsAreAnswers() throws Exception {
        List<JsonNode> answers = run(
                "{\"constraint\":{\"regex\":\"a{2}\"},\"texts\":[\"aa\"]}",
                "{\"constraint\":{\"grammar\":\"root ::= \\\"a\\\" root?\"},\"texts\":[\"aa\"]}",
                "{\"constraint\":{\"json_object\":true,\"whitespace\":\"compact\"},\"texts\":[\"{}\"]}",
                "{\"constraint\":{\"json_schema\":{\"const\":1.50,\"title\":\"t\"}},\"texts\":[\"1.5\"]}",
                "{\"id\":\"b\",\"constraint\":{\"regex\":\"(\"}}",
                "{\"id\":\"n\",\"constraint\":{}}",
                "{\"id\":\"p\",\"constraint\":{\"regex\":\"a\"},\"prefixes\":[\"b\"]}");

        for (JsonNode answer : answers.subList(0, 4)) {
            assertThat(answer.path("texts").path(0).path("complete").asBoolean())
                    .as("%s", answer)
                    .isTrue();
        }
        assertThat(answers.get(3).get("ignored").toString()).contains("title");
        for (JsonNode answer : answers.subList(4, 7)) {
            assertThat(answer.get("error").asString()).matches("[^\\n]+: expected [^\\n]+, got [^\\n]+");
        }
    }

    @Test
    void aLineThatIsNoObjectEndsTheRun() throws Exception {
        Path in = Files.writeString(folder.resolve("in.jsonl"), "[]");
        Program.Run run = Program.run("constraint", "--jsonl", in.toString());
        assertThat(run.err()).startsWith(in + " line 1: expected a JSON object, got a list of 0");
    }
}
