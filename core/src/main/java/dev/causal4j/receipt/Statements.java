package dev.causal4j.receipt;

import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.receipt.Receipt.Difference;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Statements in JSON about what a model computed, in the form of receipts: format, arithmetic, model and tokenizer, and a
 * digest of all. Stateless and thread-safe.
 */
public final class Statements {
    private static final String DIGEST = "digest";

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
        json.put(DIGEST, digest(json));
        return json;
    }

    /** Whether its digest is that of the statement. */
    public static boolean hasItsDigest(Map<String, ?> stated) {
        return digest(stated).equals(stated.get(DIGEST));
    }

    /** The first part of a statement that is otherwise; library and digest may differ. */
    public static Optional<Difference> difference(Map<String, ?> stated, Map<String, ?> is) {
        return Stream.concat(is.keySet().stream(), stated.keySet().stream())
                .filter(each -> !List.of("library", DIGEST).contains(each))
                .map(each -> new Difference(
                        each,
                        OptionalInt.empty(),
                        OptionalInt.empty(),
                        canonical(stated.get(each)),
                        canonical(is.get(each))))
                .filter(each -> !each.expected().equals(each.got()))
                .findFirst();
    }

    private static String digest(Map<String, ?> json) {
        Map<String, Object> stated = new LinkedHashMap<>(json);
        stated.remove(DIGEST);
        return "sha256:" + Sha256.hex(canonical(stated));
    }

    private static String canonical(@Nullable Object value) {
        return new String(CanonicalJson.of(exact(value == null ? Json.NULL : value)), StandardCharsets.UTF_8);
    }

    /** The value with fractions as Java writes them. */
    private static Object exact(Object value) {
        return switch (value) {
            case Double fraction -> fraction.toString();
            case Map<?, ?> map -> {
                Map<String, Object> exact = new LinkedHashMap<>();
                map.forEach((name, each) -> exact.put((String) name, exact(each)));
                yield exact;
            }
            case List<?> list -> list.stream().map(Statements::exact).toList();
            default -> value;
        };
    }
}
