package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolDefinition;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows what a chat template makes of a conversation. */
@Command(
        name = "render",
        description = "Shows the text that a model's chat template makes of a conversation.",
        sortOptions = false)
final class TokenizerRenderCommand extends Subcommand {
    static final class Source {
        @Option(names = "--template", paramLabel = "FILE", description = "A chat template.")
        private @Nullable Path template;

        @Option(names = "--model", paramLabel = "PATH", description = "Folder or GGUF file with a template.")
        private @Nullable Path model;

        ChatTemplate read() throws IOException {
            if (template != null) {
                return ChatTemplate.parse(template.toString(), TextInput.file(template), Map.of());
            }
            Path folder = Objects.requireNonNull(model);
            return ChatTemplate.read(folder)
                    .orElseThrow(() -> new IOException(folder + ": expected a model with a chat template, got none;"
                            + " give one with --template"));
        }
    }

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    private Source source;

    @Option(
            names = "--messages",
            paramLabel = "FILE",
            required = true,
            description = "A JSON list of messages, each with role and content.")
    @SuppressWarnings("NullAway.Init")
    private Path messages;

    @Option(names = "--tools", paramLabel = "FILE", description = "A JSON list of the tools that may be called.")
    private @Nullable Path tools;

    @Option(names = "--no-generation-prompt", description = "End with the last message, not with an answer's begin.")
    private boolean complete;

    @Mixin
    private TemplateOptions variables;

    @Option(names = "--json", description = "Print one JSON document and nothing else.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        Map<String, ?> more = variables.fields();
        List<Message> conversation = Json.list(messages).map(Message::new).toList();
        List<ToolDefinition> known =
                tools == null ? null : Json.list(tools).map(ToolDefinition::new).toList();
        String text = source.read().render(conversation, known, !complete, more).text();
        PrintWriter to = stdout();
        if (json) {
            Json.print(to, Json.object().put("text", text));
        } else {
            to.print(text);
            to.flush();
        }
        return 0;
    }
}
