package dev.causal4j.constraint;

import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.chat.ToolFormat.Form;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.json.Json;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Calls of tools, with arguments that obey the tools' schemas. Not thread-safe. */
final class CallGrammar {
    private static final Logger LOG = System.getLogger(CallGrammar.class.getName());
    private static final Pattern HOLE = Pattern.compile("\\$arguments|\\$members|\\$id|«|»");

    private final FreeText free;
    private final Rules rules;
    private final ToolFormat format;
    private final Map<ToolDefinition, Expression> arguments = new HashMap<>();

    /** @param rules receives those of the calls */
    CallGrammar(FreeText free, ToolFormat format, Rules rules) {
        this.free = free;
        this.format = format;
        this.rules = rules;
    }

    /** A call up to its arguments. */
    static String head(Form form, ToolDefinition tool) {
        return HOLE.split(form.call(), 2)[0].replace("$name", tool.name());
    }

    /** A call of a tool. */
    Expression call(Form form, ToolDefinition tool) {
        String call = form.call().replace("$name", tool.name());
        List<Expression> all = new ArrayList<>();
        List<Expression> optional = new ArrayList<>();
        List<Expression> parts = all;
        int done = 0;
        Matcher hole = HOLE.matcher(call);
        while (hole.find()) {
            parts.add(free.literal(call.substring(done, hole.start())));
            switch (hole.group()) {
                case "$arguments", "$members" ->
                    parts.add(arguments.computeIfAbsent(tool, each -> arguments(form, each, true)));
                case "$id" -> parts.add(new Text(Regex.whole(rules.terms, "[a-zA-Z0-9]{9}", Spelling.RAW, "id")));
                case "«" -> parts = optional;
                default -> {
                    all.add(Grammar.optional(new Sequence(List.copyOf(optional))));
                    optional.clear();
                    parts = all;
                }
            }
            done = hole.end();
        }
        all.add(free.literal(call.substring(done)));
        return new Sequence(all);
    }

    /** @param exact whether its schema is held as a whole; if not, what cannot be held is left out */
    private Expression arguments(Form form, ToolDefinition tool, boolean exact) {
        Map<String, Object> schema = objectSchema(tool);
        try {
            if (form.member().isEmpty()) {
                String text = new String(Json.write(schema), StandardCharsets.UTF_8);
                // Without a format the model learnt no calls: it might write nothing but white space.
                Whitespace whitespace = format == ToolFormat.NONE ? Whitespace.SPACED : Whitespace.FLEXIBLE;
                return rules.add(new JsonSchema(text, whitespace, !exact));
            }
            Map<String, ?> held = exact ? schema : MemberGrammar.names(format, tool);
            return rules.add(
                    (terms, vocabulary, ignored) -> new MemberGrammar(free, format, form, held, ignored).grammar());
        } catch (ConstraintException e) {
            if (!exact || tool.strict() || !(e instanceof SchemaRefusal refusal && refusal.whole)) {
                throw new ConstraintException("tool " + tool.name(), e);
            }
            LOG.log(Level.WARNING, "tool {0}, {1}; what cannot be held is left out", tool.name(), e.getMessage());
            return arguments(form, tool, false);
        }
    }

    /** The schema of a tool's arguments, which are an object. */
    private static Map<String, Object> objectSchema(ToolDefinition tool) {
        Map<String, Object> schema = new LinkedHashMap<>();
        tool.parameters().forEach((key, value) -> schema.put((String) key, value));
        if (schema.isEmpty()) {
            schema.put("additionalProperties", false);
        }
        schema.putIfAbsent("type", "object");
        return schema;
    }
}
