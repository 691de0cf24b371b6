package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolDefinition;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows what a chat template makes of a conversation. */
@Command(name = "render", description = "Shows the text that a model's chat template makes of a conversation.")
final class TokenizerRenderCommand extends Subcommand {
    @Mixin
    private TemplateOption template;

    @Option(
            names = "--model",
            paramLabel = "PATH",
            description = "Folder or GGUF file with a template, or with the special tokens for that of --template.")
    private @Nullable Path model;

    @Option(
            names = "--messages",
            paramLabel = "FILE",
            required = true,
            description = "A JSON list of messages, each with role and content.")
    @SuppressWarnings("NullAway.Init")
    private Path messages;

    @Option(names = "--tools", paramLabel = "FILE", description = "A JSON list of the tools that may be called.")
    private @Nullable Path tools;

    @Option(
            names = "--no-generation-prompt",
            description = "End after the last message, without the beginning of an answer.")
    private boolean complete;

    @Mixin
    private TemplateOptions variables;

    @Override
    public Integer call() throws IOException {
        Map<String, ?> more = variables.fields();
        refuse(!template.isGiven() && model == null, "template: expected --template or --model, got neither");
        ChatTemplate chosen = template.require(model);
        List<Message> conversation =
                Document.list(messages).stream().map(Message::new).toList();
        List<ToolDefinition> known = tools == null ? null : ToolOptions.read(tools);
        String text = chosen.render(conversation, known, !complete, more).text();
        PrintWriter to = stdout();
        if (json) {
            to.println(new Document().put("text", text));
        } else {
            to.print(Streaming.shown(text));
            to.flush();
        }
        return 0;
    }
}
