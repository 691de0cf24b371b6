package dev.causal4j.chat;

import java.util.List;
import java.util.Map;

/** The arguments of a function, method, filter or test. */
record Arguments(Rendering x, List<Object> positional, Map<String, Object> named) {
    /** An argument by position or name. */
    Object get(int index, String name, Object otherwise) {
        return index < positional.size() ? positional.get(index) : named.getOrDefault(name, otherwise);
    }

    /** An argument by position, which must be there. */
    Object get(int index) {
        if (index >= positional.size()) {
            throw x.wrong("another argument", "" + positional.size());
        }
        return positional.get(index);
    }

    /** These arguments, which may be for some parameters only: others would have no effect. */
    Arguments of(String... parameters) {
        if (positional.size() > parameters.length || !List.of(parameters).containsAll(named.keySet())) {
            throw x.wrong("no argument but " + String.join(", ", parameters), "others");
        }
        return this;
    }

    long whole(int index, String name, long otherwise) {
        Object value = get(index, name, Rendering.NONE);
        return value.equals(Rendering.NONE) ? otherwise : x.whole(value);
    }

    boolean flag(int index, String name) {
        return Rendering.truth(get(index, name, Rendering.NONE));
    }

    /** The arguments without the first one. */
    Arguments rest() {
        return new Arguments(x, positional.subList(1, positional.size()), named);
    }
}
