package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Conversations in which the embedded model must call a tool in each answer. */
class ChatToolsTest {
    private static final String TOOLS = """
            [{"type": "function", "function": {"name": "walk", "strict": true, "parameters": {
                "type": "object",
                "properties": {"to": {"enum": ["Highbury", "Hartfield"]}},
                "required": ["to"],
                "additionalProperties": false}}}]""";
    private static final String ARGUMENTS = "\\{\"to\": \"(Highbury|Hartfield)\"}";

    @TempDir
    private Path folder;

    private String tools = "";

    @BeforeEach
    void writeTheTools() throws IOException {
        tools = Files.writeString(folder.resolve("tools.json"), TOOLS).toString();
    }

    private Program.Run chat(String input, String... more) {
        List<String> options = List.of("chat", "--seed", "1", "--tools", tools, "--tool-choice", "walk");
        Program.Run run = Program.runWithInput(
                input, Stream.concat(options.stream(), Stream.of(more)).toArray(String[]::new));
        assertThat(run.status()).as(run.err()).isZero();
        return run;
    }

    private List<JsonNode> answers(String input) {
        return chat(input, "--json")
                .out()
                .lines()
                .map(JsonMapper.shared()::readTree)
                .toList();
    }

    private static String prompt(JsonNode answer) {
        String ids = answer.get("prompt_tokens")
                .valueStream()
                .map(JsonNode::asString)
                .collect(Collectors.joining(","));
        return Program.run("tokenizer", "decode", "--json", "--tokens", ids)
                .json()
                .get("text")
                .stringValue();
    }

    @Test
    void aCallIsALineAndTheNextLineIsItsResult() {
        Program.Run run = chat("Where to?\nIt rained.\n");
        assertThat(run.out()).matches("(walk " + ARGUMENTS + "\n){2}");
        assertThat(run.err().lines().skip(1))
                .as("after the note on the template")
                .containsExactly("(the next line is the result of walk)", "(the next line is the result of walk)");
    }

    @Test
    void aResultIsAMessageOfTheTool() {
        List<JsonNode> answers = answers("Where to?\nIt rained.\n");
        assertThat(answers).hasSize(2).allSatisfy(answer -> {
            assertThat(answer.get("content").isNull()).isTrue();
            assertThat(answer.get("finish_reason").stringValue()).isEqualTo("tool_calls");
            assertThat(answer.at("/tool_calls/0/name").stringValue()).isEqualTo("walk");
            assertThat(answer.at("/tool_calls/0/arguments").stringValue()).matches(ARGUMENTS);
        });
        assertThat(prompt(answers.getLast()))
                .startsWith("User: Where to?\n")
                .endsWith("Tool: It rained.\n\nAssistant:");
    }

    @Test
    void aResultIsAskedForAgainIfItsAnswerFails() throws IOException {
        SamplingOptions sampling = CommandLine.populateCommand(new SamplingOptions(), "--seed", "1");
        PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
        try (CausalLM model = AustenModel.load()) {
            Chat.Format format =
                    Chat.Format.of(model).withTools(ToolOptions.read(Path.of(tools)), ToolChoice.named("walk"));
            ChatLoop loop =
                    new ChatLoop(format, sampling, new ConstraintOptions(), new ReceiptOptions(), nowhere, nowhere);
            loop.run(lines("Where to?\n"), false);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> loop.run(lines("word ".repeat(600) + "\n"), false))
                    .withMessageStartingWith("prompt: expected at most 256 tokens");
            loop.run(lines("It rained.\n"), false);
            assertThat(loop.chat.messages())
                    .extracting(message -> String.valueOf(message.fields().get("role")))
                    .containsExactly("user", "assistant", "tool", "assistant");
        }
    }

    private static LineReader lines(String input) {
        return new LineReader(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)), TextInput.MOST_BYTES);
    }

    @Test
    void whatTakesACallBackForgetsIt() {
        String last = prompt(answers("Where to?\n/undo\nAnd now?\n").getLast());
        assertThat(last).isEqualTo("User: And now?\n\nAssistant:");
        last = prompt(answers("Where to?\n/regenerate\nIt rained.\n").getLast());
        assertThat(last).as("another call").endsWith("Tool: It rained.\n\nAssistant:");
    }
}
