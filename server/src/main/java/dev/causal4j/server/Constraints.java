package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Whitespace;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** The constraint of a request, in the fields of OpenAI, vLLM and llama.cpp. Used by one thread. */
final class Constraints {
    private static final String OBJECT = "{\"type\": \"object\"}";
    private static final List<String> UNSUPPORTED =
            List.of("guided_whitespace_pattern", "grammar_lazy", "grammar_triggers");
    private static final List<String> UNSUPPORTED_OUTPUTS =
            List.of("whitespace_pattern", "structural_tag", "disable_any_whitespace", "disable_additional_properties");

    /**
     * A constraint.
     *
     * @param param the field that asks for it
     */
    record Wanted(String param, Constraint constraint) {}

    private final List<Wanted> wanted = new ArrayList<>();
    private final Whitespace whitespace;

    private Constraints(Whitespace whitespace) {
        this.whitespace = whitespace;
    }

    /**
     * Reads the fields of a request.
     *
     * @param whitespace of documents
     * @throws ApiError if a field is wrong, or there is more than one constraint
     */
    static Optional<Wanted> read(JsonIn in, Whitespace whitespace) {
        in.refuse(UNSUPPORTED);
        Constraints all = new Constraints(whitespace);
        in.object("response_format").ifPresent(all::addFormat);
        in.object("structured_outputs").ifPresent(outputs -> {
            outputs.refuse(UNSUPPORTED_OUTPUTS);
            all.addEach(outputs, "");
            if (outputs.bool("json_object", false)) {
                all.add(outputs.path("json_object"), Constraint.schema(OBJECT, whitespace));
            }
        });
        all.addEach(in, "guided_");
        all.addText(in, "grammar", Constraint::grammar);
        all.addSchema(in, "json_schema");
        if (all.wanted.size() > 1) {
            String first = all.wanted.getFirst().param;
            throw ApiError.value(all.wanted.get(1).param, "one constraint at most, as " + first, all.wanted.size());
        }
        return all.wanted.stream().findFirst();
    }

    /**
     * Adds a constraint to options.
     *
     * @throws ApiError if another option is not for texts under a constraint
     */
    static GenerationOptions add(GenerationOptions options, Optional<Constraint> wanted) {
        if (wanted.isEmpty()) {
            return options;
        }
        Setting ngram = Setting.NO_REPEAT_NGRAM_SIZE;
        if (options.number(ngram).intValue() > 0) {
            throw ApiError.value(ngram.snake(), "0 beside a constraint", options.number(ngram));
        }
        return options.withConstraint(wanted.get());
    }

    private void add(String param, Constraint constraint) {
        wanted.add(new Wanted(param, constraint));
    }

    /** OpenAI's field; llama.cpp knows a schema beside {@code json_object}, too. */
    private void addFormat(JsonIn format) {
        String type = format.string("type").orElse("");
        switch (type) {
            case "text" -> {}
            case "json_object" -> {
                if (!addSchema(format, "schema")) {
                    add(format.path("type"), Constraint.schema(OBJECT, whitespace));
                }
            }
            case "json_schema" -> {
                JsonIn schema = format.requiredObject("json_schema");
                if (!addSchema(schema, "schema")) {
                    throw ApiError.type(schema.path("schema"), "a JSON Schema", schema.value("schema"));
                }
            }
            default -> throw ApiError.value(format.path("type"), "text, json_object or json_schema", type);
        }
    }

    private void addEach(JsonIn in, String prefix) {
        addSchema(in, prefix + "json");
        addText(in, prefix + "regex", Constraint::regex);
        addText(in, prefix + "grammar", Constraint::grammar);
        if (in.has(prefix + "choice")) {
            add(in.path(prefix + "choice"), Constraint.choice(in.strings(prefix + "choice", Limits.TEXT_CHOICES)));
        }
    }

    private void addText(JsonIn in, String key, Function<String, Constraint> constraint) {
        in.string(key).filter(text -> !text.isEmpty()).ifPresent(text -> add(in.path(key), constraint.apply(text)));
    }

    /** Adds a schema, given as JSON or as a text of it; false if there is none. */
    private boolean addSchema(JsonIn in, String key) {
        Object schema = in.value(key);
        if (schema != null) {
            String text = schema instanceof String own ? own : new String(Json.write(schema), StandardCharsets.UTF_8);
            add(in.path(key), Constraint.schema(text, whitespace));
        }
        return schema != null;
    }
}
