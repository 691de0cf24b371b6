package dev.causal4j.constraint;

import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The rules of a grammar while it is made. Not thread-safe. */
final class Rules {
    private static final int STEPS = 20; // to write a rule

    final Terms terms;
    final @Nullable Vocabulary vocabulary;
    final List<String> ignored;
    private final List<Expression> bodies = new ArrayList<>();
    private final List<String> names = new ArrayList<>();

    /** For {@linkplain GrammarSource sources} of parts. */
    Rules(Terms terms, @Nullable Vocabulary vocabulary, List<String> ignored) {
        this.terms = terms;
        this.vocabulary = vocabulary;
        this.ignored = ignored;
    }

    /** A new rule, whose body is {@linkplain #set set} later; it may call itself. */
    Call reserve(String name) {
        Limits.check("constraint", bodies.size(), Limits.SYMBOLS, "rules");
        terms.budget().spend(STEPS);
        terms.budget().keep(name.length());
        bodies.add(new Choice());
        names.add(name);
        return new Call(bodies.size() - 1);
    }

    void set(Call rule, Expression body) {
        terms.budget().keep(Grammar.bytes(body));
        bodies.set(rule.rule(), body);
    }

    Call add(String name, Expression body) {
        Call rule = reserve(name);
        set(rule, body);
        return rule;
    }

    /** Adds the rules of a part; the call is of its root. */
    Call add(GrammarSource part) {
        Grammar grammar = part.compile(terms, vocabulary, ignored);
        int shift = bodies.size();
        grammar.rules().forEach(rule -> bodies.add(rule.renumbered(number -> number + shift)));
        names.addAll(grammar.names());
        return new Call(shift);
    }

    /** All rules, the first of them the root. */
    Grammar grammar() {
        return new Grammar(List.copyOf(bodies), List.copyOf(names));
    }
}
