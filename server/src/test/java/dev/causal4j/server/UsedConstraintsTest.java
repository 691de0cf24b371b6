package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.tokenizer.Tokenizer;
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

    private final UsedConstraints uses = new UsedConstraints();

    private void refused(String caller, Sized constraint) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> uses.add(caller, constraint, Unserved.TOKENIZER))
                .withMessageStartingWith("constraints: expected at most 67108864 bytes in use, got more; ")
                .matches(e -> e.status == 429);
    }

    @Test
    void aConstraintCountsOnceHoweverManyUseIt() {
        for (int i = 0; i < 5; i++) {
            uses.add("a", new Sized("one", LARGE), Unserved.TOKENIZER);
        }
        uses.add("a", new Sized("two", LARGE), Unserved.TOKENIZER);
        refused("a", new Sized("three", 1));
        for (int i = 0; i < 4; i++) {
            uses.remove(new Sized("one", LARGE), Unserved.TOKENIZER);
        }
        refused("a", new Sized("three", 1));
        uses.remove(new Sized("one", LARGE), Unserved.TOKENIZER);
        uses.add("a", new Sized("three", 1), Unserved.TOKENIZER);
    }

    @Test
    void theBoundIsOneForAllTokenizers() {
        uses.add("a", new Sized("one", LARGE), Unserved.TOKENIZER);
        Tokenizer other = AustenModel.load().requireTokenizer();
        uses.add("a", new Sized("one", LARGE), other);
        refused("a", new Sized("two", 1));
        uses.remove(new Sized("one", LARGE), other);
        uses.add("a", new Sized("two", 1), Unserved.TOKENIZER);
    }

    @Test
    void equalConstraintsAreOneWhileItIsUsed() {
        Sized first = new Sized("one", 1);
        Sized second = new Sized("one", 1);
        assertThat(uses.known(second, Unserved.TOKENIZER)).isSameAs(second);
        assertThat(uses.add("a", first, Unserved.TOKENIZER)).isSameAs(first);
        assertThat(uses.known(second, Unserved.TOKENIZER)).isSameAs(first);
        assertThat(uses.add("b", second, Unserved.TOKENIZER)).isSameAs(first);
        uses.remove(second, Unserved.TOKENIZER);
        uses.remove(second, Unserved.TOKENIZER);
        assertThat(uses.known(second, Unserved.TOKENIZER)).isSameAs(second);
    }

    @Test
    void aCallerThatUsesNoneGetsASmallOne() {
        uses.add("a", new Sized("all", Limits.CONSTRAINT_BYTES), Unserved.TOKENIZER);
        refused("b", new Sized("large", Limits.ALWAYS_CONSTRAINT_BYTES + 1));
        uses.add("b", new Sized("small", Limits.ALWAYS_CONSTRAINT_BYTES), Unserved.TOKENIZER);
        refused("b", new Sized("more", 1));
        assertThatCode(() -> uses.add("b", new Sized("all", Limits.CONSTRAINT_BYTES), Unserved.TOKENIZER))
                .as("it is there already")
                .doesNotThrowAnyException();
    }
}
