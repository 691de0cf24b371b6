package dev.causal4j.cli;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Evaluates a model by the rules of other programs. */
@Command(
        name = "eval",
        description =
                "Evaluates a model by the rules of lm-evaluation-harness or of llama-perplexity, with digests that"
                        + " anybody can recompute.")
final class EvalCommand extends Subcommand {
    @Option(
            names = "--protocol",
            paramLabel = "NAME",
            description = "Whose rules: lm-eval or llama-perplexity; default: lm-eval.")
    private String protocol = "lm-eval";

    @Mixin
    private RunOptions model;

    @Mixin
    private LlamaPerplexityOptions perplexity;

    @Override
    public Integer call() throws IOException {
        boolean isPerplexity = protocol.equals(LlamaPerplexityOptions.NAME);
        refuse(
                perplexity.isGiven() && !isPerplexity,
                "protocol: expected llama-perplexity for these options, got none");
        return switch (protocol) {
            case "lm-eval" -> throw wrong("TASK: expected task files or names of tasks, got none");
            case LlamaPerplexityOptions.NAME -> perplexity.run(model, this);
            default -> throw wrong("protocol: expected lm-eval or llama-perplexity, got " + Visible.quoted(protocol));
        };
    }
}
