package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.constraint.JsonNumbers.Bound;
import dev.causal4j.constraint.JsonNumbers.Multiple;
import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Kind;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Others;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import dev.causal4j.json.Json;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Reads subschemas as {@link Shape}s: draft 2020-12, and the older forms of its keywords. An assertion that cannot be held exactly is
 * refused, or dropped by a lenient reader. Not thread-safe.
 */
final class SchemaReader {
    private static final int MAX_REFERENCES = 200; // one after the other, without a value between
    private static final int MAX_DEPENDENT = 8;
    private static final int MAX_DIVISIONS = 1000;
    private static final int ENTRY = 64; // bytes of a list's string beside its characters
    private static final int MAX_OUTSIDE = 20; // shapes of what one alternative excludes; they are multiplied

    /** Assertions that are not held. */
    private static final Set<String> REFUSED = words("if then else contains minContains maxContains dependentSchemas"
            + " unevaluatedItems unevaluatedProperties $dynamicRef $recursiveRef disallow extends divisibleBy");

    /** Assertions about values of one type, or about all. */
    private static final Set<String> OWN = words("type enum const properties required additionalProperties"
            + " patternProperties propertyNames minProperties maxProperties items prefixItems additionalItems minItems"
            + " maxItems uniqueItems minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum"
            + " multipleOf");

    /** Keywords that combine, name or hold schemas. */
    private static final Set<String> OTHERS =
            words("$ref allOf anyOf oneOf not dependentRequired dependencies" + " $defs definitions $schema $id id");

    private static final Set<String> TYPES = words("null boolean integer number string array object");

    private final SchemaDocument document;
    private final JsonTerms json;
    private static final String DIGITS = "numbers of at most 19 digits before and 17 after the point";

    private final boolean lenient;
    private final List<String> ignored;
    final Shapes shapes;
    private final SchemaComplement complement;
    private final SchemaReader strict; // of what is excluded: with an assertion less it would be more

    private final Memo<Subschema, List<Shape>> read = new Memo<>(this::readOne);
    private final Memo<List<Subschema>, List<Shape>> met = new Memo<>(this::readAll);
    private final Map<Subschema, Subschema> affirmed = new HashMap<>(); // without their not
    private final Set<Subschema> open = new HashSet<>();

    SchemaReader(SchemaDocument document, JsonTerms json, boolean lenient, List<String> ignored) {
        this.document = document;
        this.json = json;
        this.lenient = lenient;
        this.ignored = ignored;
        shapes = new Shapes(json, this::read);
        complement = new SchemaComplement(shapes, json);
        strict = lenient ? new SchemaReader(document, json, false, new ArrayList<>()) : this;
    }

    /** In this order. */
    private static Set<String> words(String text) {
        return Collections.unmodifiableSet(new LinkedHashSet<>(List.of(text.split(" "))));
    }

    /** The values that all these schemas allow. */
    List<Shape> read(List<Subschema> all) {
        return met.of(all);
    }

    private List<Shape> readAll(List<Subschema> all) {
        return all.stream().map(read::of).reduce(shapes.any, shapes::meet);
    }

    private List<Shape> readOne(Subschema schema) {
        if (!open.add(schema)) { // a part of itself without a value between
            throw Subschema.wrong(schema.pointer(), "references that come to a type", "a circle");
        }
        try {
            Limits.check("schema, references to references", open.size(), MAX_REFERENCES, "schemas");
            return keywords(schema);
        } finally {
            open.remove(schema);
        }
    }

    private List<Shape> keywords(Subschema schema) {
        for (Object key : schema.keywords.keySet()) {
            String keyword = (String) key;
            if (REFUSED.contains(keyword)) {
                refuse(schema, keyword, "no " + quote(keyword), "one");
            } else if (keyword.equals("format")
                    ? !Formats.PATTERNS.containsKey(schema.text(keyword))
                            && !Formats.BITS.containsKey(schema.text(keyword))
                    : !OWN.contains(keyword) && !OTHERS.contains(keyword)) {
                ignore(schema.pointer() + "/" + keyword);
            }
        }
        List<Shape> all = part(schema, "$ref", () -> read.of(document.resolve(schema)), shapes.any);
        all = shapes.meet(all, own(schema));
        all = part(schema, "allOf", () -> readAll(children(schema, "allOf")), all);
        all = part(schema, "anyOf", () -> anyOf(schema), all);
        all = part(schema, "not", () -> complement(document.child(schema, "not")), all);
        all = part(schema, "dependentRequired", () -> dependent(schema, "dependentRequired"), all);
        all = part(schema, "dependencies", () -> dependent(schema, "dependencies"), all);
        List<Shape> base = all;
        return part(schema, "oneOf", () -> oneOf(schema, base), all);
    }

    /** The values of {@code base} that a keyword allows; all without the keyword, and if a lenient reader drops it. */
    private List<Shape> part(Subschema schema, String keyword, Supplier<List<Shape>> values, List<Shape> base) {
        if (!schema.has(keyword)) {
            return base;
        }
        List<Shape> part = shapes.any;
        try {
            part = values.get();
        } catch (SchemaRefusal refusal) {
            if (!lenient) {
                throw refusal;
            }
            ignore(refusal.pointer);
        }
        return shapes.meet(base, part);
    }

    /** Refuses a keyword; a lenient reader notes that it is dropped. */
    void refuse(Subschema schema, String keyword, String expected, String got) {
        if (!lenient) {
            throw schema.refused(keyword, expected, got);
        }
        ignore(schema.pointer() + "/" + keyword);
    }

    private void ignore(String place) {
        json.terms.budget().keep(ENTRY + place.length());
        ignored.add(place);
    }

    private List<Shape> anyOf(Subschema schema) {
        return shapes.union(children(schema, "anyOf").stream().map(read::of).toList());
    }

    private List<Subschema> children(Subschema schema, String keyword) {
        List<Subschema> children = new ArrayList<>();
        for (int i = 0; i < schema.list(keyword).size(); i++) {
            children.add(document.child(schema, keyword, i));
        }
        return children;
    }

    /** Values of exactly one alternative: those that share values are taken out of each other. */
    private List<Shape> oneOf(Subschema schema, List<Shape> base) {
        List<Subschema> children = children(schema, "oneOf");
        List<List<Shape>> options = children.stream()
                .map(child -> shapes.meet(base, read.of(child)))
                .toList();
        List<List<Shape>> alone = new ArrayList<>(options);
        for (int i = 1; i < options.size(); i++) {
            for (int other = 0; other < i; other++) {
                if (!shapes.disjoint(options.get(i), options.get(other))) {
                    alone.set(i, shapes.meet(alone.get(i), outside(schema, children.get(other))));
                    alone.set(other, shapes.meet(alone.get(other), outside(schema, children.get(i))));
                }
            }
        }
        return shapes.union(alone);
    }

    private List<Shape> outside(Subschema schema, Subschema alternative) {
        String expected = "oneOf with alternatives that exclude each other, or can be taken out of each other";
        try {
            List<Shape> outside = complement(alternative);
            if (outside.size() <= MAX_OUTSIDE) {
                return outside;
            }
        } catch (SchemaRefusal unused) {
            // said better here
        }
        throw schema.refused("oneOf", expected, "others");
    }

    /** Names that require others, or a schema of the object: objects without the name, or with all. */
    private List<Shape> dependent(Subschema schema, String keyword) {
        Map<?, ?> dependent = schema.object(keyword);
        if (dependent.size() > MAX_DEPENDENT) {
            String expected = "at most " + MAX_DEPENDENT + " names in \"" + keyword + "\"";
            throw schema.refused(keyword, expected, Json.describe(dependent));
        }
        List<Shape> all = shapes.any;
        for (Map.Entry<?, ?> each : dependent.entrySet()) {
            String name = (String) each.getKey();
            boolean names = each.getValue() instanceof List;
            Set<String> required = new LinkedHashSet<>(List.of(name));
            required.addAll(names ? schema.texts(keyword + "/" + name, each.getValue()) : List.of());
            List<Shape> with = List.of(shapes.members(Map.of(), required));
            if (!names) {
                with = shapes.meet(with, read.of(document.child(schema, keyword, name)));
            }
            List<Shape> without = List.of(shapes.without(name));
            all = shapes.meet(all, shapes.union(List.of(shapes.other(Members.class), without, with)));
        }
        return all;
    }

    /** The values that a schema excludes: those that hold inside of its own not, and those that its rest excludes. */
    private List<Shape> complement(Subschema schema) {
        if (!schema.has("not")) {
            return complement.of(schema, strict.read.of(schema));
        }
        List<Shape> twice = strict.read.of(document.child(schema, "not"));
        return shapes.union(List.of(twice, complement(affirmed.computeIfAbsent(schema, each -> each.without("not")))));
    }

    private List<Shape> own(Subschema schema) {
        if (Collections.disjoint(schema.keywords.keySet(), OWN)) {
            return shapes.any;
        }
        List<Shape> own = new ArrayList<>();
        Set<String> types = types(schema);
        for (String type : types) {
            switch (type) {
                case "null" -> own.add(new Scalars(Kind.NULL, json.nothing));
                case "boolean" -> own.add(new Scalars(Kind.BOOLEAN, json.either));
                case "number" -> own.add(new Scalars(Kind.NUMBER, number(schema, false)));
                case "integer" -> {
                    if (!types.contains("number")) {
                        own.add(new Scalars(Kind.NUMBER, number(schema, true)));
                    }
                }
                case "string" -> own.add(strings(schema));
                case "array" -> own.add(items(schema));
                default -> own.add(members(schema));
            }
        }
        own.removeIf(shapes::never);
        for (String keyword : List.of("const", "enum")) {
            own = shapes.meet(part(schema, keyword, () -> values(schema, keyword), shapes.any), own);
        }
        return own;
    }

    private static Set<String> types(Subschema schema) {
        if (!schema.has("type")) {
            return TYPES;
        }
        Object type = schema.keywords.get("type");
        Set<String> types = new LinkedHashSet<>(schema.texts("type", type instanceof String ? List.of(type) : type));
        if (!TYPES.containsAll(types)) {
            throw Subschema.wrong(schema.pointer() + "/type", "types of " + TYPES, String.join(", ", types));
        }
        return types;
    }

    /** Values that are listed. Lists and objects become shapes with one value in each place. */
    private List<Shape> values(Subschema schema, String keyword) {
        List<?> values = keyword.equals("enum") ? schema.list(keyword) : List.of(schema.keywords.get(keyword));
        Limits.check("schema, enum", values.size(), Limits.VALUES, "values");
        List<List<Shape>> all = new ArrayList<>();
        List<String> numbers = new ArrayList<>();
        List<String> strings = new ArrayList<>();
        for (Object value : values) {
            switch (value) {
                case Boolean flag -> all.add(List.of(new Scalars(Kind.BOOLEAN, flag ? json.yes : json.no)));
                case Number number -> numbers.add(spelled(schema, keyword, number));
                case String text -> strings.add(text);
                case List<?> list -> {
                    List<List<Subschema>> items = list.stream()
                            .map(v -> List.of(schema.saying("const", v)))
                            .toList();
                    all.add(List.of(new Items(items, List.of(), list.size(), list.size(), null)));
                }
                case Map<?, ?> map -> {
                    Map<String, List<Subschema>> named = new LinkedHashMap<>();
                    map.forEach((name, v) -> named.put((String) name, List.of(schema.saying("const", v))));
                    all.add(List.of(new Members(named, named.keySet(), List.of(), 0, Terms.UNBOUNDED)));
                }
                default -> all.add(List.of(new Scalars(Kind.NULL, json.nothing)));
            }
        }
        if (!numbers.isEmpty()) {
            all.add(List.of(new Scalars(Kind.NUMBER, json.terms.raw(numbers))));
        }
        if (!strings.isEmpty()) {
            all.add(List.of(new Strings(0, Terms.UNBOUNDED, json.plain(strings))));
        }
        return shapes.union(all);
    }

    /** The one spelling of a number that is given, without superfluous zeros. */
    private static String spelled(Subschema schema, String keyword, Number number) {
        BigDecimal plain = schema.number("", number).stripTrailingZeros();
        if (!Bound.of(plain, false).fits()) {
            throw schema.refused(keyword, DIGITS, "" + number);
        }
        return plain.toPlainString();
    }

    private Term number(Subschema schema, boolean integer) {
        Bound low = bound(schema, "minimum", "exclusiveMinimum", 1);
        Bound high = bound(schema, "maximum", "exclusiveMaximum", -1);
        Multiple multiple = multiple(schema);
        Integer bits = schema.has("format") ? Formats.BITS.get(schema.text("format")) : null;
        Term free = bits != null ? json.signed(bits) : integer ? json.integer : json.number;
        if (low == null && high == null && multiple == null) {
            return free;
        }
        Term term = json.terms.machine(new JsonNumbers(integer, low, high, multiple));
        if (json.terms.live(term) || ((low == null || low.fits()) && (high == null || high.fits()))) {
            return bits == null ? term : json.both(term, free);
        }
        // Only numbers with exponents are in such bounds, and a oneOf would not see that a free alternative has them,
        // too.
        refuse(schema, low == null || low.fits() ? "maximum" : "minimum", DIGITS, "bounds without any");
        return free;
    }

    /** The tighter of two bounds; in draft 4 the second says of the first whether it is excluded. */
    private static @Nullable Bound bound(Subschema schema, String reached, String excluded, int side) {
        boolean flag = schema.keywords.get(excluded) instanceof Boolean;
        BigDecimal closed = schema.has(reached) ? schema.number(reached) : null;
        BigDecimal open = flag || !schema.has(excluded) ? null : schema.number(excluded);
        return closed != null && (open == null || closed.compareTo(open) == side)
                ? Bound.of(closed, flag && schema.flag(excluded))
                : open == null ? null : Bound.of(open, true);
    }

    private @Nullable Multiple multiple(Subschema schema) {
        if (!schema.has("multipleOf")) {
            return null;
        }
        BigDecimal value = schema.number("multipleOf");
        if (value.signum() <= 0) {
            throw Subschema.wrong(schema.pointer() + "/multipleOf", "a number above 0", value);
        }
        Multiple multiple = Multiple.of(value);
        if (multiple == null) {
            String expected = "a multipleOf of at most " + Multiple.MAX_UNIT + " units of its last digit";
            refuse(schema, "multipleOf", expected, Json.describe(value));
        }
        return multiple;
    }

    private Strings strings(Subschema schema) {
        Term pattern = schema.has("pattern") ? pattern(schema, "pattern", schema.text("pattern")) : null;
        String format = schema.has("format") ? Formats.PATTERNS.get(schema.text("format")) : null;
        Term content = json.bothOf(pattern, format == null ? null : json.wholes.of(format));
        return new Strings(schema.count("minLength", 0), schema.count("maxLength", Terms.UNBOUNDED), content);
    }

    /** The strings that a pattern matches anywhere; all if a lenient reader drops it. */
    private Term pattern(Subschema schema, String keyword, String pattern) {
        try {
            return json.searches.of(pattern);
        } catch (ConstraintException e) {
            refuse(schema, keyword, "a pattern that can be held", String.valueOf(e.getMessage()));
            return json.strings;
        }
    }

    private Items items(Subschema schema) {
        boolean list = schema.keywords.get("items") instanceof List;
        String first = list ? "items" : "prefixItems";
        String rest = list ? "additionalItems" : "items";
        return new Items(
                children(schema, first).stream().map(SchemaReader::only).toList(),
                schema.has(rest) ? only(document.child(schema, rest)) : List.of(),
                schema.count("minItems", 0),
                schema.count("maxItems", Terms.UNBOUNDED),
                schema.flag("uniqueItems") ? schema : null);
    }

    private static List<Subschema> only(Subschema schema) {
        return schema == SchemaDocument.ANY ? List.of() : List.of(schema);
    }

    private Members members(Subschema schema) {
        Term names = json.strings;
        if (schema.has("propertyNames")) {
            names = json.terms.or(read.of(document.child(schema, "propertyNames")).stream()
                    .filter(Strings.class::isInstance)
                    .map(shape -> json.content((Strings) shape))
                    .toList());
        }
        List<Others> patterns = new ArrayList<>();
        for (Object pattern : schema.object("patternProperties").keySet()) {
            Term matched = pattern(schema, "patternProperties", (String) pattern);
            patterns.add(new Others(matched, only(document.child(schema, "patternProperties", pattern))));
        }
        Map<String, List<Subschema>> named = new LinkedHashMap<>();
        for (Object key : schema.object("properties").keySet()) {
            String name = (String) key;
            List<Subschema> value = only(document.child(schema, "properties", name));
            for (Others pattern : patterns) {
                value = json.matches(pattern.names(), name) ? shapes.both(value, pattern.value()) : value;
            }
            named.put(name, json.matches(names, name) ? value : List.of(SchemaDocument.NEVER));
        }
        Subschema other = schema.has("additionalProperties")
                ? document.child(schema, "additionalProperties")
                : SchemaDocument.ANY;
        return new Members(
                named,
                new LinkedHashSet<>(schema.texts("required", schema.list("required"))),
                others(schema, names, patterns, other),
                schema.count("minProperties", 0),
                schema.count("maxProperties", Terms.UNBOUNDED));
    }

    /** Divides names by the patterns that they match. */
    private List<Others> others(Subschema schema, Term names, List<Others> patterns, Subschema other) {
        List<Others> all = new ArrayList<>();
        Term rest = names;
        for (Others pattern : patterns) {
            List<Others> divided = new ArrayList<>();
            for (Others before : all) {
                Term both = json.both(before.names(), pattern.names());
                divided.add(new Others(both, shapes.both(before.value(), pattern.value())));
                divided.add(new Others(json.minus(before.names(), pattern.names()), before.value()));
            }
            divided.add(new Others(json.both(rest, pattern.names()), pattern.value()));
            rest = json.minus(rest, pattern.names());
            all = new ArrayList<>(divided.stream()
                    .filter(each -> json.terms.live(each.names()))
                    .toList());
            Limits.check(
                    "schema, patternProperties at " + schema.pointer(), all.size(), MAX_DIVISIONS, "kinds of names");
        }
        if (other != SchemaDocument.NEVER && json.terms.live(rest)) {
            all.add(new Others(rest, only(other)));
        }
        return all;
    }
}
