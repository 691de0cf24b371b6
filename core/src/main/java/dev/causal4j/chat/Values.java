package dev.causal4j.chat;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Value.Function;
import dev.causal4j.chat.Value.Lazy;
import dev.causal4j.chat.Value.Loop;
import dev.causal4j.chat.Value.Namespace;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import dev.causal4j.format.Json;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What Python does with values: compare them, go through them, take parts of them, print them. All work, memory and
 * nesting of a rendering is counted here. Not thread-safe.
 */
final class Values {
    /** Python's None. */
    static final Object NONE = Json.NULL;

    // Less than a second. Real templates take some hundreds for a message.
    private static final long MAX_STEPS = 20_000_000;

    // All that is made counts, kept or not, so this bounds memory.
    private static final long MAX_CHARACTERS = 64_000_000;

    // Together they take less than half of a thread's usual stack of 1 MB.
    private static final long MAX_LEVELS = 1000;

    // Frames of a lazy list in a lazy list, for one of an expression in an expression.
    private static final int LIST = 5;

    // Characters that are compared or copied in a step.
    private static final int RUN = 64;

    // In characters: a string, a list or a pair without its items.
    private static final int OBJECT = 48;

    final Clock clock;
    int line = 1;

    private final String template;
    private long steps;
    private long characters;
    private long levels;

    Values(String template, Clock clock) {
        this.template = template;
        this.clock = clock;
    }

    /** Counts work. */
    void step(long count) {
        steps = spent(steps, count, MAX_STEPS, "steps");
    }

    /** Counts memory; before it is taken if that may be much. */
    void make(long count) {
        characters = spent(characters, count, MAX_CHARACTERS, "characters made");
    }

    /** Goes down in nodes or values; {@link #leave} must follow unless the rendering fails. */
    void enter(int count) {
        step(count);
        levels = spent(levels, count, MAX_LEVELS, "levels of code and values");
    }

    void leave(int count) {
        levels -= count;
    }

    private long spent(long before, long count, long most, String what) {
        if (count > most - before) {
            throw wrong("at most " + most + " " + what, before + count);
        }
        return before + count;
    }

    /** Counts what was made. */
    <T> T made(T value) {
        make(
                switch (value) {
                    case String text -> OBJECT + text.length();
                    case Collection<?> items -> OBJECT + 8L * items.size();
                    case Map<?, ?> map -> OBJECT * (1L + map.size());
                    default -> OBJECT / 2;
                });
        return value;
    }

    /** Appends a text; counted twice, as the builder holds a reserve. */
    Object write(StringBuilder out, String text) {
        step(1);
        make(2L * text.length());
        out.append(text);
        return NONE;
    }

    /** An error to throw: a value is not what is expected. */
    TemplateException wrong(String expected, Object got) {
        String shown = switch (got) {
            case Undefined missing -> "no " + missing.name();
            case Value other when !(other instanceof Tuple) -> "a function or another object";
            default -> Json.describe(got);
        };
        String place = template + ", line " + line;
        return new TemplateException(place, expected, shown, "correct the template or the messages");
    }

    /** An error to throw: the template's own. */
    TemplateException refused(String refusal) {
        return TemplateException.refused(template + ", line " + line, refusal);
    }

    <T> T cast(Class<T> type, Object value, String expected) {
        if (!type.isInstance(value) || value instanceof Undefined) {
            throw wrong(expected, value);
        }
        return type.cast(value);
    }

    String text(Object value) {
        return cast(String.class, value, "a text");
    }

    /** A whole number, or one of its sign that no index is beyond. */
    long whole(Object value) {
        Object whole = Numbers.isWhole(value) ? value : cast(Long.class, value, "a whole number");
        return Numbers.truncated(whole) instanceof Long small ? small : (long) Math.signum(Numbers.real(whole)) << 62;
    }

    static boolean truth(Object value) {
        return switch (value) {
            case Boolean flag -> flag;
            case String text -> !text.isEmpty();
            case Number number -> number.doubleValue() != 0;
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            default -> !value.equals(NONE) && !(value instanceof Undefined);
        };
    }

    /** The result of any operator but and, or, not. */
    Object apply(String operator, Object a, Object b) {
        return switch (operator) {
            case "==" -> equal(a, b);
            case "!=" -> !equal(a, b);
            case "<" -> order(a, b) < 0;
            case "<=" -> order(a, b) <= 0;
            case ">" -> order(a, b) > 0;
            case ">=" -> order(a, b) >= 0;
            case "in" -> contains(b, a);
            case "not-in" -> !contains(b, a);
            case "~" -> join("", List.of(a, b));
            default -> Numbers.apply(this, operator, a, b);
        };
    }

    boolean equal(Object a, Object b) {
        enter(1);
        boolean equal = switch (a) {
            case Object _ when Numbers.is(a) && Numbers.is(b) -> Numbers.compare(a, b) == 0;
            case String text -> {
                step(text.length() / RUN);
                yield text.equals(b);
            }
            case List<?> list ->
                b instanceof List<?> other && list instanceof Tuple == other instanceof Tuple && same(list, other);
            case Map<?, ?> map -> {
                step(8L + map.size());
                yield b instanceof Map<?, ?> other
                        && map.keySet().equals(other.keySet())
                        && same(
                                List.copyOf(map.values()),
                                map.keySet().stream().map(other::get).toList());
            }
            case Undefined _ -> b instanceof Undefined;
            case Namespace _, Loop _ -> false;
            default -> a.equals(b);
        };
        leave(1);
        return equal;
    }

    private boolean same(List<?> a, List<?> b) {
        boolean same = a.size() == b.size();
        for (int i = 0; same && i < a.size(); i++) {
            same = equal(a.get(i), b.get(i));
        }
        return same;
    }

    /** Below, at or above zero as a is below, at or above b. */
    int order(Object a, Object b) {
        step(1);
        if (a instanceof String text && b instanceof String other) {
            make(4L * Math.min(text.length(), other.length()));
            // The order of code points, which is not that of Java's characters.
            return Arrays.compareUnsigned(
                    text.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8));
        }
        if (!Numbers.is(a) || !Numbers.is(b)) {
            throw wrong("a number or text to compare with " + Json.describe(b), a);
        }
        return Numbers.compare(a, b);
    }

    boolean contains(Object container, Object item) {
        return switch (container) {
            case String text -> find(text, text(item), 0) >= 0;
            case Map<?, ?> map -> map.containsKey(key(item));
            default -> list(container).stream().anyMatch(each -> equal(item, each));
        };
    }

    /** Where {@code part} begins in {@code text}, or -1. In the worst case its time is the product of their lengths. */
    int find(String text, String part, int from) {
        if ((long) text.length() * part.length() / RUN > MAX_STEPS) {
            throw wrong("a shorter text to look for", part);
        }
        int at = text.indexOf(part, from);
        step(1 + (long) ((at < 0 ? text.length() : at) - from) * part.length() / RUN);
        return at;
    }

    /** A key of a map: what Python holds for equal is one key. */
    Object key(Object value) {
        if (value instanceof String
                || value.equals(NONE)
                || (value instanceof Double real && real != Math.rint(real))) {
            return value;
        }
        return Numbers.truncated(Numbers.is(value) ? value : cast(Long.class, value, "a text, number or none as key"));
    }

    /** The items of whatever can be gone through. */
    List<Object> list(Object value) {
        enter(LIST);
        List<Object> list = switch (value) {
            case List<?> items -> Collections.unmodifiableList(items);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case String text -> {
                make((long) OBJECT * text.length());
                yield text.codePoints().<Object>mapToObj(Character::toString).toList();
            }
            case Lazy lazy -> lazy.take();
            case Undefined _ -> List.of();
            default -> throw wrong("something to go through", value);
        };
        step(list.size());
        leave(LIST);
        return list;
    }

    /** The pairs of keys and values of a dict. */
    List<Object> items(Object value) {
        Map<?, ?> map = cast(Map.class, value, "a dict");
        make((long) OBJECT * map.size());
        List<Object> items = new ArrayList<>();
        map.forEach((key, item) -> items.add(new Tuple(List.of(key, item))));
        return items;
    }

    int length(Object value) {
        return switch (value) {
            case String text -> {
                step(text.length() / RUN);
                yield text.codePointCount(0, text.length());
            }
            case List<?> items -> items.size();
            case Map<?, ?> map -> map.size();
            case Undefined _ -> 0;
            default -> throw wrong("something with a length", value);
        };
    }

    /** {@code value.name}: a method hides an item. */
    Object attribute(Object value, String name) {
        return switch (value) {
            case Object _
            when Builtins.isMethod(value, name) ->
                (Function) arguments -> Builtins.method(name, this, value, arguments);
            case Map<?, ?> map when map.containsKey(name) -> Objects.requireNonNull(map.get(name));
            case Namespace(Map<Object, Object> set) when set.containsKey(name) -> Objects.requireNonNull(set.get(name));
            case Loop loop -> loop.attribute(name);
            case Undefined _ -> throw wrong("a value with ." + name, value);
            default -> new Undefined(name);
        };
    }

    /** {@code value[key]}: an item hides a method. */
    Object item(Object value, Object key) {
        if (value instanceof Map<?, ?> map && !(key instanceof List)) {
            Object item = map.get(key(key));
            return item != null ? item : attribute(value, print(key));
        }
        if (!(value instanceof List || value instanceof String) || !Numbers.isWhole(key)) {
            return attribute(value, print(key));
        }
        int size = length(value);
        int index = (int) place(whole(key), size, -1, size);
        return switch (value) {
            case Object _ when index < 0 || index == size -> new Undefined("item " + print(key));
            case String text -> {
                int at = text.offsetByCodePoints(0, index);
                yield text.substring(at, text.offsetByCodePoints(at, 1));
            }
            default -> ((List<?>) value).get(index);
        };
    }

    /** Where an index is; negative ones count from the end. */
    private static long place(long index, int size, int least, int most) {
        return Math.clamp(index < 0 ? index + size : index, least, most);
    }

    /** {@code value[from:to:by]}, each of which may be none. */
    Object slice(Object value, Object from, Object to, Object by) {
        long step = by.equals(NONE) ? 1 : Math.clamp(whole(by), -Integer.MAX_VALUE, Integer.MAX_VALUE);
        if (step == 0 || !(value instanceof List || value instanceof String)) {
            throw wrong("a text or list, and steps other than 0", value);
        }
        int size = length(value);
        int least = step > 0 ? 0 : -1;
        int most = step > 0 ? size : size - 1;
        long start = from.equals(NONE) ? (step > 0 ? least : most) : place(whole(from), size, least, most);
        long end = to.equals(NONE) ? (step > 0 ? most : least) : place(whole(to), size, least, most);
        if (value instanceof String text && step == 1) {
            int begin = text.offsetByCodePoints(0, (int) start);
            return start >= end ? "" : text.substring(begin, text.offsetByCodePoints(begin, (int) (end - start)));
        }
        List<Object> all = list(value);
        List<Object> items = new ArrayList<>();
        for (long i = start; step > 0 ? i < end : i > end; i += step) {
            items.add(all.get((int) i));
        }
        return value instanceof String ? join("", items) : like(value, items);
    }

    /** Items as a tuple or list, as the value is. */
    static List<Object> like(Object value, List<Object> items) {
        return value instanceof Tuple ? new Tuple(items) : items;
    }

    /** The items as they print, with a text between them. */
    String join(String between, Collection<?> items) {
        StringBuilder joined = new StringBuilder();
        String before = "";
        for (Object item : items) {
            write(joined, before);
            write(joined, print(item));
            before = between;
        }
        return joined.toString();
    }

    /** As {@code print} shows it. */
    String print(Object value) {
        return switch (value) {
            case String text -> text;
            case Undefined _ -> "";
            default -> Printer.python(this).print(value);
        };
    }
}
