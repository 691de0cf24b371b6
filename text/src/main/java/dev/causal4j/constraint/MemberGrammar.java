package dev.causal4j.constraint;

import static dev.causal4j.constraint.Grammar.EMPTY;
import static dev.causal4j.constraint.Grammar.choice;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.chat.ToolFormat.Form;
import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import dev.causal4j.json.Json;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Arguments that are written one by one, each as text between marks, as a literal of Python or in the form of FunctionGemma
 * and Gemma 4. Values of other types than string are JSON, in Python with its True, False and None. Not thread-safe.
 */
final class MemberGrammar {
    private static final Pattern KEY = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_.-]{0,255}");

    private final FreeText free;
    private final Terms terms;
    private final ToolFormat format;
    private final Form form;
    private final ToolDefinition tool;
    private final Subschema root;
    private final Rules rules;
    private final SchemaGrammar json;
    private final JsonTerms raw;
    private final SchemaReader rawReader; // of values whose strings are as they are
    private final SchemaReader reader; // of the arguments
    private final Map<List<Subschema>, Call> values = new HashMap<>(); // values that are no JSON

    /**
     * @param schema of an object
     * @param ignored receives what has no effect
     */
    MemberGrammar(FreeText free, ToolFormat format, Form form, Map<String, ?> schema, List<String> ignored) {
        this.free = free;
        this.terms = free.terms;
        this.rules = new Rules(terms, null, ignored);
        this.format = format;
        this.form = form;
        this.tool = new ToolDefinition(Map.of("parameters", schema));
        boolean isText = format.quote().isEmpty();
        String end = isText ? form.member().split("\\$value", -1)[1].strip() : format.quote();
        SchemaDocument document = new SchemaDocument(JsonSchema.read(Json.write(schema)));
        root = document.root();
        raw = new JsonTerms(terms, Whitespace.COMPACT, Spelling.RAW, end, false);
        rawReader = new SchemaReader(document, raw, false, ignored);
        JsonTerms plain = new JsonTerms(terms, Whitespace.FLEXIBLE, Spelling.PLAIN, end, format.writesPython());
        SchemaReader plainReader = new SchemaReader(document, plain, false, ignored);
        json = new SchemaGrammar(plain, plainReader, rules);
        reader = isText ? plainReader : rawReader;
    }

    /** A schema of the properties of a tool, whatever else its own says. */
    static Map<String, Object> names(ToolFormat format, ToolDefinition tool) {
        Map<?, ?> properties = tool.parameters().get("properties") instanceof Map<?, ?> all ? all : Map.of();
        Map<String, Object> names = new LinkedHashMap<>();
        properties.keySet().forEach(key -> {
            Set<String> types = format.quote().isEmpty() ? tool.textTypes((String) key) : Set.of("string");
            if (KEY.matcher((String) key).matches()) {
                names.put((String) key, types.isEmpty() ? Map.of() : Map.of("type", List.copyOf(types)));
            }
        });
        return new LinkedHashMap<>(Map.of("type", "object", "properties", names));
    }

    /** The arguments that the schema allows: its properties in their order, and no others. */
    Grammar grammar() {
        Call arguments = rules.reserve("");
        rules.set(
                arguments,
                choice(reader.read(List.of(root)).stream()
                        .filter(Members.class::isInstance)
                        .map(shape -> object((Members) shape))
                        .toList()));
        json.finish();
        return Rewriting.of(rules.grammar(), terms, "schema");
    }

    private Expression object(Members members) {
        Map<String, List<Subschema>> named = reader.shapes.named(members);
        if (members.min() > members.required().size() || members.max() < named.size()) {
            throw refusal("no counts of arguments that stand one by one", "some");
        }
        Expression first = EMPTY; // the members that are left, of which none was before
        Expression rest = first; // the same after others
        int following = 0; // members that can come next
        for (Map.Entry<String, List<Subschema>> each :
                List.copyOf(named.entrySet()).reversed()) {
            boolean isRequired = members.required().contains(each.getKey());
            following = isRequired ? 1 : following + 1;
            Limits.check("schema", following, Limits.PROPERTIES, "properties that can follow at one place");
            Expression member = member(each.getKey(), each.getValue());
            Expression with = rules.add("", new Sequence(member, rest));
            Expression after = new Sequence(free.literal(form.comma()), with);
            first = rules.add("", isRequired ? with : new Choice(with, first));
            rest = rules.add("", isRequired ? after : new Choice(after, rest));
        }
        return first;
    }

    private Expression member(String key, List<Subschema> all) {
        if (!KEY.matcher(key).matches()) {
            throw refusal("names of letters, digits, _, - and .", FormatException.quote(key));
        }
        String[] around = form.member().replace("$key", key).split("\\$value", -1);
        return new Sequence(free.literal(around[0]), value(key, all), free.literal(around[1]));
    }

    /** Readers of calls know texts in the same way. */
    private Expression value(String key, List<Subschema> all) {
        boolean isText = !format.writesPython() && !tool.textTypes(key).isEmpty();
        return isText || !format.quote().isEmpty() ? nested(all) : json.values.of(all);
    }

    /** A value whose strings are as they are. */
    private Expression nested(List<Subschema> all) {
        Call known = values.get(all);
        if (known == null) {
            known = rules.reserve("");
            values.put(all, known); // before its parts, which may be of it
            rules.set(
                    known, choice(rawReader.read(all).stream().map(this::nested).toList()));
        }
        return known;
    }

    private Expression nested(Shape shape) {
        return switch (shape) {
            case Scalars scalars -> new Text(scalars.term());
            case Strings strings -> between(format.quote(), new Text(raw.term(strings)), format.quote());
            case Members members -> between("{", object(members), "}");
            case Items items -> between("[", list(items), "]");
        };
    }

    private Expression list(Items items) {
        if (!items.first().isEmpty() || items.unique() != null) {
            throw refusal("lists of items alike", "others");
        }
        if (items.max() == 0) {
            return EMPTY;
        }
        Expression item = nested(items.rest());
        Expression more = new Sequence(free.literal(","), item);
        int most = items.max() == Terms.UNBOUNDED ? Terms.UNBOUNDED : items.max() - 1;
        Expression some = new Sequence(item, new Repeat(more, Math.max(0, items.min() - 1), most));
        return items.min() > 0 ? some : Grammar.optional(some);
    }

    private Expression between(String open, Expression inside, String close) {
        return new Sequence(free.literal(open), inside, free.literal(close));
    }

    private static ConstraintException refusal(String expected, String got) {
        return new SchemaRefusal("", true, expected, got);
    }
}
