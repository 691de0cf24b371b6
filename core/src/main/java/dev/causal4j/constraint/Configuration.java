package dev.causal4j.constraint;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** All that can follow a text: each member is a term or a token, and what is left to do behind it. */
final class Configuration {
    /** @param tokens those that can follow; null for a term */
    record Member(
            Term term,
            Expression.@Nullable Tokens tokens,
            @Nullable Frame then) {}

    private static final Comparator<Member> ORDER = Comparator.<Member>comparingInt(member -> member.term.id)
            .thenComparingInt(member -> member.then == null ? 0 : member.then.id);

    /** That of texts that cannot be completed. */
    static final Configuration DEAD = new Configuration(List.of(), false, new ByteClasses(1, _ -> 0));

    final Member[] members;
    final boolean accepts; // whether the text is complete
    final ByteClasses classes;
    final @Nullable Configuration[] next; // by class

    /** The tokens that can follow, once they are known. */
    volatile Masks.@Nullable Allowed allowed;

    int tried; // steps of an attempt that ended early
    @Nullable ConstraintException failure; // of the limit that was met here

    private final int hash;

    Configuration(List<Member> members, boolean accepts, ByteClasses classes) {
        this.members = members.size() < 2
                ? members.toArray(Member[]::new)
                : members.stream().sorted(ORDER).distinct().toArray(Member[]::new);
        this.accepts = accepts;
        this.classes = classes;
        this.next = new Configuration[classes.count()];
        int hash = accepts ? 1 : 0;
        for (Member member : this.members) {
            hash = (hash * 31 + member.term.id) * 31 + (member.then == null ? 0 : member.then.id);
        }
        this.hash = hash;
    }

    @SuppressWarnings("ReferenceEquality") // there is one such
    boolean isDead() {
        return this == DEAD;
    }

    /** Whether a token can follow, whatever its text. */
    boolean takes(int token) {
        for (Member member : members) {
            if (member.tokens != null && member.tokens.ids().get(token)) {
                return true;
            }
        }
        return false;
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
