/**
 * The command line: one class a command, each of which parses, calls the library and prints. {@link dev.causal4j.cli.Main}
 * finds the command and turns what it throws into one line and an exit status; {@code Usage} makes the errors of wrong use.
 * {@code ModelOptions}, {@code DataOptions} and {@code LinesOptions} are options that commands share, {@code TextInput} and
 * {@code LineReader} read what comes from outside, {@code Json} and {@code Progress} are for programs and for people.
 * Scores are shown by {@code ScoreTable} and {@code ScoreDocument}, and in bulk by {@code ScoreLines}.
 */
@NullMarked
package dev.causal4j.cli;

import org.jspecify.annotations.NullMarked;
