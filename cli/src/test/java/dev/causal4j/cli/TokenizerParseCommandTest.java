package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerParseCommandTest {
    @TempDir
    Path folder;

    private String file(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text).toString();
    }

    @Test
    void anAnswerIsTakenApartAndEachChunkHasItsDelta() throws IOException {
        String lines = file("a.jsonl", """
                {"chunks": ["a <tool_c", "all>{\\"name\\": \\"f\\", \\"arguments\\": {\\"x\\"", ": 1}}</tool_call>"]}
                {"text": "why\\n</think>\\n\\nSo.", "reasoning_open": true, "finish_reason": "length"}
                """);
        String out = Program.run("tokenizer", "parse", "--calls", "hermes", "--jsonl", lines, "--json")
                .done()
                .out();
        assertThat(out.replaceAll("call_\\w{24}", "ID").lines())
                .containsExactly(
                        "{\"content\":\"a\",\"reasoning_content\":null,\"tool_calls\":[{\"id\":\"ID\",\"name\":\"f\","
                                + "\"arguments\":\"{\\\"x\\\": 1}\"}],\"finish_reason\":\"tool_calls\",\"deltas\":["
                                + "{\"content\":\"a\"},{\"tool_calls\":[{\"index\":0,\"id\":\"ID\",\"name\":\"f\","
                                + "\"arguments\":\"{\\\"x\\\"\"}]},{\"tool_calls\":[{\"index\":0,"
                                + "\"arguments\":\": 1}\"}]}]}",
                        "{\"content\":\"So.\",\"reasoning_content\":\"why\",\"tool_calls\":[],"
                                + "\"finish_reason\":\"length\",\"deltas\":[{\"reasoning_content\":\"why\","
                                + "\"content\":\"So.\"}]}");
    }

    @Test
    void theFormatIsThatOfATemplate() throws IOException {
        String template = file("t.jinja", "{{ '[TOOL_CALLS]' }}");
        String lines = file("a.jsonl", "{\"text\": \"[TOOL_CALLS][{\\\"name\\\": \\\"f\\\"}]\"}\n");
        assertThat(Program.run("tokenizer", "parse", "--template", template, "--jsonl", lines)
                        .done()
                        .out())
                .contains("\"name\":\"f\",\"arguments\":\"{}\"");
    }

    @Test
    void wrongUsageIsRefused() throws IOException {
        String lines = file("a.jsonl", "{\"text\": 5}\n");
        Program.run("tokenizer", "parse", "--jsonl", lines)
                .refused(2, "calls: expected one of --calls, --template and --model, got none or several");
        Program.run("tokenizer", "parse", "--calls", "x", "--jsonl", lines)
                .refused(2, "tool format: expected one of harmony, ");
        assertThat(Program.run("tokenizer", "parse", "--calls", "glm", "--jsonl", lines)
                        .err())
                .contains("a.jsonl line 1, key \"text\": expected a string, got 5");
    }
}
