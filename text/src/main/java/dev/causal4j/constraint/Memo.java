package dev.causal4j.constraint;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Keeps the values of a function, which may ask for other keys meanwhile. Not thread-safe. */
final class Memo<K, V> {
    private final Map<K, V> known = new HashMap<>();
    private final Function<K, V> function;

    Memo(Function<K, V> function) {
        this.function = function;
    }

    V of(K key) {
        @Nullable V value = known.get(key);
        if (value == null) {
            value = function.apply(key);
            known.put(key, value);
        }
        return value;
    }
}
