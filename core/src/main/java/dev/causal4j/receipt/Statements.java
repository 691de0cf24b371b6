package dev.causal4j.receipt;

import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.receipt.Receipt.Difference;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Statements in JSON about what a model computed, in the form of receipts: format, arithmetic, model and tokenizer, and a
 * digest of all. Stateless and thread-safe.
 */
public final class Statements {
    private Statements() {}

    /**
     * A statement with its digest.
     *
     * @param format its name and version
     * @param model loaded with digests of its files
     * @param facts what was computed, and how; a digest takes fractions as texts
     */
    public static Map<String, Object> of(String format, CausalLM model, Map<String, ?> facts) {
        Map<String, Object> json = Json.object("format", format, "arithmetic", CausalLM.ARITHMETIC);
        json.put("library", Statement.library());
        json.put("model", Statement.model(model));
        json.put("tokenizer", Statement.tokenizer(model));
        json.putAll(facts);
        json.put(Receipt.DIGEST, digest(json));
        return json;
    }

    /** Whether its digest is that of the statement. */
    public static boolean hasItsDigest(Map<String, ?> stated) {
        return digest(stated).equals(stated.get(Receipt.DIGEST));
    }

    /**
     * The first part of a statement that is otherwise, by the names that lead to it. Library, digest, and the names of a
     * model and its files may differ.
     */
    public static Optional<Difference> difference(Map<String, ?> stated, Map<String, ?> is) {
        return Stream.concat(is.keySet().stream(), stated.keySet().stream())
                .filter(each -> !List.of("library", Receipt.DIGEST).contains(each))
                .flatMap(each -> difference(each, stated.get(each), is.get(each)))
                .findFirst();
    }

    private static Stream<Difference> difference(String name, @Nullable Object stated, @Nullable Object is) {
        Map<?, ?> some = parts(stated);
        Map<?, ?> others = parts(is);
        if (!some.isEmpty() && !others.isEmpty()) {
            return Stream.concat(others.keySet().stream(), some.keySet().stream())
                    .filter(each -> !name.startsWith("model") || !each.equals("name"))
                    .flatMap(each -> difference(name + " " + each, some.get(each), others.get(each)));
        }
        String expected = canonical(stated);
        String got = canonical(is);
        return expected.equals(got)
                ? Stream.of()
                : Stream.of(new Difference(name, OptionalInt.empty(), OptionalInt.empty(), expected, got));
    }

    /** The parts of an object, or of a list by their places. */
    private static Map<?, ?> parts(@Nullable Object value) {
        return switch (value) {
            case Map<?, ?> map -> map;
            case List<?> list -> IntStream.range(0, list.size()).boxed().collect(Collectors.toMap(i -> i, list::get));
            case null, default -> Map.of();
        };
    }

    private static String digest(Map<String, ?> json) {
        return Receipt.digest(exact(json));
    }

    private static String canonical(@Nullable Object value) {
        return new String(CanonicalJson.of(exact(value == null ? Json.NULL : value)), StandardCharsets.UTF_8);
    }

    private static Map<String, Object> exact(Map<?, ?> map) {
        Map<String, Object> exact = new LinkedHashMap<>();
        map.forEach((name, each) -> exact.put((String) name, exact(each)));
        return exact;
    }

    /** The value with fractions as Java writes them. */
    private static Object exact(Object value) {
        return switch (value) {
            case Double fraction -> fraction.toString();
            case Map<?, ?> map -> exact(map);
            case List<?> list -> list.stream().map(Statements::exact).toList();
            default -> value;
        };
    }
}
