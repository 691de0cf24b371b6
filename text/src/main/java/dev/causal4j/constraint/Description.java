package dev.causal4j.constraint;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A constraint as texts, as they come from outside. Immutable.
 *
 * @param kind the name of the method that makes it
 * @param values the parameters of the method
 * @param parts the constraints that it is made of
 */
record Description(String kind, List<String> values, List<Constraint> parts) {
    static Description of(Json json) throws FormatException {
        List<Constraint> parts = new ArrayList<>();
        for (Json part : json.objects("parts")) {
            parts.add(of(part).constraint());
        }
        return new Description(json.requireString("kind"), json.strings("values"), parts);
    }

    Constraint constraint() throws FormatException {
        try {
            return switch (kind) {
                case "regex" -> Constraint.regex(values.get(0));
                case "choice" -> Constraint.choice(values);
                case "grammar" -> Constraint.grammar(values.get(0));
                case "schema" ->
                    Constraint.schema(
                            values.get(0), Whitespace.valueOf(values.get(1)), Boolean.parseBoolean(values.get(2)));
                case "sequence" -> Constraint.sequence(parts.toArray(Constraint[]::new));
                case "anyOf" -> Constraint.anyOf(parts.toArray(Constraint[]::new));
                case "repeat" ->
                    Constraint.repeat(parts.get(0), Integer.parseInt(values.get(0)), Integer.parseInt(values.get(1)));
                case "mark" -> Constraint.mark(values.get(0));
                case "after" -> Constraint.after(values.get(0), parts.get(0));
                case "answer" -> answer(values.get(4).split(" ", -1));
                default -> throw new IllegalArgumentException("no such kind");
            };
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            String got = String.valueOf(e.getMessage());
            String subject = "constraint " + FormatException.quote(kind);
            throw new FormatException(subject, "a description", got, "is it damaged?", e);
        }
    }

    private Constraint answer(String... flags) throws FormatException {
        byte[] wrapped = ("{\"tools\":" + values.get(1) + "}").getBytes(StandardCharsets.UTF_8);
        List<ToolDefinition> tools = new ArrayList<>();
        for (Json tool : new Json("constraint", Json.exactTree("tools", wrapped)).objects("tools")) {
            Map<String, Object> fields = new LinkedHashMap<>();
            tool.root().forEach((name, value) -> fields.put((String) name, value));
            tools.add(new ToolDefinition(fields));
        }
        return Constraint.answer(
                ToolFormat.named(values.get(0)),
                tools,
                new ToolChoice(Kind.valueOf(values.get(2)), values.get(3), Boolean.parseBoolean(flags[0])),
                Boolean.parseBoolean(flags[1]),
                Boolean.parseBoolean(flags[2]),
                parts.stream().findFirst());
    }
}
