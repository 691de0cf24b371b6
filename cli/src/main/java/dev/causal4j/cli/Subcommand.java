package dev.causal4j.cli;

import dev.causal4j.cli.LineReader.Named;
import dev.causal4j.json.Json;
import java.io.Console;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** A command: its options {@code --json} and the base for its output and errors. */
abstract class Subcommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // picocli injects it
    CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON document and nothing else.")
    boolean json;

    /** Standard output. */
    final PrintWriter stdout() {
        return spec.commandLine().getOut();
    }

    /** Standard error. */
    final PrintWriter stderr() {
        return spec.commandLine().getErr();
    }

    /** Prints a result: the document with {@code --json}, else the text. */
    final void print(Document document, String text) {
        stdout().println(json ? document : text);
    }

    /** Makes a document, or another text, of a line. */
    @FunctionalInterface
    interface Answering {
        /** Reads the line, and answers it in a line; the subject names it in errors. */
        Object answer(String subject, byte[] line) throws IOException;
    }

    /** Prints an answer to each line of a file, or of standard input for {@code -}, that is not blank. */
    final void answerLines(String in, Answering answering) throws IOException {
        try (InputStream bytes = TextInput.open(in)) {
            LineReader lines = new LineReader(bytes, TextInput.MOST_BYTES);
            Optional<Named> line = lines.nextFilled(TextInput.name(in));
            for (; line.isPresent() && !stdout().checkError(); line = lines.nextFilled(TextInput.name(in))) {
                stdout().println(answering.answer(
                        line.get().subject(), line.get().bytes()));
            }
        }
    }

    /** Prints a document for each text in the lines of a file, objects with a field "text". */
    final void answerTexts(String in, Function<String, Document> answering) throws IOException {
        answerLines(in, (subject, line) -> {
            if (Json.value(subject, line) instanceof Map<?, ?> object && object.get("text") instanceof String given) {
                return answering.apply(given);
            }
            throw new IOException(subject + ": expected an object with a string \"text\", got something else");
        });
    }

    /** The terminal, if input and output are both one. */
    static Optional<Console> terminal() {
        return Optional.ofNullable(System.console()).filter(Console::isTerminal);
    }

    /** Throws if the usage is wrong. */
    final void refuse(boolean wrong, String message) {
        Usage.refuse(spec, wrong, message);
    }

    /** An error to throw. */
    final ParameterException wrong(String message) {
        return Usage.wrong(spec, message);
    }
}
