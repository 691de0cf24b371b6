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
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of tools that a model may call. */
final class ToolOptions {
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

    boolean areGiven() {
        return file != null;
    }

    /** The format with these tools. */
    Chat.Format addTo(Chat.Format plain) throws IOException {
        Chat.Format chosen = format == null ? plain : plain.withToolFormat(ToolFormat.named(format));
        return file == null ? chosen : chosen.withTools(read(file), ToolChoice.parse(choice));
    }

    static List<ToolDefinition> read(Path file) throws IOException {
        return Document.list(file).stream().map(ToolDefinition::new).toList();
    }

    /** What an answer means; null for parts that it has not. */
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
