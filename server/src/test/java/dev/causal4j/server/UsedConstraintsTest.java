package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.tokenizer.Vocabulary;
import org.junit.jupiter.api.Test;

class UsedConstraintsTest {
    private static final int LARGE = Limits.CONSTRAINT_BYTES / 2;

    /** @param size of what is compiled of it */
    private record Sized(String name, long size) implements Constraint {
        @Override
        public Matcher start(Vocabulary vocabulary) {
            throw new AssertionError();
        }

        @Override
        public long bytes(Vocabulary vocabulary) {
            return size;
        }
    }

    private final UsedConstraints uses = new UsedConstraints(Unserved.TOKENIZER);

    private void refused(String caller, Sized constraint) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> uses.add(caller, constraint))
                .withMessageStartingWith("constraints: expected at most 67108864 bytes in use, got more; ")
                .matches(e -> e.status == 429);
    }

    @Test
    void aConstraintCountsOnceHoweverManyUseIt() {
        for (int i = 0; i < 5; i++) {
            uses.add("a", new Sized("one", LARGE));
        }
        uses.add("a", new Sized("two", LARGE));
        refused("a", new Sized("three", 1));
        for (int i = 0; i < 4; i++) {
            uses.remove(new Sized("one", LARGE));
        }
        refused("a", new Sized("three", 1));
        uses.remove(new Sized("one", LARGE));
        uses.add("a", new Sized("three", 1));
    }

    @Test
    void equalConstraintsAreOneWhileItIsUsed() {
        Sized first = new Sized("one", 1);
        Sized second = new Sized("one", 1);
        assertThat(uses.known(second)).isSameAs(second);
        assertThat(uses.add("a", first)).isSameAs(first);
        assertThat(uses.known(second)).isSameAs(first);
        assertThat(uses.add("b", second)).isSameAs(first);
        uses.remove(second);
        uses.remove(second);
        assertThat(uses.known(second)).isSameAs(second);
    }

    @Test
    void aCallerThatUsesNoneGetsASmallOne() {
        uses.add("a", new Sized("all", Limits.CONSTRAINT_BYTES));
        refused("b", new Sized("large", Limits.ALWAYS_CONSTRAINT_BYTES + 1));
        uses.add("b", new Sized("small", Limits.ALWAYS_CONSTRAINT_BYTES));
        refused("b", new Sized("more", 1));
        assertThatCode(() -> uses.add("b", new Sized("all", Limits.CONSTRAINT_BYTES)))
                .as("it is there already")
                .doesNotThrowAnyException();
    }
}
