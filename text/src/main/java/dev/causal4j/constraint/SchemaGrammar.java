package dev.causal4j.constraint;

import static dev.causal4j.constraint.Grammar.EMPTY;
import static dev.causal4j.constraint.Grammar.choice;

import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Others;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Writes the documents of a schema as a grammar: a rule for each schema that lists or objects have, one for each place in
 * an object. Not thread-safe.
 */
final class SchemaGrammar {
    private static final String NAME = "the schema at "; // of rules in errors
    private static final int HASHED_PARTS = 8; // in a step

    private final JsonTerms json;
    private final SchemaReader reader;
    private final Rules rules;
    private String at = ""; // the place that is written
    /** The values that all schemas of a list allow. Lists and objects are written later, so that recursion ends. */
    final Memo<List<Subschema>, Expression> values = new Memo<>(this::write);

    private final Memo<Shape, Expression> shapes = new Memo<>(this::write);
    private final Deque<Runnable> open = new ArrayDeque<>();

    /** @param rules receives those of the documents */
    SchemaGrammar(JsonTerms json, SchemaReader reader, Rules rules) {
        this.json = json;
        this.reader = reader;
        this.rules = rules;
    }

    private Expression write(List<Subschema> all) {
        List<Shape> alternatives = reader.read(all);
        if (alternatives.stream().allMatch(shape -> shape instanceof Scalars || shape instanceof Strings)) {
            return choice(alternatives.stream().map(this::regular).toList());
        }
        Subschema first = all.isEmpty() ? SchemaDocument.ANY : all.getFirst();
        Call rule = rules.reserve(NAME + first.place());
        open.push(() -> {
            at = first.place();
            rules.set(rule, choice(alternatives.stream().map(this::known).toList()));
        });
        return rule;
    }

    private Expression known(Shape shape) {
        json.terms.budget().spend(shape.parts() / HASHED_PARTS);
        return shapes.of(shape);
    }

    /** Writes the lists and objects of all values. */
    void finish() {
        while (!open.isEmpty()) {
            open.pop().run();
        }
    }

    private Call rule(Expression body) {
        return rules.add(NAME + at, body);
    }

    private Expression write(Shape shape) {
        return switch (shape) {
            case Items items -> list(items);
            case Members members -> members(members);
            default -> regular(shape);
        };
    }

    private Expression regular(Shape shape) {
        return new Text(shape instanceof Strings strings ? json.term(strings) : ((Scalars) shape).term());
    }

    private Text text(Term... parts) {
        return new Text(json.terms.concat(parts));
    }

    private Expression bracketed(String brackets, boolean mayBeEmpty, Expression inside) {
        Term open = json.terms.raw(brackets.substring(0, 1));
        Term close = json.terms.raw(brackets.substring(1));
        Expression whole = new Sequence(text(open, json.space), inside, text(json.space, close));
        return mayBeEmpty ? rule(new Choice(text(open, json.space, close), whole)) : whole;
    }

    private Expression list(Items items) {
        Subschema unique = items.unique();
        if (unique != null && items.max() > 1) {
            reader.refuse(unique, "uniqueItems", "no \"uniqueItems\" of more than one item", "one");
        }
        int named = items.first().size();
        int max = items.max();
        int after = Math.max(named, 1); // the first item has no comma
        Expression inside = EMPTY;
        if (max > after) {
            int most = max == Terms.UNBOUNDED ? max : max - after;
            Expression more = new Sequence(new Text(json.comma), values.of(items.rest()));
            inside = new Repeat(more, Math.max(items.min() - after, 0), most);
        }
        for (int i = after - 1; i >= 0; i--) {
            Expression item = values.of(items.at(i));
            Expression all = new Sequence(i == 0 ? List.of(item, inside) : List.of(new Text(json.comma), item, inside));
            inside = i >= max ? EMPTY : i == 0 ? all : rule(i < items.min() ? all : new Choice(EMPTY, all));
        }
        return bracketed("[]", items.min() == 0, max == 0 ? new Choice() : inside);
    }

    private Expression members(Members members) {
        Map<String, List<Subschema>> named = reader.shapes.named(members);
        Expression other = other(members, named.keySet());
        Set<String> required = members.required();
        named.entrySet()
                .removeIf(each ->
                        !required.contains(each.getKey()) && each.getValue().contains(SchemaDocument.NEVER));
        int min = members.min() > required.size() ? members.min() : 0;
        boolean bounded = other != null || named.size() > members.max();
        int max = bounded ? members.max() : Terms.UNBOUNDED;
        // Places after each property, by how many are written; where nothing is counted only none and some differ.
        int counts = max == Terms.UNBOUNDED ? Math.max(min, 1) : max;
        Limits.check("schema, object", (counts + 1L) * (named.size() + 1), Limits.SYMBOLS, "places");
        Expression[] places = ends(other, min, max, counts);
        String place = "schema, object at " + at;
        int following = members.others().size(); // properties that can come next
        for (Map.Entry<String, List<Subschema>> each :
                List.copyOf(named.entrySet()).reversed()) {
            boolean must = required.contains(each.getKey());
            following = must ? 1 : following + 1;
            Limits.check(place, following, Limits.PROPERTIES, "properties that can follow at one place");
            places = before(each.getKey(), values.of(each.getValue()), must, places, max == Terms.UNBOUNDED);
        }
        return bracketed("{}", min == 0 && required.isEmpty(), places[0]);
    }

    /** Places after all named properties. */
    private Expression[] ends(@Nullable Expression other, int min, int max, int counts) {
        Call[] places = new Call[counts + 1];
        Arrays.setAll(places, unused -> rules.reserve(NAME + at));
        for (int count = 0; count <= counts; count++) {
            List<Expression> options = new ArrayList<>();
            if (count > 0 && count >= min) {
                options.add(EMPTY);
            }
            if (other != null && (count < counts || max == Terms.UNBOUNDED)) {
                Call next = places[Math.min(count + 1, counts)];
                options.add(
                        new Sequence(count == 0 ? List.of(other, next) : List.of(new Text(json.comma), other, next)));
            }
            rules.set(places[count], new Choice(options));
        }
        return places;
    }

    /** Places before a property, made of the places after it. */
    private Expression[] before(String name, Expression value, boolean required, Expression[] after, boolean open) {
        Expression[] places = new Expression[after.length];
        Term key = json.terms.concat(json.quoted(json.plain(List.of(name))), json.colon);
        int last = after.length - 1;
        for (int count = 0; count <= last; count++) {
            List<Expression> options = new ArrayList<>();
            if (count < last || open) {
                Text begin = count == 0 ? new Text(key) : text(json.comma, key);
                options.add(new Sequence(begin, value, after[Math.min(count + 1, last)]));
            }
            if (!required) {
                options.add(after[count]);
            }
            places[count] = rule(choice(options));
        }
        return places;
    }

    /** Any property that is not named; null if there is none. */
    private @Nullable Expression other(Members members, Set<String> names) {
        Term named = json.plain(names);
        List<Expression> kinds = new ArrayList<>();
        for (Others others : members.others()) {
            Term free = names.isEmpty() ? others.names() : json.minus(others.names(), named);
            if (!others.value().contains(SchemaDocument.NEVER) && json.terms.live(free)) {
                Text key = new Text(json.quoted(free));
                kinds.add(new Sequence(key, new Text(json.colon), values.of(others.value())));
            }
        }
        return kinds.isEmpty() ? null : rule(choice(kinds));
    }
}
