package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.causal4j.tokenizer.Tokenizer;
import java.lang.management.ManagementFactory;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Work and memory of a compilation that were once not counted, by what a thread allocates. */
class UncountedWorkTest {
    private static final Tokenizer TOKENIZER = Golden.tokenizer("minimind");
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static long allocated(Constraint constraint) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        try {
            constraint.start(TOKENIZER);
        } catch (ConstraintException e) {
            // Refused is as good.
        }
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

    private static String list(int count, String separator, java.util.function.IntFunction<String> each) {
        return IntStream.range(0, count).mapToObj(each).collect(Collectors.joining(separator));
    }

    @Test
    void tokensOfGbnfAreCountedWhenTheyAreMade() {
        // 800 bytes each here, 19 KB with a vocabulary of 152,000: they are to be shared, or refused on the way.
        String tokens = list(100_000, " ", i -> "!<[" + i % 10 + "]>");
        assertThat(allocated(Constraint.grammar("root ::= " + tokens))).isLessThan(100_000_000);
    }
}
