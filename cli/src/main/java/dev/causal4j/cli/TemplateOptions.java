package dev.causal4j.cli;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import picocli.CommandLine.Option;

/** The variables of a chat template besides messages. */
final class TemplateOptions {
    @Option(
            names = "--variables",
            paramLabel = "JSON",
            description = "Variables of the template, for instance '{\"enable_thinking\": false}'.")
    private String variables = "{}";

    Map<String, Object> fields() {
        try {
            return Document.object("variables", Json.value("variables", variables.getBytes(StandardCharsets.UTF_8)));
        } catch (FormatException e) {
            String message = String.valueOf(e.getMessage()).replaceFirst("; is the file damaged\\?$", "");
            throw new IllegalArgumentException(message, e);
        }
    }
}
