package dev.causal4j.chat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Values of templates that are no strings, booleans, numbers (Long, BigInteger beyond it, Double), lists or maps. All
 * values are immutable but a namespace.
 */
sealed interface Value {
    /** A variable, attribute or item that is not there. */
    record Undefined(String name, @Nullable Rendering strict) implements Value {
        Undefined(String name) {
            this(name, null);
        }

        /** The value that takes its place; a strict rendering refuses it. */
        <T> T as(T nothing) {
            if (strict != null) {
                throw strict.wrong("a value", this);
            }
            return nothing;
        }
    }

    /** A function, macro or bound method. */
    non-sealed interface Function extends Value {
        Object call(Arguments arguments);
    }

    /** Attributes that a template sets, also from inside a loop. */
    record Namespace(Map<Object, Object> attributes) implements Value {}

    /** The variable {@code loop}. */
    record Loop(List<Object> items, int index) implements Value {
        Object attribute(String name) {
            long left = (long) items.size() - index;
            return switch (name) {
                case "index" -> index + 1L;
                case "index0" -> (long) index;
                case "first" -> index == 0;
                case "last" -> left == 1;
                case "length" -> (long) items.size();
                case "revindex" -> left;
                case "revindex0" -> left - 1;
                case "previtem" -> index > 0 ? items.get(index - 1) : new Undefined(name);
                case "nextitem" -> left > 1 ? items.get(index + 1) : new Undefined(name);
                default -> new Undefined(name);
            };
        }
    }

    /** The result of filters such as {@code map}: computed when it is first gone through, empty afterwards. */
    final class Lazy implements Value {
        private Supplier<List<Object>> items;

        Lazy(Supplier<List<Object>> items) {
            this.items = items;
        }

        List<Object> take() {
            Supplier<List<Object>> taken = items;
            items = List::of;
            return taken.get();
        }
    }

    /** A list that prints as a tuple and equals no other list. */
    final class Tuple extends ArrayList<Object> {
        Tuple(List<Object> items) {
            super(items);
        }
    }
}
