package dev.causal4j.constraint;

import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Kind;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Others;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import dev.causal4j.constraint.Term.Node.Literals;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Intersection and union of {@link Shape}s. Not thread-safe. */
final class Shapes {
    private static final int MAX_SHAPES = 10_000; // alternatives of one schema, intersections multiplied
    static final int PART_STEPS = 10; // of a shape that meets another, or of a property that is excluded
    private static final int MAX_DEPTH = 20; // of required values that are looked into for one that nothing fits

    private final JsonTerms json;

    /** Reads the shapes of a value of which all these schemas hold. */
    private final Function<List<Subschema>, List<Shape>> reader;

    /** Every value. */
    final List<Shape> any;

    private final Map<List<Subschema>, Boolean> never = new HashMap<>();
    private int depth;

    Shapes(JsonTerms json, Function<List<Subschema>, List<Shape>> reader) {
        this.json = json;
        this.reader = reader;
        any = List.of(
                new Scalars(Kind.NULL, json.nothing),
                new Scalars(Kind.BOOLEAN, json.either),
                new Scalars(Kind.NUMBER, json.number),
                new Strings(0, Terms.UNBOUNDED, null),
                new Items(List.of(), List.of(), 0, Terms.UNBOUNDED, null),
                members(Map.of(), Set.of()));
    }

    /** The values of {@link #any} but of a type. */
    List<Shape> other(Object type) {
        return any.stream().filter(shape -> !shape.type().equals(type)).toList();
    }

    /** Objects that have some properties, and in which others are free. */
    Members members(Map<String, List<Subschema>> named, Set<String> required) {
        return new Members(named, required, List.of(new Others(json.strings, List.of())), 0, Terms.UNBOUNDED);
    }

    /** Objects without a property. */
    Members without(String name) {
        return members(Map.of(name, List.of(SchemaDocument.NEVER)), Set.of());
    }

    /** The values that are in both; in the order of the left. */
    List<Shape> meet(List<Shape> left, List<Shape> right) {
        if (left.equals(any) || right.equals(any)) {
            return left.equals(any) ? right : left;
        }
        Set<Shape> both = new LinkedHashSet<>();
        for (Shape a : left) {
            for (Shape b : right) {
                spend(1);
                Shape shape = meet(a, b);
                if (shape != null && !never(shape)) {
                    both.add(shape);
                }
            }
            requireFew(both);
        }
        return List.copyOf(both);
    }

    private void spend(long parts) {
        json.terms.budget().spend(PART_STEPS * parts);
    }

    private void requireFew(Collection<Shape> shapes) {
        json.terms.budget().spend(1);
        Limits.check("schema", shapes.size(), MAX_SHAPES, "alternatives in one place");
    }

    /** The values of any of these, those of one regular kind together. */
    List<Shape> union(List<List<Shape>> alternatives) {
        Set<Shape> shapes = new LinkedHashSet<>();
        Map<Object, List<Term>> regular = new LinkedHashMap<>();
        for (List<Shape> alternative : alternatives) {
            for (Shape shape : alternative) {
                json.terms.budget().spend(shape.parts()); // it is compared
                Term term = shape instanceof Scalars scalars
                        ? scalars.term()
                        : shape instanceof Strings strings && strings.content() != null ? json.content(strings) : null;
                if (term == null) {
                    shapes.add(shape);
                } else {
                    regular.computeIfAbsent(shape.type(), unused -> new ArrayList<>())
                            .add(term);
                }
            }
            requireFew(shapes);
        }
        List<Shape> united = new ArrayList<>(shapes);
        json.terms.budget().keep(4L * united.size());
        regular.forEach((kind, terms) -> {
            Term term = json.terms.or(terms);
            united.add(kind instanceof Kind of ? new Scalars(of, term) : new Strings(0, Terms.UNBOUNDED, term));
        });
        return united;
    }

    private @Nullable Shape meet(Shape left, Shape right) {
        return switch (left) {
            case Scalars(Kind kind, Term a)
            when right instanceof Scalars(Kind other, Term b) && kind == other ->
                new Scalars(kind, a == b ? a : json.terms.and(a, b));
            case Strings a
            when right instanceof Strings b -> {
                int least = Math.max(a.min(), b.min());
                int most = Math.min(a.max(), b.max());
                yield new Strings(least, most, json.bothOf(a.content(), b.content()));
            }
            case Items a when right instanceof Items b -> meet(a, b);
            case Members a when right instanceof Members b -> meet(a, b);
            default -> null;
        };
    }

    private Items meet(Items a, Items b) {
        spend(a.first().size() + b.first().size());
        List<List<Subschema>> first = new ArrayList<>();
        for (int i = 0; i < Math.max(a.first().size(), b.first().size()); i++) {
            first.add(both(a.at(i), b.at(i)));
        }
        int least = Math.max(a.min(), b.min());
        int most = Math.min(a.max(), b.max());
        Subschema unique = a.unique() == null ? b.unique() : a.unique();
        return new Items(List.copyOf(first), both(a.rest(), b.rest()), least, most, unique);
    }

    private Members meet(Members a, Members b) {
        int parts = a.named().size()
                + b.named().size()
                + a.required().size()
                + b.required().size();
        spend(parts + a.others().size() * b.others().size());
        Map<String, List<Subschema>> named = new LinkedHashMap<>();
        a.named().forEach((name, schema) -> named.put(name, both(schema, of(b, name))));
        b.named().forEach((name, schema) -> named.computeIfAbsent(name, unused -> both(of(a, name), schema)));
        Set<String> required = new LinkedHashSet<>(a.required());
        required.addAll(b.required());
        List<Others> others = new ArrayList<>();
        for (Others x : a.others()) {
            for (Others y : b.others()) {
                Others both = new Others(json.both(x.names(), y.names()), both(x.value(), y.value()));
                if (json.terms.live(both.names())) {
                    others.add(both);
                }
            }
        }
        int least = Math.max(a.min(), b.min());
        int most = Math.min(a.max(), b.max());
        return new Members(named, required, others, least, most);
    }

    /** The properties of an object that have a name, also those that are only required. */
    Map<String, List<Subschema>> named(Members members) {
        Map<String, List<Subschema>> named = new LinkedHashMap<>(members.named());
        members.required().forEach(name -> named.computeIfAbsent(name, unused -> of(members, name)));
        return named;
    }

    /** The schema of an object's property. */
    List<Subschema> of(Members members, String name) {
        List<Subschema> schema = members.named().get(name);
        if (schema != null) {
            return schema;
        }
        for (Others others : members.others()) {
            if (others.names() == json.strings || json.matches(others.names(), name)) {
                return others.value();
            }
        }
        return List.of(SchemaDocument.NEVER);
    }

    List<Subschema> both(List<Subschema> a, List<Subschema> b) {
        json.terms.budget().spend((a.size() + b.size()) / 4);
        if (a.isEmpty() || a.equals(b)) {
            return b;
        }
        Set<Subschema> all = new LinkedHashSet<>(a);
        all.addAll(b);
        return List.copyOf(all);
    }

    /** Whether it is seen that no value is in both; of recursive schemas it may not be. */
    boolean disjoint(List<Shape> a, List<Shape> b) {
        return meet(a, b).stream().allMatch(shape -> never(shape, this::never));
    }

    /** Whether no value fits, as far as the shape alone shows. */
    boolean never(Shape shape) {
        return never(shape, value -> value.contains(SchemaDocument.NEVER));
    }

    /** @param value whether no value fits in what must be in the shape */
    private boolean never(Shape shape, Predicate<List<Subschema>> value) {
        return switch (shape) {
            case Scalars scalars -> !json.terms.live(scalars.term());
            case Strings strings ->
                strings.min() > strings.max() || (strings.content() != null && !json.terms.live(json.content(strings)));
            case Items items ->
                items.min() > items.max()
                        || IntStream.range(
                                        0, Math.min(items.min(), items.first().size() + 1))
                                .anyMatch(i -> value.test(items.at(i)));
            case Members members ->
                members.required().size() > members.max()
                        || (members.min() > 0 && names(members) < members.min())
                        || members.required().stream().anyMatch(name -> value.test(of(members, name)));
        };
    }

    /** How many different names there are, where all are listed. */
    private long names(Members members) {
        return members.named().keySet().stream()
                        .filter(name -> members.others().stream().noneMatch(each -> json.matches(each.names(), name)))
                        .count()
                + members.others().stream()
                        .mapToLong(each -> each.names().node instanceof Literals all ? all.size() : Terms.UNBOUNDED)
                        .sum();
    }

    private boolean never(List<Subschema> schema) {
        Boolean known = never.get(schema);
        if (known == null && depth < MAX_DEPTH) {
            never.put(schema, false); // while it is looked at
            depth++;
            try {
                known = reader.apply(schema).stream().allMatch(shape -> never(shape, this::never));
                never.put(schema, known);
            } catch (ConstraintException e) {
                return false; // a part of what is being read, or refused when it is reached
            } finally {
                depth--;
            }
        }
        return known != null && known;
    }
}
