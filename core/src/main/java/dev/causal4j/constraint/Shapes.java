package dev.causal4j.constraint;

import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Kind;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Others;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Intersection and union of {@link Shape}s. Not thread-safe. */
final class Shapes {
    private static final int MAX_SHAPES = 10_000; // alternatives of one schema, intersections multiplied
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
                new Members(Map.of(), Set.of(), List.of(new Others(json.strings, List.of())), 0, Terms.UNBOUNDED));
    }

    /** Those of {@link #any} but of some types. */
    List<Shape> other(Class<? extends Shape> type) {
        return any.stream().filter(shape -> !type.isInstance(shape)).toList();
    }

    /** The values that are in both; in the order of the left. */
    List<Shape> meet(List<Shape> left, List<Shape> right) {
        if (left.equals(any) || right.equals(any)) {
            return left.equals(any) ? right : left;
        }
        Set<Shape> both = new LinkedHashSet<>();
        for (Shape a : left) {
            for (Shape b : right) {
                Shape shape = meet(a, b);
                if (shape != null && !never(shape)) {
                    both.add(shape);
                }
            }
            requireFew(both);
        }
        return List.copyOf(both);
    }

    private void requireFew(Collection<Shape> shapes) {
        json.terms.budget().spend();
        if (shapes.size() > MAX_SHAPES) {
            throw new ConstraintException(
                    "schema",
                    "at most " + MAX_SHAPES + " alternatives in one place",
                    "more",
                    "use fewer anyOf in one allOf");
        }
    }

    /** The values of any of these, those of one regular kind together. */
    List<Shape> union(List<List<Shape>> alternatives) {
        Set<Shape> shapes = new LinkedHashSet<>();
        Map<Object, List<Term>> regular = new LinkedHashMap<>();
        for (List<Shape> alternative : alternatives) {
            for (Shape shape : alternative) {
                if (shape instanceof Scalars(Kind kind, Term term)) {
                    regular.computeIfAbsent(kind, _ -> new ArrayList<>()).add(term);
                } else if (shape instanceof Strings strings && strings.content() != null) {
                    regular.computeIfAbsent(Strings.class, _ -> new ArrayList<>())
                            .add(json.content(strings));
                } else {
                    shapes.add(shape);
                }
            }
            requireFew(shapes);
        }
        List<Shape> united = new ArrayList<>(shapes);
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
            when right instanceof Strings b ->
                new Strings(
                        Math.max(a.min(), b.min()),
                        Math.min(a.max(), b.max()),
                        json.bothOf(a.content(), b.content()));
            case Items a when right instanceof Items b -> meet(a, b);
            case Members a when right instanceof Members b -> meet(a, b);
            default -> null;
        };
    }

    private static Items meet(Items a, Items b) {
        List<List<Subschema>> first = new ArrayList<>();
        for (int i = 0; i < Math.max(a.first().size(), b.first().size()); i++) {
            first.add(both(a.at(i), b.at(i)));
        }
        return new Items(
                List.copyOf(first),
                both(a.rest(), b.rest()),
                Math.max(a.min(), b.min()),
                Math.min(a.max(), b.max()),
                a.unique() == null ? b.unique() : a.unique());
    }

    private Members meet(Members a, Members b) {
        Map<String, List<Subschema>> named = new LinkedHashMap<>();
        a.named().forEach((name, schema) -> named.put(name, both(schema, of(b, name))));
        b.named().forEach((name, schema) -> named.computeIfAbsent(name, _ -> both(of(a, name), schema)));
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
        return new Members(named, required, others, Math.max(a.min(), b.min()), Math.min(a.max(), b.max()));
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

    static List<Subschema> both(List<Subschema> a, List<Subschema> b) {
        if (a.isEmpty() || a.equals(b)) {
            return b;
        }
        Set<Subschema> all = new LinkedHashSet<>(a);
        all.addAll(b);
        return List.copyOf(all);
    }

    /** Whether it is seen that no value is in both; of recursive schemas it may not be. */
    boolean disjoint(List<Shape> a, List<Shape> b) {
        return meet(a, b).stream().allMatch(this::deeplyNever);
    }

    /** Whether no value fits, as far as the shape alone shows. */
    private boolean never(Shape shape) {
        return switch (shape) {
            case Scalars scalars -> !json.terms.live(scalars.term());
            case Strings strings ->
                strings.min() > strings.max() || (strings.content() != null && !json.terms.live(json.content(strings)));
            case Items items -> items.min() > items.max();
            case Members members ->
                members.required().size() > members.max()
                        || (members.others().isEmpty() && members.named().size() < members.min())
                        || members.required().stream()
                                .anyMatch(name -> of(members, name).contains(SchemaDocument.NEVER));
        };
    }

    /** Whether no value fits, seen from what it must contain. */
    private boolean deeplyNever(Shape shape) {
        return switch (shape) {
            case Items items ->
                IntStream.range(0, Math.min(items.min(), items.first().size() + 1))
                        .anyMatch(i -> never(items.at(i)));
            case Members members -> members.required().stream().anyMatch(name -> never(of(members, name)));
            default -> never(shape);
        };
    }

    private boolean never(List<Subschema> schema) {
        Boolean known = never.get(schema);
        if (known == null && depth < MAX_DEPTH) {
            never.put(schema, false); // while it is looked at
            depth++;
            try {
                known = reader.apply(schema).stream().allMatch(this::deeplyNever);
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
