package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.constraint.Shape.Items;
import dev.causal4j.constraint.Shape.Kind;
import dev.causal4j.constraint.Shape.Members;
import dev.causal4j.constraint.Shape.Scalars;
import dev.causal4j.constraint.Shape.Strings;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The values that a schema excludes: a schema holds if all its keywords do, so its complement is the union of theirs.
 * Numbers are excluded by value, not by spelling, so that those that are left have no exponent. Not thread-safe.
 */
final class SchemaComplement {
    private static final Set<String> OF_STRINGS = Set.of("minLength", "maxLength", "pattern", "format");
    private static final Set<String> OF_NUMBERS =
            Set.of("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf");

    private final SchemaReader reader;
    private final SchemaDocument document;
    private final JsonTerms json;
    private final Shapes shapes;
    private final IdentityHashMap<Object, Subschema> negations = new IdentityHashMap<>();

    SchemaComplement(SchemaReader reader, SchemaDocument document, JsonTerms json) {
        this.reader = reader;
        this.document = document;
        this.json = json;
        this.shapes = reader.shapes;
    }

    List<Shape> of(Subschema schema) {
        List<List<Shape>> outside = new ArrayList<>();
        boolean strings = false;
        boolean numbers = false;
        for (Object key : schema.keywords.keySet()) {
            String keyword = (String) key;
            strings |= OF_STRINGS.contains(keyword);
            numbers |= OF_NUMBERS.contains(keyword);
            if (SchemaReader.asserts(keyword) && !OF_STRINGS.contains(keyword) && !OF_NUMBERS.contains(keyword)) {
                outside.addAll(of(schema, keyword));
            }
        }
        if (strings) {
            outside.add(List.of(notText(json.content(reader.strings(schema)))));
        }
        if (numbers) {
            outside.add(List.of(notNumber(reader.number(schema, false))));
        }
        return shapes.union(outside);
    }

    private List<List<Shape>> of(Subschema schema, String keyword) {
        return switch (keyword) {
            case "$ref", "not", "allOf", "anyOf" -> combined(schema, keyword);
            case "type" -> List.of(notTypes(SchemaReader.types(schema)));
            case "const" -> List.of(notValues(schema, List.of(schema.keywords.get(keyword))));
            case "enum" -> List.of(notValues(schema, schema.list(keyword)));
            case "minItems" -> List.of(count(0, schema.count(keyword, 0) - 1));
            case "maxItems" -> List.of(count(Math.addExact(schema.count(keyword, 0), 1), Terms.UNBOUNDED));
            case "required" ->
                schema.texts(keyword).stream().map(reader::without).toList();
            case "properties" -> {
                List<List<Shape>> outside = new ArrayList<>();
                schema.object(keyword)
                        .forEach((name, value) -> outside.add(List.of(reader.members(
                                Map.of((String) name, List.of(not(schema, value))), Set.of((String) name)))));
                yield outside;
            }
            default -> throw schema.refused(keyword, "no " + quote(keyword) + " inside of not", "one");
        };
    }

    private List<List<Shape>> combined(Subschema schema, String keyword) {
        return switch (keyword) {
            case "$ref" -> List.of(reader.complement(document.resolve(schema)));
            case "not" -> List.of(reader.read(List.of(document.child(schema, keyword))));
            case "allOf" ->
                reader.children(schema, keyword).stream()
                        .map(reader::complement)
                        .toList();
            default ->
                List.of(reader.children(schema, keyword).stream()
                        .map(reader::complement)
                        .reduce(shapes.any, shapes::meet));
        };
    }

    /** The same one of a schema each time, so that recursion ends. */
    private Subschema not(Subschema schema, Object value) {
        return negations.computeIfAbsent(value, _ -> schema.saying("not", value));
    }

    private static List<Shape> count(int min, int max) {
        return max < 0 ? List.of() : List.of(new Items(List.of(), List.of(), min, max, null));
    }

    private Shape notText(Term content) {
        return new Strings(0, Terms.UNBOUNDED, json.minus(json.strings, content));
    }

    private Shape notNumber(Term numbers) {
        return new Scalars(Kind.NUMBER, json.terms.and(json.plainNumber, json.terms.not(numbers)));
    }

    private List<Shape> notTypes(Set<String> types) {
        List<Shape> left = new ArrayList<>(shapes.any.stream()
                .filter(shape -> !types.contains(type(shape)))
                .toList());
        if (types.contains("integer")) {
            left.removeIf(SchemaComplement::isNumber);
            if (!types.contains("number")) {
                left.add(notNumber(json.whole));
            }
        }
        return left;
    }

    private static String type(Shape shape) {
        return switch (shape) {
            case Scalars scalars -> scalars.kind().name().toLowerCase(Locale.ROOT);
            case Strings _ -> "string";
            case Items _ -> "array";
            case Members _ -> "object";
        };
    }

    private static boolean isNumber(Shape shape) {
        return shape instanceof Scalars scalars && scalars.kind() == Kind.NUMBER;
    }

    private List<Shape> notValues(Subschema schema, List<?> values) {
        List<Shape> left = new ArrayList<>();
        for (Shape shape : shapes.any) {
            List<?> own = values.stream()
                    .filter(value -> type(value).equals(type(shape)))
                    .toList();
            if (own.isEmpty()) {
                left.add(shape);
                continue;
            }
            switch (shape) {
                case Scalars scalars
                when scalars.kind() == Kind.NUMBER ->
                    left.add(notNumber(json.terms.or(own.stream()
                            .map(value -> json.equal(Subschema.number(schema.pointer, (Number) value)))
                            .toList())));
                case Scalars scalars
                when scalars.kind() == Kind.BOOLEAN ->
                    left.add(new Scalars(
                            Kind.BOOLEAN,
                            json.terms.and(
                                    json.either,
                                    json.terms.not(json.terms.or(own.stream()
                                            .map(value -> json.raw(value.toString()))
                                            .toList())))));
                case Scalars _ -> {} // null
                case Strings _ ->
                    left.add(notText(
                            json.plain(own.stream().map(String.class::cast).toList())));
                default -> throw schema.refused("enum", "no list and no object among the values inside of not", "one");
            }
        }
        return left;
    }

    private static String type(Object value) {
        return switch (value) {
            case Boolean _ -> "boolean";
            case Number _ -> "number";
            case String _ -> "string";
            case List<?> _ -> "array";
            case Map<?, ?> _ -> "object";
            default -> "null";
        };
    }
}
