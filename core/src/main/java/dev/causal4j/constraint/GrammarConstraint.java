package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A constraint that is compiled to an automaton. Immutable and thread-safe. */
final class GrammarConstraint implements Constraint {
    final String key;
    private final String kind;
    final Source source;

    /** @param parts that tell it from others of its kind */
    GrammarConstraint(String kind, List<String> parts, Source source) {
        this.kind = kind;
        this.source = source;
        this.key = digest(kind, parts);
    }

    private static String digest(String kind, List<String> parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(kind.getBytes(StandardCharsets.UTF_8));
            for (String part : parts) {
                byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
                digest.update(("\n" + bytes.length + "\n").getBytes(StandardCharsets.UTF_8));
                digest.update(bytes);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
    }

    @Override
    public Matcher start(Tokenizer tokenizer) {
        return Compilations.of(tokenizer).get(key, source, tokenizer).start(tokenizer);
    }

    @Override
    public List<String> ignored() {
        List<String> ignored = new ArrayList<>();
        source.compile(new Terms(CodePoints.ALL, new Budget()), null, ignored);
        return List.copyOf(ignored);
    }

    @Override
    public String toString() {
        return kind;
    }

    /** The same for some constraints and a grammar of theirs. */
    static GrammarConstraint of(String kind, List<String> more, List<Constraint> parts, Combination combination) {
        List<GrammarConstraint> known =
                parts.stream().map(GrammarConstraint::require).toList();
        List<String> keys = new ArrayList<>(more);
        known.forEach(part -> keys.add(part.key));
        return new GrammarConstraint(kind, keys, (terms, tokenizer, ignored) -> {
            List<Grammar> grammars = known.stream()
                    .map(part -> part.source.compile(terms, tokenizer, ignored))
                    .toList();
            return Grammar.join(grammars, roots -> combination.root(terms, tokenizer, roots));
        });
    }

    static GrammarConstraint require(Constraint part) {
        if (part instanceof GrammarConstraint known) {
            return known;
        }
        throw new IllegalArgumentException("constraint: expected one that Constraint makes, got " + part);
    }

    /** The root of a grammar of others. */
    @FunctionalInterface
    interface Combination {
        Expression root(Terms terms, @Nullable Tokenizer tokenizer, List<Expression> roots);
    }

    /** A choice of texts. */
    static GrammarConstraint choice(List<String> texts) {
        return new GrammarConstraint("choice", texts, (terms, _, _) -> {
            Limits.check("choice", texts.size(), Limits.VALUES, "texts");
            List<byte[]> bytes = new ArrayList<>();
            for (String text : texts) {
                terms.requireSpellable(text, "choice " + quote(text));
                bytes.add(text.getBytes(StandardCharsets.UTF_8));
            }
            boolean sound = !texts.isEmpty()
                    && !texts.contains("")
                    && texts.stream().distinct().count() == texts.size();
            if (!sound) {
                throw new ConstraintException(
                        "choice",
                        "different texts that are not empty",
                        texts.isEmpty() ? "none" : "others",
                        "mend the list");
            }
            return Grammar.of(terms.literals(bytes));
        });
    }
}
