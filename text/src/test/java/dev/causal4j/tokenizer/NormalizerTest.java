package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.text.Normalizer.Form;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class NormalizerTest {
    /** Marks of Unicode 9 of every combining class, of class 0 too, and some that are two marks. */
    private static final int[] MARKS = IntStream.concat(
                    IntStream.range(0x300, 0x370), IntStream.of(0x5b0, 0x64b, 0x93c, 0x94d, 0xe38, 0xf71, 0xf73, 0x903))
            .toArray();

    private static String marks(Random random, int count) {
        return random.ints(count, 0, MARKS.length)
                .mapToObj(i -> Character.toString(MARKS[i]))
                .collect(Collectors.joining());
    }

    @Test
    void longRunsOfMarksAreComposedAsJavaDoes() {
        Random random = new Random(1);
        for (int round = 0; round < 200; round++) {
            String text = "e" + marks(random, random.nextInt(300)) + "a\u0301b" + marks(random, 70) + "\u1100\u1161";
            assertThat(Normalizer.nfc(text)).isEqualTo(java.text.Normalizer.normalize(text, Form.NFC));
        }
    }

    /** Insertion takes four times for twice the marks. */
    @Test
    void timeGrowsAsTheNumberOfMarks() {
        millis(20_000);
        long once = millis(50_000);
        assertThat(millis(100_000)).isLessThan(3 * once + 100);
    }

    private static long millis(int count) {
        String text = "a" + "\u0301\u0316".repeat(count);
        long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        assertThat(Normalizer.nfc(text)).hasSize(2 * count);
        return (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) / 1_000_000;
    }
}
