package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Holds a conversation. */
@Command(
        name = "chat",
        description =
                "Holds a conversation by the model's chat template. Without a terminal each line of standard input"
                        + " is a message, and the answers are printed. Lines that begin with / are commands: see /help.")
final class ChatCommand extends Subcommand {
    @Option(names = "--system", paramLabel = "TEXT", description = "Tells the model how to answer.")
    private String system = "";

    @Mixin
    private SamplingOptions sampling;

    @Mixin
    private TemplateOption template;

    @Mixin
    private TemplateOptions variables;

    @Mixin
    private RunOptions model;

    @Mixin
    private AdapterOption adapter;

    @Override
    public Integer call() throws IOException {
        sampling.check();
        Map<String, Object> more = variables.fields();
        ChatTemplate chosen = template.readOrPlain(model.folder());
        CausalLM loaded = adapter.addTo(model.load());
        loaded.requireTokenizer();
        loaded.warmUp(); // while the first message is written
        if (chosen.isPlain()) {
            stderr().println("chat template: expected one in the model's files, got none; the model gets a plain"
                    + " transcript (User: ..., Assistant: ...); give one with --template");
        }
        PagePool pool = loaded.decoder().pool();
        long context =
                pool.pageBytes() * PagePool.needed(loaded.decoder().config().contextLength());
        boolean atTerminal = !json && terminal().isPresent();
        try (Engine engine = new Engine(loaded, EngineOptions.DEFAULT.withPrefixBytes(context));
                ChatTerminal terminal = atTerminal ? new ChatTerminal() : null) {
            Chat chat = new Chat(engine, chosen, more, sampling, stdout(), stderr());
            chat.conversation.system(system);
            if (terminal == null) {
                chat.run(new LineReader(System.in, TextInput.MOST_BYTES), json);
            } else {
                chat.run(terminal);
            }
        }
        return 0;
    }
}
