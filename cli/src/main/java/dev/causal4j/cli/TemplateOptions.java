package dev.causal4j.cli;

import java.util.Map;
import picocli.CommandLine.Option;

/** What commands give to a chat template besides messages. */
final class TemplateOptions {
    @Option(
            names = "--variables",
            paramLabel = "JSON",
            description = "More for the template, for instance '{\"enable_thinking\": false}'.")
    private String variables = "{}";

    Map<String, Object> fields() {
        return Json.fields("variables", Json.parse("variables", variables));
    }
}
