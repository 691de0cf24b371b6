package dev.causal4j.chat;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Node.Spread;
import dev.causal4j.chat.Value.Function;
import dev.causal4j.chat.Value.Lazy;
import dev.causal4j.chat.Value.Loop;
import dev.causal4j.chat.Value.Namespace;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import dev.causal4j.json.Json;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One rendering of a template: its variables, output and budget, and Python's rules for values. All work, memory and
 * nesting is counted here. Not thread-safe.
 */
final class Rendering {
    /** Python's None. */
    static final Object NONE = Json.NULL;

    // They take less than a second. Real templates take some hundreds for a message.
    static final long MAX_STEPS = 20_000_000;

    // Every value that is made counts, kept or not, so this bounds memory.
    private static final long MAX_CHARACTERS = 64_000_000;

    // This many levels fit a thread's usual stack of 1 MB.
    private static final long MAX_LEVELS = 1000;

    // Levels that a macro or a lazy list counts as: it takes as many frames as this many nested expressions.
    static final int LIST = 5;

    // Characters that are compared or copied in a step.
    static final int RUN = 64;

    // Characters that a string, a list or a pair counts as besides its content.
    static final int OBJECT = 48;

    /** The variables of a part; it can read those of the outer scopes, not set them. */
    private record Scope(@Nullable Scope outer, Map<String, Object> variables) {}

    /**
     * A number as the key of a map. A map goes through all keys of two classes that have one hash, so this one's is
     * secret.
     */
    record NumberKey(Object number) implements Comparable<NumberKey> {
        private static final int SECRET = new SecureRandom().nextInt();

        @Override
        public int compareTo(NumberKey other) {
            return Operators.compare(number, other.number);
        }

        @Override
        public int hashCode() {
            return number.hashCode() ^ SECRET;
        }

        static Object value(Object key) {
            return key instanceof NumberKey(Object number) ? number : key;
        }
    }

    final Clock clock;
    int line = 1;

    /** Whether the use of an undefined value is an error, as with Jinja's StrictUndefined. */
    boolean strict;

    /** The tag {@code break} or {@code continue} while it takes effect, else empty. */
    String jump = "";

    private final Untrusted untrusted;
    private final StringBuilder output = new StringBuilder();
    private StringBuilder out = output;
    private Scope scope;

    private final String template;
    long steps;
    long characters;
    private long levels;

    Rendering(String template, Clock clock, Untrusted untrusted, Map<String, Object> variables) {
        this.template = template;
        this.clock = clock;
        this.untrusted = untrusted;
        scope = new Scope(new Scope(null, variables), new HashMap<>());
    }

    /** Counts work. */
    void step(long count) {
        steps = spent(steps, count, MAX_STEPS, "steps");
    }

    /** Counts memory; called before an allocation that may be large. */
    void make(long count) {
        characters = spent(characters, count, MAX_CHARACTERS, "characters made");
    }

    /** Counts levels of nodes or values; {@link #leave} must follow unless the rendering fails. */
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

    /** Counts a value that was made, and returns it. */
    <T> T made(T value) {
        long size = switch (value) {
            case String text -> text.length();
            case Collection<?> items -> 8L * items.size();
            case Map<?, ?> map -> OBJECT * (2L + map.size());
            case BigInteger number -> number.bitLength() / 8;
            default -> 0;
        };
        make(OBJECT + size);
        return value;
    }

    /** Appends a text; counted twice, as the builder holds a reserve. */
    Object write(StringBuilder out, String text) {
        step(1);
        make(2L * text.length());
        out.append(text);
        return NONE;
    }

    /** The error of a value that is not as expected. */
    TemplateException wrong(String expected, Object got) {
        String shown = switch (got) {
            case Undefined missing -> "no " + missing.name();
            case Value unused -> "a function or another object";
            default -> Json.describe(got);
        };
        String place = template + ", line " + line;
        return new TemplateException(place, expected, shown, "correct the template or the messages");
    }

    /** The error that the template raises itself. */
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

    /** A whole number; one beyond long becomes a number of its sign that is beyond all indices. */
    long whole(Object value) {
        Object whole = Operators.isWhole(value) ? value : cast(Long.class, value, "a whole number");
        return Operators.truncated(whole) instanceof Long small
                ? small
                : (long) Math.signum(Operators.real(whole)) << 62;
    }

    static boolean truth(Object value) {
        return switch (value) {
            case Object number when Operators.isNumber(number) -> Operators.real(number) != 0;
            case String text -> !text.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case Undefined missing -> missing.as(false);
            default -> !value.equals(NONE);
        };
    }

    /** The key of a map for a value: values that are equal in Python are one key. */
    Object key(Object value) {
        boolean number = Operators.isNumber(value);
        if (!number && !(value instanceof String) && !value.equals(NONE)) {
            throw wrong("a text, number or none as key", value);
        }
        step(value instanceof String text ? text.length() / RUN : 0); // it is hashed, and compared with an equal one
        return number
                ? new NumberKey(made(Operators.real(value) % 1 == 0 ? Operators.truncated(value) : value))
                : value;
    }

    /** The items of a value that can be iterated. */
    List<Object> list(Object value) {
        enter(LIST);
        List<Object> list = switch (value) {
            case List<?> items -> Collections.unmodifiableList(items);
            case Map<?, ?> map -> map.keySet().stream().map(NumberKey::value).toList();
            case String text -> {
                make((long) OBJECT * text.length());
                yield text.codePoints().<Object>mapToObj(Character::toString).toList();
            }
            case Lazy lazy -> lazy.take();
            case Undefined missing -> missing.as(List.of());
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
        return map.entrySet().stream()
                .<Object>map(each -> new Tuple(List.of(NumberKey.value(each.getKey()), each.getValue())))
                .toList();
    }

    int length(Object value) {
        return switch (value) {
            case String text -> {
                step(2L * text.length() / RUN); // once more for the place of an item
                yield text.codePointCount(0, text.length());
            }
            case List<?> items -> items.size();
            case Map<?, ?> map -> map.size();
            case Undefined missing -> missing.as(0);
            default -> throw wrong("something with a length", value);
        };
    }

    /** {@code value.name}: a method hides an item. */
    Object attribute(Object value, String name) {
        make(OBJECT + name.length() / RUN); // of what is not there, and of a key that is compared
        Function method = Builtins.method(name, this, value);
        return switch (value) {
            case Object unused when method != null -> method;
            case Map<?, ?> map when map.containsKey(name) -> Objects.requireNonNull(map.get(name));
            case Namespace(Map<Object, Object> set) when set.containsKey(name) -> Objects.requireNonNull(set.get(name));
            case Loop loop -> loop.attribute(name);
            case Undefined unused -> throw wrong("a value with ." + name, value);
            default -> missing(name);
        };
    }

    /** {@code value[key]}: an item hides a method. */
    Object item(Object value, Object key) {
        make(OBJECT);
        if (value instanceof Map<?, ?> map && !(key instanceof List)) {
            Object item = map.get(key(key));
            return item != null ? item : attribute(value, print(key));
        }
        if (!(value instanceof List || value instanceof String) || !Operators.isWhole(key)) {
            return attribute(value, print(key));
        }
        int size = length(value);
        int index = place(whole(key), size, -1, size);
        if (index < 0 || index == size) {
            return missing("item " + print(key));
        }
        return value instanceof String text
                ? Character.toString(text.codePointAt(text.offsetByCodePoints(0, index)))
                : ((List<?>) value).get(index);
    }

    /** The position of an index, cut to a range; negative indices count from the end. */
    private static int place(long index, int size, int least, int most) {
        return Math.clamp(index < 0 ? index + size : index, least, most);
    }

    /** {@code value[from:to:by]}, each of which may be none. */
    Object slice(Object value, Arguments bounds) {
        int by = Math.clamp(bounds.whole(2, "", 1), -Integer.MAX_VALUE, Integer.MAX_VALUE);
        if (by == 0 || !(value instanceof List || value instanceof String)) {
            throw wrong("a text or list, and steps other than 0", value);
        }
        int size = length(value);
        int least = by > 0 ? 0 : -1;
        int most = by > 0 ? size : size - 1;
        int from = place(bounds.whole(0, "", by > 0 ? 0 : size - 1), size, least, most);
        int to = place(bounds.whole(1, "", by > 0 ? size : -size - 1), size, least, most);
        if (value instanceof String text && by == 1) {
            int begin = text.offsetByCodePoints(0, from);
            return text.substring(begin, text.offsetByCodePoints(begin, Math.max(0, to - from)));
        }
        List<Object> all = list(value);
        List<Object> items = new ArrayList<>();
        for (long i = from; by > 0 ? i < to : i > to; i += by) {
            items.add(all.get((int) i));
        }
        return value instanceof String ? join("", items) : like(value, items);
    }

    /** Items as a tuple if the value is one, else as a list. */
    static List<Object> like(Object value, List<Object> items) {
        return value instanceof Tuple ? new Tuple(items) : items;
    }

    /** The items as text, with another text between them. */
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

    /** The indentation of a level, from a text or a number of spaces. */
    String indent(Object width) {
        return text(width instanceof String ? width : Operators.apply(this, "*", " ", width));
    }

    /** A value as Python's {@code print} shows it. */
    String print(Object value) {
        return switch (value) {
            case String text -> text;
            case Undefined missing -> missing.as("");
            default -> Printer.python(this, value);
        };
    }

    String run(Node template) {
        eval(template);
        return output.toString();
    }

    /** Runs a part and counts it. */
    Object eval(Node node) {
        enter(1);
        Object value = node.run(this);
        leave(1);
        return value;
    }

    /** Runs a part with variables of its own. */
    private <T> T within(Scope outer, Supplier<T> part) {
        Scope before = scope;
        make(4 * OBJECT); // a macro that it defines keeps it
        scope = new Scope(outer, new HashMap<>());
        T value = part.get();
        scope = before;
        return value;
    }

    Object runAll(List<Node> statements) {
        for (int i = 0; i < statements.size() && jump.isEmpty(); i++) {
            eval(statements.get(i));
        }
        return NONE;
    }

    Object at(int line, Node statement) {
        this.line = line;
        return statement.run(this);
    }

    Object write(Object value) {
        return write(out, print(value));
    }

    /** Writes a generation block, with marks around it. */
    Object generation(Node body) {
        boolean shown = out == output;
        write(shown ? untrusted.begin : "");
        within(scope, () -> eval(body));
        return write(shown ? untrusted.end : "");
    }

    Object variable(String name) {
        for (Scope at = scope; at != null; at = at.outer) {
            step(1);
            Object value = at.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return made(missing(name));
    }

    private Undefined missing(String name) {
        return new Undefined(name, strict ? this : null);
    }

    List<Object> all(List<Node> nodes) {
        List<Object> all = new ArrayList<>(nodes.size());
        for (Node node : nodes) {
            Object value = eval(node);
            all.addAll(node instanceof Spread ? made(list(value)) : List.of(value));
        }
        return all;
    }

    /** A dict of keys and values in turn. */
    Object dict(List<Node> items) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < items.size(); i += 2) {
            map.put(key(eval(items.get(i))), eval(items.get(i + 1)));
        }
        return made(map);
    }

    /** A macro with its parameters in order and their defaults. */
    Function function(String name, Map<String, Node> parameters, Node body) {
        Scope outer = scope;
        return arguments -> within(outer, () -> {
            int called = line;
            enter(LIST);
            Map<String, Object> named = new HashMap<>(arguments.named());
            Iterator<Object> positional = arguments.positional().iterator();
            make((long) OBJECT * parameters.size()); // a macro that the body defines keeps them
            parameters.forEach((parameter, otherwise) -> {
                Object given = positional.hasNext() ? positional.next() : named.remove(parameter);
                scope.variables.put(parameter, given == null ? eval(otherwise) : given);
            });
            Object caller = named.remove("caller");
            scope.variables.put("caller", caller == null ? new Undefined("caller") : caller);
            if (positional.hasNext() || !named.isEmpty()) {
                throw wrong("the arguments " + parameters.keySet() + " of " + name, "others");
            }
            String written = written(body);
            leave(LIST);
            line = called;
            return written;
        });
    }

    /** The text that a part writes. */
    String written(Node body) {
        StringBuilder before = out;
        out = new StringBuilder();
        within(scope, () -> eval(body));
        String written = out.toString();
        out = before;
        return written;
    }

    Object loop(List<String> names, Node over, Node filter, Node body, Node otherwise) {
        List<Object> items = made(list(eval(over)).stream()
                .filter(item -> within(scope, () -> {
                    assign(names, "", item);
                    return truth(eval(filter));
                }))
                .toList());
        for (int i = 0; i < items.size() && !jump.equals("break"); i++) {
            Loop loop = new Loop(items, i);
            jump = "";
            within(scope, () -> {
                scope.variables.put("loop", loop);
                assign(names, "", items.get(loop.index()));
                return eval(body);
            });
        }
        jump = "";
        return items.isEmpty() ? within(scope, () -> eval(otherwise)) : NONE;
    }

    /** Sets variables of the scope, or an attribute of a namespace. */
    Object assign(List<String> names, String attribute, Object value) {
        List<Object> parts = names.size() == 1 ? List.of(value) : list(value);
        if (parts.size() != names.size()) {
            throw wrong(names.size() + " values to assign", value);
        }
        make((long) OBJECT * parts.size());
        if (!attribute.isEmpty()) {
            Namespace to = cast(Namespace.class, variable(names.getFirst()), "a namespace to assign to");
            to.attributes().put(attribute, value);
            return NONE;
        }
        for (int i = 0; i < parts.size(); i++) {
            scope.variables.put(names.get(i), parts.get(i));
        }
        return NONE;
    }
}
