package dev.causal4j.constraint;

import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A constraint that is compiled to an automaton. Immutable and thread-safe. */
final class GrammarConstraint implements Constraint {
    /** Its kind, its values, and the keys of its parts: equal for equal constraints. */
    final List<Object> key;

    final GrammarSource source;
    private final Map<String, Object> description;

    /** The last compiled constraint, also if it is too large to be kept for others. */
    private volatile @Nullable Latest latest;

    private record Latest(Compilations of, Compiled compiled) {}

    GrammarConstraint(String kind, List<String> values, GrammarSource source) {
        this(kind, values, List.of(), source);
    }

    private GrammarConstraint(String kind, List<String> values, List<GrammarConstraint> parts, GrammarSource source) {
        this.key = List.of(kind, values, parts.stream().map(part -> part.key).toList());
        this.source = source;
        List<?> inner = parts.stream().map(part -> part.description).toList();
        this.description = Collections.unmodifiableMap(Json.object("kind", kind, "values", values, "parts", inner));
    }

    @Override
    public Optional<Map<String, Object>> description() {
        return Optional.of(description);
    }

    @Override
    public Matcher start(Vocabulary vocabulary) {
        Compilations all = Compilations.of(vocabulary);
        Compiled known = known(vocabulary);
        Compiled compiled = known != null ? known : all.get(key, source, vocabulary);
        latest = new Latest(all, compiled);
        return compiled.start(vocabulary);
    }

    private @Nullable Compiled known(Vocabulary vocabulary) {
        Compilations all = Compilations.of(vocabulary);
        Latest last = latest;
        return last != null && last.of == all ? last.compiled : all.known(key);
    }

    @Override
    public boolean isCompiled(Vocabulary vocabulary) {
        return known(vocabulary) != null;
    }

    @Override
    public long bytes(Vocabulary vocabulary) {
        Compiled known = known(vocabulary);
        return known == null ? 0 : known.bytes();
    }

    @Override
    public List<String> ignored() {
        List<String> ignored = new ArrayList<>();
        try {
            source.compile(new Terms(CodePoints.ALL, new Budget()), null, ignored);
        } catch (StackOverflowError e) {
            throw Compilations.failure(e);
        }
        return List.copyOf(ignored);
    }

    /** Equal constraints are compiled once. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof GrammarConstraint that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
        return key.hashCode();
    }

    @Override
    public String toString() {
        return key.getFirst().toString();
    }

    /** A constraint of some others and a grammar of theirs. */
    static GrammarConstraint of(String kind, List<String> values, List<Constraint> parts, Combination combination) {
        List<GrammarConstraint> known =
                parts.stream().map(GrammarConstraint::require).toList();
        return new GrammarConstraint(kind, values, known, (terms, vocabulary, ignored) -> {
            Rules rules = new Rules(terms, vocabulary, ignored);
            Call root = rules.reserve("");
            List<Expression> roots = new ArrayList<>();
            known.forEach(part -> roots.add(rules.add(part.source)));
            rules.set(root, combination.root(rules, roots));
            return rules.grammar();
        });
    }

    private static GrammarConstraint require(Constraint part) {
        if (part instanceof GrammarConstraint known) {
            return known;
        }
        throw new IllegalArgumentException("constraint: expected one that Constraint makes, got " + part);
    }

    /** The root of a grammar of others. */
    @FunctionalInterface
    interface Combination {
        /** Returns the root, and adds the rules that it calls. */
        Expression root(Rules rules, List<Expression> roots);
    }
}
