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
import java.util.Objects;

/**
 * A constraint as values, as they come from outside. Immutable.
 *
 * @param kind the name of the method that makes it
 * @param values texts, whole numbers and booleans, in the order of the method's parameters
 * @param parts the constraints that it is made of
 */
record Description(String kind, List<?> values, List<Constraint> parts) {
    static Description of(Map<?, ?> json) throws FormatException {
        Json read = new Json("constraint", json);
        List<Constraint> parts = new ArrayList<>();
        for (Json part : read.objects("parts")) {
            parts.add(of(part.root()).constraint());
        }
        List<?> values = json.get("values") instanceof List<?> list ? list : null;
        read.check("values", values != null, "a list");
        return new Description(read.requireString("kind"), Objects.requireNonNull(values), List.copyOf(parts));
    }

    Constraint constraint() throws FormatException {
        Constraint[] all = parts.toArray(Constraint[]::new);
        try {
            return switch (kind) {
                case "regex" -> Constraint.regex(text(0));
                case "choice" -> Constraint.choice(texts());
                case "grammar" -> Constraint.grammar(text(0));
                case "schema" -> Constraint.schema(text(0), Whitespace.valueOf(text(1)), flag(2));
                case "sequence" -> Constraint.sequence(all);
                case "anyOf" -> Constraint.anyOf(all);
                case "repeat" -> Constraint.repeat(only(), value(0, Integer.class), value(1, Integer.class));
                case "mark" -> Constraint.mark(text(0));
                case "after" -> Constraint.after(text(0), only());
                case "answer" -> answer();
                default -> throw wrong("a known kind", "another");
            };
        } catch (IllegalArgumentException e) {
            throw wrong("other values", String.valueOf(e.getMessage()));
        }
    }

    private Constraint answer() throws FormatException {
        byte[] wrapped = ("{\"tools\":" + text(1) + "}").getBytes(StandardCharsets.UTF_8);
        List<ToolDefinition> tools = new ArrayList<>();
        for (Json tool : new Json("tools", Json.exactTree("tools", wrapped)).objects("tools")) {
            Map<String, Object> fields = new LinkedHashMap<>();
            tool.root().forEach((name, value) -> fields.put((String) name, value));
            tools.add(new ToolDefinition(fields));
        }
        ToolChoice choice = new ToolChoice(Kind.valueOf(text(2)), text(3), flag(4));
        return Constraint.answer(
                ToolFormat.named(text(0)),
                tools,
                choice,
                flag(5),
                flag(6),
                parts.stream().findFirst());
    }

    private List<String> texts() throws FormatException {
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            texts.add(text(i));
        }
        return texts;
    }

    private String text(int i) throws FormatException {
        return value(i, String.class);
    }

    private boolean flag(int i) throws FormatException {
        return value(i, Boolean.class);
    }

    private Constraint only() throws FormatException {
        if (parts.size() == 1) {
            return parts.getFirst();
        }
        throw wrong("one part", parts.size() + "");
    }

    private <T> T value(int i, Class<T> type) throws FormatException {
        Object value = i < values.size() ? values.get(i) : null;
        if (type.isInstance(value)) {
            return type.cast(value);
        }
        throw wrong("value " + i + " of type " + type.getSimpleName(), Json.describe(value));
    }

    private FormatException wrong(String expected, String got) {
        return new FormatException("constraint " + FormatException.quote(kind), expected, got, "is it damaged?");
    }
}
