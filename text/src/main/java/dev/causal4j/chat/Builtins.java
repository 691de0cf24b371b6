package dev.causal4j.chat;

import static dev.causal4j.chat.Rendering.NONE;

import dev.causal4j.chat.Value.Function;
import dev.causal4j.chat.Value.Lazy;
import dev.causal4j.chat.Value.Namespace;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import java.math.BigDecimal;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Jinja's filters, tests and functions and Python's methods that chat templates use, and the two functions that
 * transformers adds. {@code x} is the rendering, {@code v} the value that a filter, test or method is applied to.
 */
final class Builtins {
    /** The functions by name. */
    static final Map<String, Function> FUNCTIONS = Map.of(
            "range", Builtins::range,
            "dict", Builtins::dict,
            "namespace", a -> new Namespace(a.x().made(dict(a))),
            "strftime_now", Builtins::now,
            "raise_exception",
                    a -> {
                        throw a.x().refused(a.x().print(a.get(0)));
                    });

    private static final Pattern SPACES = Pattern.compile(Lexer.SPACE + "++");
    // Java takes quadratic time for letters that become longer, so changes of case work on short parts.
    private static final Pattern LOWERED = Pattern.compile("[^\u0130]++|\u0130{1,64}+");
    private static final Pattern UPPERED = Pattern.compile("(?s).{1,64}+");
    private static final Pattern LETTERS = Pattern.compile("\\p{L}++");
    private static final Pattern WORDS = Pattern.compile("[^-\\s({\\[<]++");
    private static final Pattern NUMBER = Pattern.compile("[-+]?([0-9]++\\.?[0-9]*+|\\.[0-9]++)([eE][-+]?[0-9]{1,2})?");
    private static final Pattern TIME = Pattern.compile("%([YymBbdAaHIMSj])");
    private static final long MAX_RANGE = 100_000;

    private Builtins() {}

    private static Object now(Arguments a) {
        ZonedDateTime now = ZonedDateTime.now(a.x().clock);
        String form = a.x().text(a.get(0));
        if (TIME.matcher(form).replaceAll("").contains("%")) {
            throw a.x().wrong("%Y, %y, %m, %B, %b, %d, %A, %a, %H, %I, %M, %S and %j alone", form);
        }
        a.x().make(64L * form.length()); // with what Java allocates meanwhile
        return TIME.matcher(form).replaceAll(part -> String.format(Locale.ENGLISH, "%t" + part.group(1), now));
    }

    private static Object range(Arguments a) {
        Rendering x = a.x();
        boolean bounds = a.positional().size() > 1;
        long from = bounds ? x.whole(a.get(0)) : 0;
        long to = x.whole(a.get(bounds ? 1 : 0));
        long by = a.whole(2, "step", 1);
        // A difference that overflows has the other sign.
        long size = by == 0 || to < from != to - from < 0 ? MAX_RANGE + 1 : Math.max(0, Math.ceilDiv(to - from, by));
        if (size > MAX_RANGE) {
            throw x.wrong("a range of at most " + MAX_RANGE + " numbers", size);
        }
        x.make(24 * size);
        return LongStream.range(0, size).<Object>mapToObj(i -> from + i * by).toList();
    }

    private static Map<Object, Object> dict(Arguments a) {
        Map<Object, Object> dict = new LinkedHashMap<>();
        for (Object each : a.positional()) {
            Map<?, ?> other = a.x().cast(Map.class, each, "a dict");
            a.x().step(8L * other.size());
            dict.putAll(other);
        }
        dict.putAll(a.named());
        return dict;
    }

    static Object filter(String name, Rendering x, Object v, Arguments a) {
        return switch (name) {
            case "abs" -> Operators.order(x, v, 0L) < 0 ? Operators.apply(x, "-", 0L, v) : v;
            case "capitalize", "lower", "replace", "upper" ->
                Objects.requireNonNull(ofText(name, x, x.print(v))).call(a);
            case "trim" -> strip(x, x.print(v), a, true, true);
            case "title" -> mapped(x, WORDS, x.print(v), word -> capitalized(x, word));
            case "string", "safe" -> x.print(v);
            case "tojson" -> Printer.json(x, v, a.of("ensure_ascii", "indent", "separators", "sort_keys"));
            case "indent" -> indent(x, v, a.of("width", "first"));
            case "length", "count" -> (long) x.length(v);
            case "default", "d" -> {
                boolean missing = v instanceof Undefined || (a.flag(1, "boolean") && !Rendering.truth(v));
                yield missing ? a.get(0, "default_value", "") : v;
            }
            case "list" -> new ArrayList<>(x.list(v));
            case "items" -> new Lazy(() -> v instanceof Undefined ? List.of() : x.items(v));
            case "first" -> x.item(x.list(v), 0L);
            case "last" -> x.item(x.list(v), -1L);
            case "reverse" ->
                x.slice(v instanceof String ? v : x.list(v), new Arguments(x, List.of(NONE, NONE, -1L), Map.of()));
            case "join" ->
                x.join(x.print(a.get(0, "d", "")), each(x, v, item -> path(x, item, a.get(1, "attribute", NONE))));
            case "map" -> map(x, v, a);
            case "select", "reject" -> filtered(x, v, NONE, a, name.equals("select"));
            case "selectattr", "rejectattr" -> filtered(x, v, a.get(0), a.rest(), name.equals("selectattr"));
            case "sort" ->
                sorted(x, x.list(v), a.get(2, "attribute", NONE), a.flag(1, "case_sensitive"), a.flag(0, "reverse"));
            case "dictsort" -> {
                Object place = index(x, List.of("key", "value"), a.get(1, "by", "key"));
                yield sorted(x, x.items(v), place, a.flag(0, "case_sensitive"), a.flag(2, "reverse"));
            }
            case "unique" -> new Lazy(() -> unique(x, v, a.of("case_sensitive").flag(0, "case_sensitive")));
            case "int" -> {
                Object otherwise = a.of("default").get(0, "default", 0L);
                yield number(x, v) instanceof Number number ? Operators.truncated(number) : otherwise;
            }
            case "float" -> number(x, v) instanceof Number number ? number.doubleValue() : a.get(0, "default", 0.0);
            default -> throw x.wrong("a filter of Jinja", name);
        };
    }

    static boolean test(String name, Rendering x, Object v, Arguments a) {
        return switch (name) {
            case "defined" -> !(v instanceof Undefined);
            case "undefined" -> v instanceof Undefined;
            case "none" -> v.equals(NONE);
            case "true", "false" -> v.equals(name.equals("true"));
            case "boolean" -> v instanceof Boolean;
            case "number" -> Operators.isNumber(v);
            case "integer" -> Operators.isWhole(v) && !(v instanceof Boolean);
            case "float" -> v instanceof Double;
            case "string" -> v instanceof String;
            case "mapping" -> v instanceof Map;
            case "sequence" -> v instanceof String || v instanceof List || v instanceof Map || v instanceof Undefined;
            case "iterable" -> v instanceof Lazy || test("sequence", x, v, a);
            case "callable" -> v instanceof Function;
            case "==", "eq", "equalto" -> Operators.equal(x, v, a.get(0));
            case "!=", "ne" -> !Operators.equal(x, v, a.get(0));
            case "in" -> Operators.contains(x, a.get(0), v);
            case "divisibleby" -> Operators.apply(x, "%", v, a.get(0)).equals(0L);
            case "even", "odd" -> Operators.apply(x, "%", v, 2L).equals(name.equals("odd") ? 1L : 0L);
            default -> throw x.wrong("a test of Jinja", name);
        };
    }

    /** A method of a text, dict or list; null if it has no method of this name. */
    static @Nullable Function method(String name, Rendering x, Object v) {
        return switch (v) {
            case String text -> ofText(name, x, text);
            case Map<?, ?> map -> ofDict(name, x, map);
            case List<?> list when name.equals("index") -> a -> index(x, list, a.get(0));
            default -> null;
        };
    }

    private static Object index(Rendering x, List<?> list, Object item) {
        int at = 0;
        while (at < list.size() && !Operators.equal(x, list.get(at), item)) {
            at++;
        }
        if (at == list.size()) {
            throw x.wrong("an item of the list", item);
        }
        return (long) at;
    }

    private static Object place(Rendering x, String text, String part, boolean mayBeMissing) {
        x.step((long) text.length() * part.length() / Rendering.RUN);
        int at = text.indexOf(part);
        if (at < 0 && !mayBeMissing) {
            throw x.wrong("a part of the text", part);
        }
        return at < 0 ? -1L : (long) text.codePointCount(0, at);
    }

    private static @Nullable Function ofDict(String name, Rendering x, Map<?, ?> map) {
        return switch (name) {
            case "items" -> unused -> x.items(map);
            case "keys" -> unused -> x.list(map);
            case "values" -> unused -> new ArrayList<Object>(map.values());
            case "get" -> a -> Objects.requireNonNullElse(map.get(x.key(a.get(0))), a.get(1, "default", NONE));
            default -> null;
        };
    }

    private static @Nullable Function ofText(String name, Rendering x, String text) {
        return switch (name) {
            case "strip", "lstrip", "rstrip" -> a -> strip(x, text, a, !name.equals("rstrip"), !name.equals("lstrip"));
            case "split" -> a -> split(x, text, a.of("sep", "maxsplit"));
            case "index", "find" -> a -> place(x, text, x.text(a.of("sub").get(0)), name.equals("find"));
            case "startswith", "endswith" -> a -> affix(x, text, a.of("affix").get(0), name.equals("startswith"));
            case "upper" -> unused -> mapped(x, UPPERED, text, part -> part.toUpperCase(Locale.ROOT));
            case "lower" -> unused -> lower(x, text);
            case "title" -> unused -> mapped(x, LETTERS, text, word -> capitalized(x, word));
            case "capitalize" -> unused -> capitalized(x, text);
            case "replace" ->
                a -> x.join(x.print(a.get(1)), parts(x, text, x.print(a.get(0)), a.whole(2, "count", -1)));
            case "join" ->
                a -> x.join(text, x.list(a.get(0)).stream().map(x::text).toList());
            default -> null;
        };
    }

    /** Python's str.isspace, which is not Java's. */
    static boolean isSpace(int c) {
        return (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= ' ') || c == 0x85 || Character.isSpaceChar(c);
    }

    private static String strip(Rendering x, String text, Arguments a, boolean left, boolean right) {
        Object chars = a.get(0, "chars", NONE);
        String given = chars.equals(NONE) ? "" : x.text(chars);
        x.step((long) text.length() * given.length() / 64);
        IntPredicate strips = chars.equals(NONE) ? Builtins::isSpace : c -> given.indexOf(c) >= 0;
        int from = 0;
        int to = text.length();
        while (left && from < to && strips.test(text.codePointAt(from))) {
            from = text.offsetByCodePoints(from, 1);
        }
        while (right && to > from && strips.test(text.codePointBefore(to))) {
            to = text.offsetByCodePoints(to, -1);
        }
        x.step((from + text.length() - to) / 8);
        return text.substring(from, to);
    }

    private static List<Object> split(Rendering x, String text, Arguments a) {
        Object separator = a.get(0, "sep", NONE);
        long most = a.whole(1, "maxsplit", -1);
        if (!separator.equals(NONE)) {
            return parts(x, text, x.text(separator), most);
        }
        x.make(24L * text.length());
        String begun = strip(x, text, new Arguments(x, List.of(), Map.of()), true, false);
        String[] words = SPACES.split(begun, Math.clamp(most + 1, 0, 1 << 30));
        return Stream.<Object>of((Object[]) words)
                .filter(word -> !word.equals(""))
                .toList();
    }

    /** The parts between separators: the first {@code most} separators, or all if it is negative. */
    private static List<Object> parts(Rendering x, String text, String separator, long most) {
        if (separator.isEmpty()) {
            throw x.wrong("a separator", separator);
        }
        List<Object> parts = new ArrayList<>();
        int from = 0;
        for (int at = 0; at >= 0; from = at + separator.length()) {
            at = parts.size() == most ? -1 : Operators.find(x, text, separator, from);
            parts.add(x.made(text.substring(from, at < 0 ? text.length() : at)));
        }
        return parts;
    }

    private static boolean affix(Rendering x, String text, Object affix, boolean start) {
        List<Object> several = affix instanceof Tuple ? x.list(affix) : List.of(affix);
        return several.stream().map(x::text).anyMatch(each -> {
            x.step(each.length() / Rendering.RUN);
            return start ? text.startsWith(each) : text.endsWith(each);
        });
    }

    private static String mapped(Rendering x, Pattern parts, String text, UnaryOperator<String> change) {
        x.make(Rendering.OBJECT + 8L * text.length()); // with what Java allocates meanwhile
        return parts.matcher(text).replaceAll(part -> Matcher.quoteReplacement(change.apply(part.group())));
    }

    private static String lower(Rendering x, String text) {
        return mapped(x, LOWERED, text, part -> part.toLowerCase(Locale.ROOT));
    }

    private static String capitalized(Rendering x, String text) {
        int first = text.isEmpty() ? 0 : text.offsetByCodePoints(0, 1);
        return text.substring(0, first).toUpperCase(Locale.ROOT) + lower(x, text.substring(first));
    }

    private static Object indent(Rendering x, Object v, Arguments a) {
        String space = x.indent(a.get(0, "width", 4L));
        List<Object> lines = new ArrayList<>();
        for (Object line : parts(x, x.print(v), "\n", -1)) {
            boolean indented = lines.isEmpty() ? a.flag(1, "first") : !line.equals("");
            lines.add(indented ? Operators.apply(x, "~", space, line) : line);
        }
        return x.join("\n", lines);
    }

    private static List<Object> each(Rendering x, Object v, UnaryOperator<Object> function) {
        return x.made(x.list(v).stream().map(function).toList());
    }

    private static Lazy map(Rendering x, Object v, Arguments a) {
        Object attribute = a.named().getOrDefault("attribute", NONE);
        return new Lazy(() -> each(x, Rendering.truth(v) ? v : List.of(), item -> {
            Object found = path(x, item, attribute);
            return attribute.equals(NONE)
                    ? x.made(filter(x.text(a.get(0)), x, item, a.rest()))
                    : found instanceof Undefined ? a.named().getOrDefault("default", found) : found;
        }));
    }

    private static Lazy filtered(Rendering x, Object v, Object attribute, Arguments a, boolean wanted) {
        Predicate<Object> passes = item -> {
            Object tested = path(x, item, attribute);
            boolean plain = a.positional().isEmpty();
            return wanted == (plain ? Rendering.truth(tested) : test(x.text(a.get(0)), x, tested, a.rest()));
        };
        return new Lazy(() -> x.made(x.list(Rendering.truth(v) ? v : List.of()).stream()
                .filter(passes)
                .toList()));
    }

    /** Follows a path of attributes such as {@code function.name}, or an index, from an item; none gives the item. */
    private static Object path(Rendering x, Object item, Object attribute) {
        Object at = item;
        x.make(attribute instanceof String names ? 16L * names.length() : 0); // its parts
        for (Object name : attribute instanceof String names ? names.split("\\.") : new Object[] {attribute}) {
            at = name.equals(NONE) ? at : x.item(at, name);
        }
        return at;
    }

    private static Object sorted(Rendering x, List<Object> list, Object attribute, boolean exact, boolean reverse) {
        List<Object> items = x.made(new ArrayList<>(list));
        Comparator<Object> order = Comparator.comparing(
                item -> folded(x, path(x, item, attribute), exact), (p, q) -> Operators.order(x, p, q));
        items.sort(reverse ? order.reversed() : order);
        return items;
    }

    private static Object folded(Rendering x, Object v, boolean exact) {
        return v instanceof String text && !exact ? lower(x, text) : v;
    }

    private static List<Object> unique(Rendering x, Object v, boolean exact) {
        List<Object> seen = new ArrayList<>();
        return x.list(v).stream()
                .filter(item ->
                        !Operators.contains(x, seen, folded(x, item, exact)) && seen.add(folded(x, item, exact)))
                .toList();
    }

    /** The number that a boolean or text stands for; any other value unchanged. */
    private static Object number(Rendering x, Object v) {
        Object unused = v instanceof Undefined missing ? missing.as(v) : v;
        x.step(v instanceof String text ? Math.min(text.length(), 400) + text.length() / Rendering.RUN : 0);
        String digits = v instanceof String text ? text.strip() : v instanceof Boolean flag ? (flag ? "1" : "0") : "";
        return digits.length() < 400 && NUMBER.matcher(digits).matches() ? new BigDecimal(digits) : v;
    }
}
