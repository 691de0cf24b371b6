package dev.causal4j.constraint;

import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Expression.Tokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Marks that models write around parts of an answer, as text or as a control token. */
final class Marks {
    private Marks() {}

    /** The spellings of a mark. */
    static List<Expression> of(Terms terms, @Nullable Tokenizer tokenizer, String mark) {
        Expression text = new Text(terms.text(mark, Spelling.RAW, "mark"));
        BitSet token = token(tokenizer, mark);
        return token.isEmpty() ? List.of(text) : List.of(text, new Tokens(token));
    }

    /** Texts that end with their first mark. */
    static List<Expression> behind(Terms terms, @Nullable Tokenizer tokenizer, String mark, Term without) {
        Term text = text(terms, mark);
        Term any = terms.set(Bytes.ALL);
        Term late = terms.concat(terms.all, text, any, terms.all);
        Expression first = new Text(terms.and(terms.concat(terms.all, text), terms.not(late)));
        BitSet token = token(tokenizer, mark);
        return token.isEmpty()
                ? List.of(first)
                : List.of(first, new Sequence(List.of(new Text(without), new Tokens(token))));
    }

    /** Texts without a mark. */
    static Term without(Terms terms, String mark) {
        return terms.not(terms.concat(terms.all, text(terms, mark), terms.all));
    }

    private static Term text(Terms terms, String mark) {
        return terms.literal(mark.getBytes(StandardCharsets.UTF_8));
    }

    private static BitSet token(@Nullable Tokenizer tokenizer, String mark) {
        BitSet ids = new BitSet();
        if (tokenizer != null && tokenizer.controlTokens().contains(mark)) {
            tokenizer.id(mark).ifPresent(ids::set);
        }
        return ids;
    }
}
