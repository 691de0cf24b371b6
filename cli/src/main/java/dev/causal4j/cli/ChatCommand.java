package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import java.io.IOException;
import java.util.Map;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Holds a conversation. */
@Command(
        name = "chat",
        description =
                "Holds a conversation by the model's chat template. Without a terminal each line of standard input"
                        + " is a message, and the answers are printed. Lines that begin with / are commands: see /help.")
class ChatCommand extends Subcommand {
    @Option(names = "--system", paramLabel = "TEXT", description = "Tells the model how to answer.")
    private String system = "";

    @Mixin
    private SamplingOptions sampling;

    @Mixin
    private ConstraintOptions constraint;

    @Mixin
    private ToolOptions tools;

    @Mixin
    private TemplateOption template;

    @Mixin
    private TemplateOptions variables;

    @Mixin
    RunOptions model;

    @Mixin
    private AdapterOption adapter;

    @Mixin
    private final PrefixStoreOption prefixes = new PrefixStoreOption();

    @Mixin
    private ReceiptOptions receipts;

    @Override
    public Integer call() throws IOException, InterruptedException {
        try (prefixes) {
            return chat();
        }
    }

    private int chat() throws IOException {
        // Wrong usage is refused before anything is loaded.
        receipts.check();
        constraint.read();
        UnaryOperator<Chat.Format> offering = tools.read();
        sampling.build(GenerationOptions.DEFAULT.withMaxNewTokens(Chat.MAX_NEW_TOKENS));
        Map<String, Object> more = variables.fields();
        Checkpoint opened = model.open();
        ChatTemplate chosen = template.readOrPlain(opened);
        constraint.whitespace(chosen.isPlain());
        CausalLM loaded =
                prefixes.use(adapter.addTo(model.load(opened, prefixes.addTo(receipts.with(model.options())))));
        loaded.requireTokenizer();
        loaded.warmUp(); // while the first message is written
        if (chosen.isPlain()) {
            stderr().println("chat template: expected one in the model's files, got none; the model gets a plain"
                    + " transcript (User: ..., Assistant: ...); give one with --template");
        }
        Chat.Format format = offering.apply(Chat.Format.of(loaded, chosen).withVariables(more));
        ChatLoop loop = new ChatLoop(format, sampling, constraint, receipts, stdout(), stderr());
        loop.chat.system(system);
        if (json || terminal().isEmpty()) {
            loop.run(new LineReader(System.in, TextInput.MOST_BYTES), json);
        } else {
            try (ChatTerminal terminal = new ChatTerminal()) {
                loop.run(terminal);
            }
        }
        return 0;
    }
}
