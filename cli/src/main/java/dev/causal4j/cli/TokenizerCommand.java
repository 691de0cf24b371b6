package dev.causal4j.cli;

import picocli.CommandLine.Command;

/** The commands on tokenizers. */
@Command(
        name = "tokenizer",
        description = "Makes tokenizers and shows what they do.",
        subcommands = {
            TokenizerTrainCommand.class,
            TokenizerEncodeCommand.class,
            TokenizerDecodeCommand.class,
            TokenizerRenderCommand.class,
            TokenizerParseCommand.class
        })
final class TokenizerCommand {}
