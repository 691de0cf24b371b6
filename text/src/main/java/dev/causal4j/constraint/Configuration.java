package dev.causal4j.constraint;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A parser state: all terms and tokens that can continue a text, each once, with the stacks of what is left after it. */
final class Configuration {
    /** @param tokens those that can follow; null for a term */
    record Member(Term term, Expression.@Nullable Tokens tokens, Stacks then) {}

    static final Comparator<Member> ORDER = Comparator.comparingInt(member -> member.term.id);

    /** The dead state: no text continues. */
    static final Configuration DEAD = new Configuration(List.of(), false, new ByteClasses(1, unused -> 0));

    final Member[] members;
    final boolean accepts; // whether the text is complete
    final ByteClasses classes;
    final @Nullable Configuration[] next; // by class

    /** The tokens that can follow, once they are known. */
    volatile Masks.@Nullable Allowed allowed;

    int tried; // steps of an attempt that ended early

    @Nullable
    ConstraintException failure; // of the limit that was met here

    private final int hash;

    /** @param members in {@link #ORDER} */
    Configuration(List<Member> members, boolean accepts, ByteClasses classes) {
        this.members = members.toArray(Member[]::new);
        this.accepts = accepts;
        this.classes = classes;
        this.next = new Configuration[classes.count()];
        int hash = accepts ? 1 : 0;
        for (Member member : this.members) {
            hash = (hash * 31 + member.term.id) * 31 + member.then.id;
        }
        this.hash = hash;
    }

    @SuppressWarnings("ReferenceEquality") // there is one such
    boolean isDead() {
        return this == DEAD;
    }

    /** Whether a token can follow, whatever its text. */
    boolean takes(int token) {
        return Arrays.stream(members)
                .anyMatch(each -> each.tokens != null && each.tokens.ids().get(token));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Configuration configuration
                && configuration.hash == hash
                && configuration.accepts == accepts
                && Arrays.equals(configuration.members, members);
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
