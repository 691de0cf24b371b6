package dev.causal4j.cli;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Whitespace;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of commands that hold a text to a form, of one kind at most. */
final class ConstraintOptions extends SharedOptions {
    @Option(
            names = "--json-schema",
            paramLabel = "F",
            description = "JSON that the JSON Schema in a file allows; - reads it from standard input.")
    private @Nullable String schema;

    @Option(names = "--json-object", description = "A JSON object.")
    private boolean object;

    @Option(names = "--regex", paramLabel = "R", description = "A text that a regular expression matches as a whole.")
    private @Nullable String regex;

    @Option(
            names = "--grammar",
            paramLabel = "F",
            description = "A text of the grammar in a file, in llama.cpp's GBNF; - reads it from standard input.")
    private @Nullable String grammar;

    @Option(names = "--choice", paramLabel = "TEXT", description = "Exactly TEXT; repeated, one of several.")
    private List<String> choices = List.of();

    @Option(
            names = "--whitespace",
            paramLabel = "W",
            description = "White space in JSON: flexible, compact for none, or spaced for one after , and :; default:"
                    + " flexible, spaced for texts of a model without a chat template.")
    private @Nullable Whitespace whitespace;

    private String document = ""; // the schema that was read
    private @Nullable Constraint constraint;

    /** Reads the files, and refuses what cannot be held. Returns the constraint; null for none. */
    @Nullable
    Constraint read() throws IOException {
        long kinds = Stream.of(schema != null, object, regex != null, grammar != null, !choices.isEmpty())
                .filter(given -> given)
                .count();
        refuse(
                kinds > 1,
                "constraint: expected one of --json-schema, --json-object, --regex, --grammar and --choice, got several");
        refuse(
                whitespace != null && schema == null && !object,
                "whitespace: expected --json-schema or --json-object beside it, got none");
        if (schema != null || object) {
            document = schema == null ? "{\"type\": \"object\"}" : TextInput.fileOrInput(schema);
            constraint = Constraint.schema(document, whitespace == null ? Whitespace.FLEXIBLE : whitespace);
        } else if (regex != null) {
            constraint = Constraint.regex(regex);
        } else if (grammar != null) {
            constraint = Constraint.grammar(TextInput.fileOrInput(grammar));
        } else if (!choices.isEmpty()) {
            constraint = Constraint.choice(choices);
        }
        if (constraint != null) {
            constraint.ignored(); // throws
        }
        return constraint;
    }

    /** Sets the white space of documents that a model writes, unless it was given. */
    void whitespace(boolean plain) {
        if (plain && whitespace == null && !document.isEmpty()) {
            constraint = Constraint.schema(document, Whitespace.SPACED);
        }
    }

    /** Adds the constraint that was read; documents report its cost to the model. */
    GenerationOptions addTo(GenerationOptions options) {
        if (constraint == null) {
            return options;
        }
        boolean measured = spec.findOption("--json").getValue();
        return (measured ? options.withLogProbabilities(0) : options).withConstraint(constraint);
    }

    /** Adds how a generation met the constraint. */
    Document addTo(Document document, Generation generation) {
        generation.constrained().ifPresent(met -> {
            double[] micros = met.maskNanos().stream()
                    .mapToDouble(nanos -> nanos / 1e3)
                    .sorted()
                    .toArray();
            document.put(
                    "constraint",
                    new Document()
                            .put("complete", met.complete())
                            .put("lost_log_probability", met.lostLogProbability())
                            .put("masks", micros.length)
                            .put("mask_micros_p50", micros[micros.length / 2])
                            .put("mask_micros_p99", micros[micros.length * 99 / 100])
                            .put("ignored", ignored()));
        });
        return document;
    }

    /** Parts of the constraint that have no effect. */
    List<String> ignored() {
        return constraint == null ? List.of() : constraint.ignored();
    }
}
