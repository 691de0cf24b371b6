package dev.causal4j.cli;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Evaluates a model by the rules of other programs. */
@Command(
        name = "eval",
        description = "Evaluates a model by the rules of lm-evaluation-harness or of llama-perplexity, with digests that"
                + " anybody can recompute.")
final class EvalCommand extends Subcommand {
    @Option(
            names = "--protocol",
            paramLabel = "NAME",
            description = "Whose rules: lm-eval or llama-perplexity; default: lm-eval.")
    private String protocol = "lm-eval";

    @Mixin
    private RunOptions model;

    @Override
    public Integer call() throws IOException {
        return switch (protocol) {
            case "lm-eval" -> throw wrong("TASK: expected task files or names of tasks, got none");
            // Add --protocol llama-perplexity here: a mixin with its options, and a case that runs it with the model.
            default -> throw wrong("protocol: expected lm-eval or llama-perplexity, got " + Visible.quoted(protocol));
        };
    }
}
