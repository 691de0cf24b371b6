package dev.causal4j.cli;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of tools that a model may call. */
final class ToolOptions extends SharedOptions {
    @Option(names = "--tools", paramLabel = "FILE", description = "A JSON list of the tools that may be called.")
    private @Nullable Path file;

    @Option(
            names = "--tool-choice",
            paramLabel = "C",
            description = "auto, required, none, or the name of the tool to call; default: auto.")
    private String choice = "auto";

    @Option(
            names = "--tool-format",
            paramLabel = "NAME",
            description = "How the model writes calls, such as hermes; default: as its chat template says.")
    private @Nullable String format;

    /** Reads the tools, and refuses those that cannot be offered. Returns what adds them to a format. */
    UnaryOperator<Chat.Format> read() throws IOException {
        refuse(file == null && !choice.equals("auto"), "tool-choice: expected --tools beside it, got none");
        Optional<ToolFormat> named =
                Optional.ofNullable(format).map(label -> Usage.of(spec, () -> ToolFormat.named(label)));
        List<ToolDefinition> tools = file == null ? List.of() : read(file);
        ToolChoice wanted = ToolChoice.parse(choice);
        ToolDefinition.check(tools, wanted);
        return plain -> named.map(plain::withToolFormat).orElse(plain).withTools(tools, wanted);
    }

    static List<ToolDefinition> read(Path file) throws IOException {
        return Document.list(file).stream().map(ToolDefinition::new).toList();
    }

    /** Puts the parts of an answer into a document; null for those that it has not. */
    static void put(Document document, Answer answer) {
        document.put("content", answer.content().isEmpty() ? null : answer.content())
                .put("reasoning_content", answer.reasoning().isEmpty() ? null : answer.reasoning())
                .put(
                        "tool_calls",
                        answer.calls().stream().map(ToolOptions::document).toList())
                .put("finish_reason", answer.finishReason());
    }

    private static Document document(ToolCall call) {
        return new Document().put("id", call.id()).put("name", call.name()).put("arguments", call.arguments());
    }
}
