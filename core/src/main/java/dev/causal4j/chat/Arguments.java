package dev.causal4j.chat;

import static dev.causal4j.chat.Values.NONE;

import java.util.List;
import java.util.Map;

/** What a function, method, filter or test is given. */
record Arguments(Values values, List<Object> positional, Map<String, Object> named) {
    /** By position or name. */
    Object get(int index, String name, Object otherwise) {
        return index < positional.size() ? positional.get(index) : named.getOrDefault(name, otherwise);
    }

    /** By position; it must be there. */
    Object get(int index) {
        Object missing = new Value.Undefined("argument " + (index + 1));
        return index < positional.size()
                ? positional.get(index)
                : values.cast(String.class, missing, "another argument");
    }

    long whole(int index, String name, long otherwise) {
        Object value = get(index, name, NONE);
        return value.equals(NONE) ? otherwise : values.whole(value);
    }

    boolean flag(int index, String name) {
        return Values.truth(get(index, name, NONE));
    }

    /** Without the first one. */
    Arguments rest() {
        return new Arguments(values, positional.subList(Math.min(1, positional.size()), positional.size()), named);
    }
}
