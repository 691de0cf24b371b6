package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

class StopStringsTest {
    @Test
    void withoutStopStringsTextPassesAtOnce() {
        StopStrings stops = new StopStrings(List.of());
        assertThat(stops.accept("any ")).isEqualTo("any ");
        assertThat(stops.accept("text")).isEqualTo("text");
        assertThat(stops.finish()).isEmpty();
        assertThat(stops.stopped()).isFalse();
    }

    @Test
    void textBeforeTheStopStringIsEmittedAndTheRestIsNot() {
        StopStrings stops = new StopStrings(List.of("END"));
        assertThat(stops.accept("one END two")).isEqualTo("one ");
        assertThat(stops.stopped()).isTrue();
        assertThat(stops.accept("three")).isEmpty();
        assertThat(stops.finish()).isEmpty();
    }

    @Test
    void aStopStringAcrossThreePiecesIsFoundAndNoneOfItEscapes() {
        StopStrings stops = new StopStrings(List.of("</answer>"));
        assertThat(stops.accept("42</")).isEqualTo("42");
        assertThat(stops.accept("ans")).isEmpty();
        assertThat(stops.stopped()).isFalse();
        assertThat(stops.accept("wer> more")).isEmpty();
        assertThat(stops.stopped()).isTrue();
    }

    @Test
    void whatCannotBecomeAStopStringAnyMoreIsReleased() {
        StopStrings stops = new StopStrings(List.of("abac"));
        assertThat(stops.accept("aba")).isEmpty();
        assertThat(stops.accept("b"))
                .as("the second 'ab' may still become 'abac'")
                .isEqualTo("ab");
        assertThat(stops.accept("x")).isEqualTo("abx");
    }

    @Test
    void stopStringsTakeRoomOnlyForWhatHasMatched() {
        List<String> strings = IntStream.range(0, 64)
                .mapToObj(i -> "x".repeat(1023) + (char) ('0' + i))
                .toList();
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        StopStrings stops = new StopStrings(strings);
        assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(16_000);
        assertThat(stops.accept("x".repeat(1024))).isEqualTo("x");
        assertThat(stops.accept("Cx")).isEmpty();
        assertThat(stops.stopped()).isTrue();
    }

    @Test
    void finishReleasesWhatWasHeldBack() {
        StopStrings stops = new StopStrings(List.of("\n\n"));
        assertThat(stops.accept("line\n")).isEqualTo("line");
        assertThat(stops.finish()).isEqualTo("\n");
        assertThat(stops.stopped()).isFalse();
    }

    @Test
    void theFirstToBeCompleteCountsAndOfThoseTheLongest() {
        assertThat(new StopStrings(List.of("abc", "b")).accept("xabc"))
                .as("'b' is complete before 'abc' is")
                .isEqualTo("xa");
        assertThat(new StopStrings(List.of("c", "abc", "bc")).accept("xabc")).isEqualTo("x");
    }

    @Test
    void agreesWithANaiveSearchHoweverTheTextIsCut() {
        // Two letters and short stop strings make borders, overlaps and near misses common.
        Random random = new Random(20);
        int found = 0;
        for (int round = 0; round < 20_000; round++) {
            List<String> stops = new ArrayList<>();
            for (int i = random.nextInt(4); i >= 0; i--) {
                stops.add(letters(random, 1 + random.nextInt(6)));
            }
            String text = letters(random, random.nextInt(40));
            StopStrings streaming = new StopStrings(stops);
            StringBuilder emitted = new StringBuilder();
            int arrived = 0;
            while (arrived < text.length()) {
                int end = Math.min(text.length(), arrived + random.nextInt(5));
                emitted.append(streaming.accept(text.substring(arrived, end)));
                arrived = end;
                String sofar = text.substring(0, arrived);
                assertThat(streaming.stopped()).isEqualTo(stopEnd(sofar, stops) >= 0);
                assertThat(emitted.toString())
                        .as("%s cut at %d, stops %s", text, arrived, stops)
                        .isEqualTo(safe(sofar, stops));
            }
            emitted.append(streaming.finish());
            int end = stopEnd(text, stops);
            assertThat(emitted.toString()).isEqualTo(end < 0 ? text : safe(text, stops));
            found += end < 0 ? 0 : 1;
        }
        assertThat(found).as("both outcomes are common").isBetween(5_000, 19_000);
    }

    @Test
    void timeIsLinearEvenIfAllOfALongTailIsHeldBack() {
        String stop = "a".repeat(100_000) + "b";
        StopStrings stops = new StopStrings(List.of(stop));
        // A rescan of the tail for each character would take 10^11 steps.
        Assertions.assertTimeoutPreemptively(Duration.ofSeconds(20), () -> {
            long emitted = 0;
            for (int i = 0; i < 2_000_000; i++) {
                emitted += stops.accept("a").length();
            }
            assertThat(emitted).isEqualTo(1_900_000);
            assertThat(stops.accept("b")).isEmpty();
            assertThat(stops.stopped()).isTrue();
        });
    }

    private static String letters(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(2)));
        }
        return text.toString();
    }

    /** Where the first complete stop string ends, or -1. */
    private static int stopEnd(String text, List<String> stops) {
        for (int end = 1; end <= text.length(); end++) {
            String prefix = text.substring(0, end);
            if (stops.stream().anyMatch(prefix::endsWith)) {
                return end;
            }
        }
        return -1;
    }

    /** The part of {@code text} to emit once it has arrived: no more and no less. */
    private static String safe(String text, List<String> stops) {
        int end = stopEnd(text, stops);
        if (end >= 0) {
            String prefix = text.substring(0, end);
            int longest = stops.stream()
                    .filter(prefix::endsWith)
                    .mapToInt(String::length)
                    .max()
                    .orElseThrow();
            return text.substring(0, end - longest);
        }
        for (int start = 0; start < text.length(); start++) {
            String tail = text.substring(start);
            if (stops.stream().anyMatch(stop -> stop.startsWith(tail))) {
                return text.substring(0, start);
            }
        }
        return text;
    }
}
