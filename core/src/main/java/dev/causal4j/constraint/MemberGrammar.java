package dev.causal4j.constraint;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.chat.ToolFormat.Form;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.format.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Arguments that stand one by one, each as text between marks, as a literal of Python or in the form of FunctionGemma and Gemma 4. Values of
 * other types than string are JSON. Not thread-safe.
 */
final class MemberGrammar {
    private static final Set<String> ANNOTATIONS = Set.of(
            "title",
            "description",
            "default",
            "examples",
            "deprecated",
            "readOnly",
            "writeOnly",
            "$comment",
            "$schema");
    private static final Set<String> DEFINITIONS = Set.of("$defs", "definitions");
    private static final Set<String> OBJECT = Set.of("type", "properties", "required", "additionalProperties");
    private static final Set<String> STRING =
            Set.of("type", "enum", "const", "minLength", "maxLength", "pattern", "format");
    private static final Set<String> LIST = Set.of("type", "items", "minItems", "maxItems");
    private static final Set<String> PLAIN = Set.of("integer", "number", "boolean", "null");
    private static final Pattern KEY = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_.-]{0,255}");

    private final CallGrammar calls;
    private final FreeText free;
    private final Terms terms;
    private final ToolFormat format;
    private final Form form;
    private final Map<String, Object> definitions = new LinkedHashMap<>();

    MemberGrammar(CallGrammar calls, FreeText free, ToolFormat format, Form form) {
        this.calls = calls;
        this.free = free;
        this.terms = free.terms;
        this.format = format;
        this.form = form;
    }

    /** The arguments that a schema allows: its properties in their order. */
    Expression of(Map<?, ?> schema) {
        DEFINITIONS.stream().filter(schema::containsKey).forEach(key -> definitions.put(key, schema.get(key)));
        return object(schema);
    }

    /** The arguments of the names in a schema, whatever else it says. */
    Expression any(Map<?, ?> schema) {
        Map<String, Object> names = new LinkedHashMap<>();
        properties(schema).forEach((key, value) -> {
            boolean string =
                    !format.quote().isEmpty() || "string".equals(keywords(value).get("type"));
            if (KEY.matcher((String) key).matches()) {
                names.put((String) key, string ? Map.of("type", "string") : Map.of());
            }
        });
        return object(Map.of("properties", names));
    }

    private static Map<?, ?> properties(Map<?, ?> schema) {
        return schema.get("properties") instanceof Map<?, ?> properties ? properties : Map.of();
    }

    private static Map<?, ?> keywords(@Nullable Object schema) {
        return schema instanceof Map<?, ?> keywords ? keywords : Map.of();
    }

    private static List<?> list(@Nullable Object value) {
        return value instanceof List<?> list ? list : List.of();
    }

    private Expression object(Map<?, ?> schema) {
        check(schema, OBJECT);
        List<?> required = list(schema.get("required"));
        Map<?, ?> properties = properties(schema);
        if (!properties.keySet().containsAll(required)) {
            throw refusal("required properties that are described", "others");
        }
        Expression first = Grammar.EMPTY; // the members that are left, of which none was before
        Expression rest = first; // the same behind others
        int following = 0; // members that can come next
        for (Map.Entry<?, ?> each : List.copyOf(properties.entrySet()).reversed()) {
            boolean isRequired = required.contains(each.getKey());
            following = isRequired ? 1 : following + 1;
            Limits.check("schema", following, Limits.PROPERTIES, "properties that can follow at one place");
            Expression member = member((String) each.getKey(), each.getValue());
            Expression with = calls.rule(new Sequence(List.of(member, rest)));
            Expression behind = new Sequence(List.of(free.literal(form.comma()), with));
            first = calls.rule(isRequired ? with : new Choice(List.of(with, first)));
            rest = calls.rule(isRequired ? behind : new Choice(List.of(behind, rest)));
        }
        return first;
    }

    private Expression member(String key, @Nullable Object schema) {
        if (!KEY.matcher(key).matches()) {
            throw refusal("names of letters, digits, _, - and .", FormatException.quote(key));
        }
        String[] around = form.member().replace("$key", key).split("\\$value", -1);
        return new Sequence(
                List.of(free.literal(around[0]), value(keywords(schema), around[1].strip()), free.literal(around[1])));
    }

    /** @param end what no text or string contains, since it ends the value */
    private Expression value(Map<?, ?> schema, String end) {
        Object type = schema.get("type");
        boolean isString = "string".equals(type);
        if (format.writesPython() && "boolean".equals(type) && !schema.containsKey("enum")) {
            return new Text(terms.or(free.bytes("True"), free.bytes("False")));
        }
        if (format.writesPython() && "null".equals(type)) {
            return new Text(free.bytes("None"));
        }
        String quote = format.quote();
        if (!quote.isEmpty()) {
            return isString
                    ? new Sequence(List.of(free.literal(quote), string(schema, quote), free.literal(quote)))
                    : nested(schema);
        }
        return isString && !format.writesPython() ? string(schema, end) : json(schema, end);
    }

    /** A value in the form of FunctionGemma and Gemma 4 that is no string. */
    private Expression nested(Map<?, ?> schema) {
        Object type = schema.get("type");
        if (PLAIN.contains(String.valueOf(type))) {
            return json(schema, "");
        }
        if ("object".equals(type)) {
            return new Sequence(List.of(free.literal("{"), object(schema), free.literal("}")));
        }
        if (!"array".equals(type)) {
            throw refusal("values of one type", Json.describe(type));
        }
        check(schema, LIST);
        Expression item = calls.rule(value(keywords(schema.get("items")), ""));
        int least = schema.get("minItems") instanceof Integer number ? number : 0;
        int most = schema.get("maxItems") instanceof Integer number ? number : Terms.UNBOUNDED;
        Expression more = new Sequence(List.of(free.literal(","), item));
        Expression items = most == 0
                ? Grammar.EMPTY
                : new Sequence(List.of(
                        item, new Repeat(more, Math.max(0, least - 1), most == Terms.UNBOUNDED ? most : most - 1)));
        return new Sequence(List.of(free.literal("["), least > 0 ? items : Grammar.optional(items), free.literal("]")));
    }

    private Expression json(Map<?, ?> schema, String end) {
        Map<String, Object> whole = new LinkedHashMap<>(definitions);
        schema.forEach((key, value) -> whole.put((String) key, value));
        return calls.json(whole, end);
    }

    /** A string as it is, without quotes. */
    private Expression string(Map<?, ?> schema, String end) {
        check(schema, STRING);
        int least = schema.get("minLength") instanceof Integer number ? number : 0;
        int most = schema.get("maxLength") instanceof Integer number ? number : Terms.UNBOUNDED;
        List<Term> all = new ArrayList<>();
        all.add(terms.repeat(terms.characters(CodePoints.ALL, Spelling.RAW), least, most));
        all.add(terms.not(terms.concat(terms.all, free.bytes(end), terms.all)));
        if (schema.containsKey("enum")) {
            all.add(texts(list(schema.get("enum"))));
        }
        if (schema.containsKey("const")) {
            all.add(texts(List.of(schema.get("const"))));
        }
        if (schema.get("pattern") instanceof String pattern) {
            all.add(Regex.search(terms, pattern, Spelling.RAW, "pattern"));
        }
        String shape = Formats.PATTERNS.get(String.valueOf(schema.get("format")));
        if (shape != null) {
            all.add(Regex.whole(terms, shape, Spelling.RAW, "format"));
        }
        Term text = terms.and(all.toArray(Term[]::new));
        if (!terms.live(text)) {
            throw refusal("a string that some text meets", "one that none can");
        }
        return new Text(text);
    }

    private Term texts(List<?> values) {
        return terms.or(values.stream()
                .filter(String.class::isInstance)
                .map(value -> free.bytes((String) value))
                .toList());
    }

    private static void check(Map<?, ?> schema, Set<String> known) {
        for (Object key : schema.keySet()) {
            if (!known.contains(key) && !ANNOTATIONS.contains(key) && !DEFINITIONS.contains(key)) {
                throw refusal(
                        "keywords of arguments that stand one by one", FormatException.quote(String.valueOf(key)));
            }
        }
    }

    private static ConstraintException refusal(String expected, String got) {
        return new SchemaRefusal("", true, expected, got);
    }
}
