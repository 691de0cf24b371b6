package dev.causal4j.constraint;

import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Expression.Tokens;
import dev.causal4j.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Texts around marks. A mark is a text, or the control token of this text if the vocabulary has one. Free text may have all
 * other control tokens. Not thread-safe.
 */
final class FreeText {
    final Terms terms;
    private final Map<String, Integer> control = new LinkedHashMap<>(); // ids of control tokens
    private final Map<Character, List<String>> byFirst; // control tokens by their first character
    private final Memo<List<String>, Tokens> tokens = new Memo<>(this::tokens);

    /**
     * @param vocabulary null for one without control tokens
     * @param known the control tokens that may be tokens of a text
     */
    FreeText(Terms terms, @Nullable Vocabulary vocabulary, Predicate<String> known) {
        this.terms = terms;
        if (vocabulary != null) {
            vocabulary.controlTokens().stream()
                    .filter(known)
                    .forEach(token -> vocabulary.id(token).ifPresent(id -> control.put(token, id)));
        }
        byFirst = control.keySet().stream()
                .filter(token -> !token.isEmpty())
                .collect(Collectors.groupingBy(token -> token.charAt(0)));
    }

    /** A text, whose control tokens can be tokens or letters. */
    Expression literal(String text) {
        List<Expression> parts = new ArrayList<>();
        int done = 0;
        for (int at = 0; at < text.length(); at++) {
            String token = tokenAt(text, at);
            if (!token.isEmpty()) {
                addLetters(parts, text.substring(done, at));
                parts.add(mark(token));
                done = at + token.length();
                at = done - 1;
            }
        }
        addLetters(parts, text.substring(done));
        return parts.size() == 1 ? parts.getFirst() : new Sequence(parts);
    }

    private void addLetters(List<Expression> parts, String text) {
        if (!text.isEmpty()) {
            parts.add(new Text(terms.texts(List.of(text), Spelling.RAW, "mark")));
        }
    }

    private String tokenAt(String text, int at) {
        List<String> some = byFirst.getOrDefault(text.charAt(at), List.of());
        terms.budget().spend(1 + some.size() / 16);
        return some.stream()
                .filter(token -> text.startsWith(token, at))
                .max(Comparator.comparingInt(String::length))
                .orElse("");
    }

    private Expression mark(String token) {
        List<Expression> spellings = new ArrayList<>(List.of(tokens.of(List.of(token))));
        try {
            addLetters(spellings, token);
        } catch (ConstraintException unused) {
            // The token alone: the vocabulary cannot write its letters.
        }
        return new Choice(spellings);
    }

    private Tokens tokens(List<String> some) {
        BitSet ids = new BitSet();
        some.forEach(token -> ids.set(Objects.requireNonNull(control.get(token))));
        terms.budget().keep(ids.size() / 8);
        return new Tokens(ids);
    }

    /** Any text without a complete mark. */
    Expression without(List<String> marks) {
        return new Sequence(parts(marks), new Text(none(marks)));
    }

    /** Any text that ends with its first complete mark, which is this one. */
    Expression upTo(String mark, List<String> marks) {
        Term early = terms.concat(terms.all, terms.raw(marks), terms.all, terms.set(Bytes.ALL));
        Term first = terms.and(terms.concat(terms.all, terms.raw(mark)), terms.not(early));
        List<Expression> ends = new ArrayList<>(List.of(new Text(first)));
        if (control.containsKey(mark)) {
            ends.add(new Sequence(new Text(none(marks)), tokens.of(List.of(mark))));
        }
        return new Sequence(parts(marks), new Choice(ends));
    }

    /** Any text without a complete mark that does not begin with some other texts, or white space and these. */
    Expression notBeginning(List<String> beginnings, List<String> marks) {
        Term space = terms.repeat(terms.raw(List.of(" ", "\n", "\t", "\r")), 0, Terms.UNBOUNDED);
        Term begins = terms.concat(space, terms.raw(beginnings), terms.all);
        Term first = terms.and(terms.not(begins), none(marks));
        Expression more = new Sequence(tokens.of(others(marks)), without(marks));
        return new Sequence(new Text(first), Grammar.optional(more));
    }

    /** Texts without a mark that end with a control token that is not a mark, any number of them. */
    private Expression parts(List<String> marks) {
        Expression part = new Sequence(new Text(none(marks)), tokens.of(others(marks)));
        return new Repeat(part, 0, others(marks).isEmpty() ? 0 : Terms.UNBOUNDED);
    }

    private List<String> others(List<String> marks) {
        return control.keySet().stream().filter(token -> !marks.contains(token)).toList();
    }

    private Term none(List<String> marks) {
        return terms.without(terms.raw(marks));
    }
}
