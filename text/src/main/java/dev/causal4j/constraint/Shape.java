package dev.causal4j.constraint;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Values of one type that a schema allows. A schema is a list of them, its alternatives; the schemas of values inside stay
 * lists of subschemas that hold all, so that recursion ends. Immutable.
 */
sealed interface Shape {
    /** The key of the type: the kind of scalars, else the class. */
    default Object type() {
        return this instanceof Scalars(Kind kind, Term unused) ? kind : getClass();
    }

    /** How much there is in it to compare. */
    default int parts() {
        return switch (this) {
            case Items items -> 1 + items.first().size();
            case Members members ->
                1 + members.named().size() + members.required().size();
            default -> 1;
        };
    }

    /** Types of values whose spellings are regular and need no quotes. */
    enum Kind {
        NULL,
        BOOLEAN,
        NUMBER
    }

    /** Values spelled as a term says. */
    record Scalars(Kind kind, Term term) implements Shape {}

    /**
     * Strings with a range of lengths in code points.
     *
     * @param content the plain spelling between the quotes; null for every spelling of any string
     */
    record Strings(int min, int max, @Nullable Term content) implements Shape {
        @Override
        public int hashCode() {
            return Seeded.hash(min, max, Objects.hashCode(content));
        }
    }

    /**
     * Lists.
     *
     * @param first of the first items, in order
     * @param rest of the items after them
     * @param unique the schema that wants different items
     */
    record Items(
            List<List<Subschema>> first,
            List<Subschema> rest,
            int min,
            int max,
            @Nullable Subschema unique) implements Shape {
        @Override
        public int hashCode() {
            return Seeded.hash(first.hashCode(), rest.hashCode(), min, max, Objects.hashCode(unique));
        }

        List<Subschema> at(int index) {
            return index < first.size() ? first.get(index) : rest;
        }
    }

    /**
     * Objects.
     *
     * @param named the properties in their order
     * @param others what properties that are not named may be: kinds of names without one in common
     */
    record Members(Map<String, List<Subschema>> named, Set<String> required, List<Others> others, int min, int max)
            implements Shape {
        /** Objects whose names stand in another order are others: documents have that order. */
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Members that
                    && min == that.min
                    && max == that.max
                    && named.size() == that.named.size() // so that few are copied
                    && others.equals(that.others)
                    && List.copyOf(required).equals(List.copyOf(that.required))
                    && List.copyOf(named.entrySet()).equals(List.copyOf(that.named.entrySet()));
        }

        @Override
        public int hashCode() {
            long hash = Seeded.hash(others.hashCode(), min, max);
            for (String name : required) {
                hash += Seeded.text(name);
            }
            for (Map.Entry<String, List<Subschema>> each : named.entrySet()) {
                hash += Seeded.hash(Seeded.text(each.getKey()), each.getValue().hashCode());
            }
            return Long.hashCode(hash);
        }
    }

    /** Properties by their names, in plain spelling. */
    record Others(Term names, List<Subschema> value) {}
}
