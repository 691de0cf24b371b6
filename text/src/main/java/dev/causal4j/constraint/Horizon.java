package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Node;
import java.util.Arrays;
import java.util.List;

/**
 * Merges terms that no text of at most {@code characters} characters can tell apart: it caps counts, and drops bounds of
 * a length that no such text reaches. A repeated part has a character at least. Not thread-safe.
 */
final class Horizon {
    private static final int FAR = 1 << 29; // bytes; farther is not told apart

    private final Terms terms;
    private final int characters;
    private final Memo<Term, Term> capped = new Memo<>(this::cap);
    private final Memo<Term, Integer> farthest = new Memo<>(this::measure);

    Horizon(Terms terms, int characters) {
        this.terms = terms;
        this.characters = characters;
    }

    /** A term that as many characters do not tell from another. */
    Term capped(Term term) {
        return capped.of(term);
    }

    private Term cap(Term term) {
        return switch (term.node) {
            case Node.Concat unused -> {
                List<Term> parts = terms.parts(term);
                List<Term> all = parts.stream().map(this::capped).toList();
                boolean same = all.equals(parts);
                // A changed sequence costs its length here: most of its terms are known, so making them costs nothing.
                terms.budget().spend(same ? 0 : Terms.TERM_STEPS * Math.max(0, parts.size() - 64L));
                yield same ? term : terms.concat(all.toArray(Term[]::new));
            }
            case Node.Or(List<Term> options) ->
                terms.or(options.stream().map(this::capped).toList());
            case Node.Repeat(Term inner, int least, int most) ->
                terms.repeat(
                        inner,
                        Math.min(least, characters + 1),
                        most == Terms.UNBOUNDED ? most : Math.min(most, characters + 1));
            case Node.And(List<Term> parts)
            when parts.size() == 2 ->
                unbounded(unbounded(term, parts.get(0), parts.get(1)), parts.get(1), parts.get(0));
            default -> term;
        };
    }

    /**
     * The part with the least length alone, if the bound is one that no text reaches: after as many characters, and
     * after the least length, there is room for the shortest end of the part. A least length that is far is capped only
     * where every text can grow to it.
     */
    private Term unbounded(Term both, Term part, Term bound) {
        if (bound.node instanceof Node.Repeat(Term unit, int least, int most)
                && part.plain
                && most >= Math.max(characters, least) + farthest.of(part)
                && (least <= characters || grows(part))
                && terms.within(part, unit)) {
            return terms.and(capped(part), terms.repeat(unit, Math.min(least, characters + 1), Terms.UNBOUNDED));
        }
        return both;
    }

    /** Whether every beginning of a text can grow without end. */
    private boolean grows(Term term) {
        return term.node instanceof Node.Or(List<Term> options)
                ? options.stream().allMatch(each -> each == terms.empty || grows(each))
                : terms.parts(term).getLast().node instanceof Node.Repeat(Term unit, int least, int most)
                        && most == Terms.UNBOUNDED;
    }

    /** At least the bytes of the shortest end of any beginning of a text. */
    private int measure(Term term) {
        long most = switch (term.node) {
            case Node.Empty unused -> 0;
            case Node.Set unused -> 1;
            case Node.Literals(byte[][] texts, int from, int to, int depth) ->
                Arrays.stream(texts, from, to)
                        .mapToLong(text -> text.length - depth)
                        .max()
                        .orElse(0);
            case Node.Concat unused ->
                terms.parts(term).stream().mapToLong(farthest::of).sum();
            case Node.Or(List<Term> options) ->
                options.stream().mapToLong(farthest::of).max().orElse(0);
            case Node.Repeat(Term inner, int least, int unused) -> (long) farthest.of(inner) * Math.max(least, 1);
            default -> FAR;
        };
        return (int) Math.min(FAR, most);
    }
}
