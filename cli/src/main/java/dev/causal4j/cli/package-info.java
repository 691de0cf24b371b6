/**
 * The command line: a class for each command, which parses, calls the library and prints. {@link dev.causal4j.cli.Main}
 * finds the command and turns exceptions into one line and an exit status; {@code Usage} makes errors of wrong usage.
 * Classes named {@code ...Options} are groups of options, and so is {@code TrainingData}. {@code TextInput} and {@code
 * LineReader} read input; a {@code Document} is a JSON object that is printed or read. {@code ScoreTable} and {@code
 * ScoreDocument} show scores, {@code ScoreLines} scores files.
 */
@NullMarked
package dev.causal4j.cli;

import org.jspecify.annotations.NullMarked;
