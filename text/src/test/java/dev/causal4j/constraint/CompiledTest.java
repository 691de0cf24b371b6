package dev.causal4j.constraint;

import static dev.causal4j.constraint.BudgetTest.mask;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Matchers of one constraint, and constraints beside each other. */
@Timeout(60)
class CompiledTest {
    private static final Tokenizer TOKENIZER = Golden.tokenizer("minimind");
    private static final Lexicon LEXICON = new Lexicon(TOKENIZER);

    @Test
    void knownMasksAreReadWhileAnotherWorks() throws InterruptedException {
        Compiled compiled = compiled("[a-z]{3}[0-9]*");
        int token = TOKENIZER.encode("b")[0];
        Matcher ahead = compiled.start(TOKENIZER);
        ahead.accept(token);
        long[] expected = mask(ahead);
        Matcher matcher = compiled.start(TOKENIZER);
        compiled.lock.lock();
        try {
            Thread other = new Thread(() -> {
                long[] allowed = new long[expected.length];
                assertThat(matcher.tryAccept(token)).isTrue();
                assertThat(matcher.tryMask(allowed)).isTrue();
                assertThat(allowed).isEqualTo(expected);
                matcher.accept(token); // known, as the mask went there
                assertThat(matcher.tryMask(new long[expected.length])).isFalse();
                assertThat(compiled.bytes()).isPositive();
                expected[0] = -1;
            });
            other.start();
            other.join();
        } finally {
            compiled.lock.unlock();
        }
        assertThat(expected[0]).isEqualTo(-1);
        assertThat(matcher.tryMask(new long[expected.length])).isTrue();
    }

    /** Beside many that are idle, and some that find out much, one that is in use keeps what it found. */
    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void whatIsInUseForgetsNothingBecauseOthersAreLargeOrMany() {
        List<Compiled> others = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            others.add(compiled("x" + i));
        }
        Compiled used = compiled("(a|b)*a(a|b){12}c");
        Matcher matcher = used.start(TOKENIZER);
        read(matcher, 3_000);
        long kept = used.bytes();
        assertThat(kept).isGreaterThan(Limits.KEPT_BYTES / others.size());
        long found = 0;
        for (int i = 0; found < Limits.KEPT_BYTES * 5 / 4; i++) {
            Compiled large = compiled("(a|b)*a(a|b){14}" + i);
            others.add(large);
            read(large.start(TOKENIZER), 30_000);
            found += large.bytes();
            assertThat(others.stream().mapToLong(Compiled::bytes).sum()).isLessThan(Limits.KEPT_BYTES + (16L << 20));
            read(matcher, 1);
            assertThat(used.bytes()).isGreaterThanOrEqualTo(kept);
        }
        assertThat(others.get(200).bytes()).isLessThan(kept);
    }

    private static void read(Matcher matcher, int letters) {
        String text = new Random(letters)
                .ints(letters, 'a', 'c')
                .mapToObj(Character::toString)
                .collect(Collectors.joining());
        matcher.accept(text.getBytes(StandardCharsets.UTF_8));
    }

    private static Compiled compiled(String regex) {
        GrammarSource source =
                (terms, vocabulary, ignored) -> Grammar.of(Regex.whole(terms, regex, Spelling.RAW, "regex"));
        return new Compiled(source, TOKENIZER, LEXICON, "");
    }
}
