package dev.causal4j.constraint;

import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Kind;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import dev.causal4j.constraint.Term.Node;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The values that a schema excludes: those outside of all its alternatives. Numbers are excluded by value, not by
 * spelling, so that those that are left have no exponent. Not thread-safe.
 */
final class SchemaComplement {
    private static final int PART_BYTES = 250;

    private final Shapes shapes;
    private final JsonTerms json;
    private final IdentityHashMap<Subschema, Subschema> negations = new IdentityHashMap<>();

    SchemaComplement(Shapes shapes, JsonTerms json) {
        this.shapes = shapes;
        this.json = json;
    }

    /**
     * The values outside of a schema.
     *
     * @param alternatives all that it holds
     * @throws SchemaRefusal if they cannot be said by shapes
     */
    List<Shape> of(Subschema schema, List<Shape> alternatives) {
        List<Shape> outside = shapes.any;
        for (Shape alternative : alternatives) {
            outside = shapes.meet(outside, outside(schema, alternative));
        }
        return outside;
    }

    private List<Shape> outside(Subschema schema, Shape shape) {
        List<Shape> left = new ArrayList<>(shapes.other(shape.type()));
        if (shapes.any.contains(shape)) {
            return left;
        }
        switch (shape) {
            case Scalars(Kind kind, Term term) ->
                left.add(new Scalars(
                        kind,
                        switch (kind) {
                            case NULL -> json.minus(json.nothing, term);
                            case BOOLEAN -> json.minus(json.either, term);
                            case NUMBER -> json.minus(json.plainNumber, byValue(term));
                        }));
            case Strings strings ->
                left.add(new Strings(0, Terms.UNBOUNDED, json.minus(json.strings, json.content(strings))));
            case Items items -> {
                if (!items.first().isEmpty() || !items.rest().isEmpty() || items.unique() != null) {
                    throw schema.refused("items", "no items of lists inside of not", "some");
                }
                left.add(new Items(List.of(), List.of(), 0, items.min() - 1, null)); // never if there is no least
                if (items.max() < Terms.UNBOUNDED) {
                    left.add(new Items(List.of(), List.of(), items.max() + 1, Terms.UNBOUNDED, null));
                }
            }
            case Members members -> left.addAll(outside(schema, members));
        }
        left.removeIf(shapes::never);
        return left;
    }

    /** Objects without a property that is required, or with one of another value. */
    private List<Shape> outside(Subschema schema, Members members) {
        Members free = shapes.members(Map.of(), Set.of());
        if (!members.others().equals(free.others()) || members.min() > 0 || members.max() < Terms.UNBOUNDED) {
            throw schema.refused("additionalProperties", "no rule for all properties inside of not", "one");
        }
        json.terms.budget().spend(Shapes.PART_STEPS * (long) members.parts());
        json.terms.budget().keep(PART_BYTES * (long) members.parts());
        List<Shape> left = new ArrayList<>();
        members.required().forEach(name -> left.add(shapes.without(name)));
        members.named().forEach((name, all) -> {
            for (Subschema each : all) {
                left.add(shapes.members(Map.of(name, List.of(not(each))), Set.of(name)));
            }
        });
        return left;
    }

    /** Each schema has one complement, so that recursion ends. */
    private Subschema not(Subschema schema) {
        return negations.computeIfAbsent(schema, each -> each.saying("not", each.keywords));
    }

    /** Spellings without exponent of the values that a term spells. */
    private Term byValue(Term numbers) {
        return switch (numbers.node) {
            case Node.Or(List<Term> options) ->
                json.terms.or(options.stream().map(this::byValue).toList());
            case Node.And(List<Term> parts) ->
                json.terms.and(parts.stream().map(this::byValue).toList());
            case Node.Concat unused -> json.plainNumber; // any number, with or without exponent
            case Node.Literals(byte[][] texts, int from, int to, int unused) ->
                json.terms.or(Arrays.stream(texts, from, to)
                        .map(text -> json.equal(new BigDecimal(new String(text, StandardCharsets.US_ASCII))))
                        .toList());
            case Node.Machine(JsonNumbers spelled)
            when spelled.integer() ->
                json.terms.and(
                        json.terms.machine(new JsonNumbers(false, spelled.low(), spelled.high(), spelled.multiple())),
                        json.whole);
            default -> numbers; // terms of a bound, and complements, are whole values
        };
    }
}
