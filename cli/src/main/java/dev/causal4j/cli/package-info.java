/**
 * The command line: one class a command, each of which parses, calls the library and prints. What is common to all
 * (options of a model, errors of one line, exit status) is in {@link dev.causal4j.cli.Main} and {@code ModelOptions}.
 */
@NullMarked
package dev.causal4j.cli;

import org.jspecify.annotations.NullMarked;
