package dev.causal4j.chat;

import static dev.causal4j.chat.Values.NONE;

import dev.causal4j.chat.Value.Function;
import dev.causal4j.chat.Value.Lazy;
import dev.causal4j.chat.Value.Namespace;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import java.math.BigDecimal;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;

/**
 * Jinja's filters, tests and functions and Python's methods, as far as chat templates use them, and the two functions
 * that transformers adds. {@code x} are the values of the rendering, {@code v} is what a filter, test or method is of.
 */
final class Builtins {
    private static final Set<String> OF_TEXTS = Set.of(("strip lstrip rstrip split startswith endswith upper lower"
                    + " title capitalize replace join find count isdigit")
            .split(" "));
    private static final Set<String> OF_DICTS =
            Set.of("items keys values get pop popitem update clear setdefault".split(" "));
    private static final Pattern SPACES = Pattern.compile(Lexer.SPACE + "++");
    private static final Pattern PART = Pattern.compile("(?s).{1,64}+");
    private static final Pattern LETTERS = Pattern.compile("\\p{L}++");
    private static final Pattern WORDS = Pattern.compile("[^-\\s({\\[<]++");
    private static final Pattern NUMBER = Pattern.compile("[-+]?([0-9]++\\.?[0-9]*+|\\.[0-9]++)([eE][-+]?[0-9]{1,2})?");
    private static final Pattern TIME = Pattern.compile("%([YymBbdAaHIMSj])");
    private static final long MAX_RANGE = 100_000;

    private Builtins() {}

    /** The functions by name. */
    static Map<String, Object> functions() {
        Map<String, Object> functions = new HashMap<>();
        for (String name : List.of("range", "dict", "namespace", "strftime_now", "raise_exception")) {
            functions.put(name, (Function) a -> function(name, a.values(), a));
        }
        return functions;
    }

    private static Object function(String name, Values x, Arguments a) {
        return switch (name) {
            case "range" -> range(x, a);
            case "dict" -> dict(x, a);
            case "namespace" -> new Namespace(dict(x, a));
            case "strftime_now" -> {
                ZonedDateTime now = ZonedDateTime.now(x.clock);
                yield TIME.matcher(x.text(a.get(0)))
                        .replaceAll(part -> String.format(Locale.ENGLISH, "%t" + part.group(1), now));
            }
            default -> throw x.refused(x.print(a.get(0)));
        };
    }

    private static Object range(Values x, Arguments a) {
        boolean bounds = a.positional().size() > 1;
        long from = bounds ? x.whole(a.get(0)) : 0;
        long to = x.whole(a.get(bounds ? 1 : 0));
        long by = a.whole(2, "step", 1);
        long size = by == 0 ? MAX_RANGE + 1 : Math.max(0, Math.ceilDiv(to - from, by));
        if (size > MAX_RANGE) {
            throw x.wrong("a range of at most " + MAX_RANGE + " numbers", size);
        }
        x.make(24 * size);
        return LongStream.range(0, size).<Object>mapToObj(i -> from + i * by).toList();
    }

    private static Map<Object, Object> dict(Values x, Arguments a) {
        Map<Object, Object> dict = new LinkedHashMap<>();
        a.positional().forEach(other -> dict.putAll(x.cast(Map.class, other, "a dict")));
        dict.putAll(a.named());
        return dict;
    }

    static Object filter(String name, Values x, Object v, Arguments a) {
        return switch (name) {
            case "abs" -> x.order(v, 0L) < 0 ? x.apply("-", 0L, v) : v;
            case "capitalize", "lower", "replace", "upper" -> method(name, x, x.print(v), a);
            case "trim" -> method("strip", x, x.print(v), a);
            case "title" -> mapped(x, WORDS, x.print(v), word -> capitalized(x, word));
            case "string", "safe" -> x.print(v);
            case "tojson" -> Printer.json(x, a).print(v);
            case "indent" -> indent(x, v, a);
            case "length", "count" -> (long) x.length(v);
            case "default", "d" -> {
                boolean missing = v instanceof Undefined || (a.flag(1, "boolean") && !Values.truth(v));
                yield missing ? a.get(0, "default_value", "") : v;
            }
            case "list" -> new ArrayList<>(x.list(v));
            case "items" -> new Lazy(() -> v instanceof Undefined ? List.of() : x.items(v));
            case "first" -> x.list(v).stream().findFirst().orElse(new Undefined("first item"));
            case "last" ->
                x.length(v) == 0 ? new Undefined("last item") : x.list(v).getLast();
            case "reverse" ->
                v instanceof String
                        ? x.slice(v, NONE, NONE, -1L)
                        : new Lazy(() -> x.list(v).reversed());
            case "join" -> {
                Object attribute = a.get(1, "attribute", NONE);
                yield x.join(x.print(a.get(0, "d", "")), each(x, v, item -> path(x, item, attribute)));
            }
            case "map" -> map(x, v, a);
            case "select", "reject" -> filtered(x, v, NONE, a, name.equals("select"));
            case "selectattr", "rejectattr" -> filtered(x, v, a.get(0), a.rest(), name.equals("selectattr"));
            case "sort" -> {
                Object attribute = a.get(2, "attribute", NONE);
                yield sorted(x, x.list(v), attribute, a.flag(1, "case_sensitive"), a.flag(0, "reverse"));
            }
            case "dictsort" -> sorted(x, x.items(v), 0L, a.flag(0, "case_sensitive"), false);
            case "unique" -> unique(x, v, a.flag(0, "case_sensitive"));
            case "int" -> number(v) instanceof Number number ? Numbers.truncated(number) : a.get(0, "default", 0L);
            case "float" -> number(v) instanceof Number number ? number.doubleValue() : a.get(0, "default", 0.0);
            default -> throw x.wrong("a filter of Jinja", name);
        };
    }

    static boolean test(String name, Values x, Object v, Arguments a) {
        return switch (name) {
            case "defined" -> !(v instanceof Undefined);
            case "undefined" -> v instanceof Undefined;
            case "none" -> v.equals(NONE);
            case "true", "false" -> v.equals(name.equals("true"));
            case "boolean" -> v instanceof Boolean;
            case "number" -> Numbers.is(v);
            case "integer" -> Numbers.isWhole(v) && !(v instanceof Boolean);
            case "float" -> v instanceof Double;
            case "string" -> v instanceof String;
            case "mapping" -> v instanceof Map;
            case "sequence" -> v instanceof String || v instanceof List || v instanceof Map || v instanceof Undefined;
            case "iterable" -> v instanceof Lazy || test("sequence", x, v, a);
            case "callable" -> v instanceof Function;
            case "==", "eq", "equalto" -> x.equal(v, a.get(0));
            case "!=", "ne" -> !x.equal(v, a.get(0));
            case "in" -> x.contains(a.get(0), v);
            case "divisibleby" -> x.apply("%", v, a.get(0)).equals(0L);
            case "even", "odd" -> x.apply("%", v, 2L).equals(name.equals("odd") ? 1L : 0L);
            default -> throw x.wrong("a test of Jinja", name);
        };
    }

    static boolean isMethod(Object v, String name) {
        return v instanceof String ? OF_TEXTS.contains(name) : v instanceof Map && OF_DICTS.contains(name);
    }

    static Object method(String name, Values x, Object v, Arguments a) {
        if (v instanceof Map<?, ?> map) {
            return switch (name) {
                case "items" -> x.items(map);
                case "keys" -> x.list(map);
                case "values" -> new ArrayList<Object>(map.values());
                case "get" -> Objects.requireNonNullElse(map.get(x.key(a.get(0))), a.get(1, "default", NONE));
                default -> throw x.wrong("a template that changes no value", name);
            };
        }
        String text = (String) v;
        return switch (name) {
            case "strip", "lstrip", "rstrip" -> {
                Object chars = a.get(0, "chars", NONE);
                String given = chars.equals(NONE) ? "" : x.text(chars);
                x.step((long) text.length() * given.length() / 64);
                IntPredicate strips = chars.equals(NONE) ? Builtins::isSpace : c -> given.indexOf(c) >= 0;
                yield strip(text, strips, !name.equals("rstrip"), !name.equals("lstrip"));
            }
            case "split" -> split(x, text, a);
            case "startswith", "endswith" -> affix(x, text, a.get(0), name.equals("startswith"));
            case "upper" -> mapped(x, PART, text, part -> part.toUpperCase(Locale.ROOT));
            case "lower" -> lower(x, text);
            case "title" -> mapped(x, LETTERS, text, word -> capitalized(x, word));
            case "capitalize" -> capitalized(x, text);
            case "replace" -> x.join(x.print(a.get(1)), parts(x, text, x.print(a.get(0)), a.whole(2, "count", -1)));
            case "join" -> {
                List<Object> items = x.list(a.get(0));
                items.forEach(x::text);
                yield x.join(text, items);
            }
            case "find" -> {
                int at = x.find(text, x.text(a.get(0)), 0);
                yield at < 0 ? -1L : (long) text.codePointCount(0, at);
            }
            case "count" -> parts(x, text, x.text(a.get(0)), -1).size() - 1L;
            default -> !text.isEmpty() && text.codePoints().allMatch(Character::isDigit);
        };
    }

    /** Python's str.isspace, which is not Java's. */
    static boolean isSpace(int c) {
        return (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= ' ') || c == 0x85 || Character.isSpaceChar(c);
    }

    static String strip(String text, IntPredicate strips, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && strips.test(text.codePointAt(from))) {
            from = text.offsetByCodePoints(from, 1);
        }
        while (right && to > from && strips.test(text.codePointBefore(to))) {
            to = text.offsetByCodePoints(to, -1);
        }
        return text.substring(from, to);
    }

    private static List<Object> split(Values x, String text, Arguments a) {
        Object separator = a.get(0, "sep", NONE);
        long most = a.whole(1, "maxsplit", -1);
        if (!separator.equals(NONE)) {
            return parts(x, text, x.text(separator), most);
        }
        x.make(24L * text.length());
        String[] words = SPACES.split(strip(text, Builtins::isSpace, true, false), Math.clamp(most + 1, 0, 1 << 30));
        return Arrays.stream(words)
                .<Object>map(word -> word)
                .filter(word -> !word.equals(""))
                .toList();
    }

    /** The parts between separators, of which at most {@code most} count unless it is negative. */
    private static List<Object> parts(Values x, String text, String separator, long most) {
        if (separator.isEmpty()) {
            throw x.wrong("a separator", separator);
        }
        List<Object> parts = new ArrayList<>();
        int from = 0;
        for (int at = 0; at >= 0; from = at + separator.length()) {
            at = parts.size() == most ? -1 : x.find(text, separator, from);
            parts.add(x.made(text.substring(from, at < 0 ? text.length() : at)));
        }
        return parts;
    }

    private static boolean affix(Values x, String text, Object affix, boolean start) {
        if (affix instanceof Tuple several) {
            return several.stream().anyMatch(each -> affix(x, text, each, start));
        }
        return start ? text.startsWith(x.text(affix)) : text.endsWith(x.text(affix));
    }

    private static String mapped(Values x, Pattern parts, String text, UnaryOperator<String> change) {
        x.make(6L * text.length()); // with what Java takes meanwhile
        return parts.matcher(text).replaceAll(part -> Matcher.quoteReplacement(change.apply(part.group())));
    }

    private static String lower(Values x, String text) {
        // Only this letter grows, for which Java takes quadratic time; in parts, the end of a Greek word is not seen.
        boolean grows = text.indexOf('\u0130') >= 0;
        return grows ? mapped(x, PART, text, part -> part.toLowerCase(Locale.ROOT)) : text.toLowerCase(Locale.ROOT);
    }

    private static String capitalized(Values x, String text) {
        int first = text.isEmpty() ? 0 : text.offsetByCodePoints(0, 1);
        return text.substring(0, first).toUpperCase(Locale.ROOT) + lower(x, text.substring(first));
    }

    private static Object indent(Values x, Object v, Arguments a) {
        Object width = a.get(0, "width", 4L);
        Object space = width instanceof String ? width : x.apply("*", " ", width);
        List<Object> lines = new ArrayList<>();
        for (Object line : parts(x, x.print(v), "\n", -1)) {
            boolean indented = lines.isEmpty() ? a.flag(1, "first") : !line.equals("") || a.flag(2, "blank");
            lines.add(indented ? x.apply("~", space, line) : line);
        }
        return x.join("\n", lines);
    }

    private static List<Object> each(Values x, Object v, UnaryOperator<Object> function) {
        return x.made(x.list(v).stream().map(function).toList());
    }

    private static Lazy map(Values x, Object v, Arguments a) {
        Object attribute = a.named().getOrDefault("attribute", NONE);
        return new Lazy(() -> each(x, v, item -> {
            Object found = path(x, item, attribute);
            return attribute.equals(NONE)
                    ? filter(x.text(a.get(0)), x, item, a.rest())
                    : found instanceof Undefined ? a.named().getOrDefault("default", found) : found;
        }));
    }

    private static Lazy filtered(Values x, Object v, Object attribute, Arguments a, boolean wanted) {
        Predicate<Object> passes = item -> {
            Object tested = path(x, item, attribute);
            boolean plain = a.positional().isEmpty();
            return wanted == (plain ? Values.truth(tested) : test(x.text(a.get(0)), x, tested, a.rest()));
        };
        return new Lazy(() -> x.made(x.list(v).stream().filter(passes).toList()));
    }

    /** An attribute of an attribute ... of an item: {@code function.name}. */
    private static Object path(Values x, Object item, Object attribute) {
        Object at = item;
        for (Object name : attribute instanceof String names ? names.split("\\.", -1) : new Object[] {attribute}) {
            boolean index = name instanceof String digits && digits.matches("[0-9]{1,9}");
            at = name.equals(NONE) ? at : x.item(at, index ? Long.valueOf((String) name) : name);
        }
        return at;
    }

    private static Object sorted(Values x, List<Object> list, Object attribute, boolean exact, boolean reverse) {
        List<Object> items = x.made(new ArrayList<>(list));
        Comparator<Object> order = Comparator.comparing(item -> folded(x, path(x, item, attribute), exact), x::order);
        items.sort(reverse ? order.reversed() : order);
        return items;
    }

    private static Object folded(Values x, Object v, boolean exact) {
        return v instanceof String text && !exact ? lower(x, text) : v;
    }

    private static Lazy unique(Values x, Object v, boolean exact) {
        List<Object> seen = new ArrayList<>();
        List<Object> kept = new ArrayList<>();
        for (Object item : x.list(v)) {
            if (!x.contains(seen, folded(x, item, exact))) {
                seen.add(folded(x, item, exact));
                kept.add(item);
            }
        }
        return new Lazy(() -> x.made(kept));
    }

    /** The number that a value is or spells, else the value. */
    private static Object number(Object v) {
        String digits = v instanceof String text ? text.strip() : v instanceof Boolean flag ? (flag ? "1" : "0") : "";
        return digits.length() < 400 && NUMBER.matcher(digits).matches() ? new BigDecimal(digits) : v;
    }
}
