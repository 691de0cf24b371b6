package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.causal4j.head.CausalLMHead;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExamplesTest {
    private static final int END = 0;

    /** The ids 1, 2, 3 and so on: an id gives its place. */
    private static Tokens counting(int count) {
        return Tokens.of(count + 1, IntStream.rangeClosed(1, count).toArray());
    }

    private static List<Integer> targets(Examples examples, long epoch) {
        List<Integer> targets = new ArrayList<>();
        for (long i = 0; i < examples.perEpoch(); i++) {
            Example example = examples.example(epoch * examples.perEpoch() + i);
            Arrays.stream(example.targets())
                    .filter(target -> target != CausalLMHead.IGNORED)
                    .forEach(targets::add);
        }
        return targets;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 1025})
    void aShuffleIsAPermutation(long size) {
        for (long seed = 0; seed < 5; seed++) {
            Epoch epoch = new Epoch(seed, 17);
            assertThat(LongStream.range(0, size)
                            .map(i -> epoch.example(i, size))
                            .sorted())
                    .containsExactlyElementsOf(LongStream.range(0, size).boxed().toList());
        }
    }

    @Test
    void aShuffleOfAVastRangeStaysInside() {
        Epoch epoch = new Epoch(3, 0);
        Set<Long> values = LongStream.range(0, 1000)
                .map(i -> epoch.example(i, (1L << 40) + 1))
                .boxed()
                .collect(Collectors.toSet());

        assertThat(values).hasSize(1000).allMatch(value -> value >= 0 && value <= 1L << 40);
    }

    /** Chi-square with 119 degrees of freedom, whose 99.9999th percentile is 203. */
    @Test
    void allOrdersOfFiveAreEquallyLikely() {
        int[] counts = new int[3125];
        int rounds = 24_000;
        for (int seed = 0; seed < rounds; seed++) {
            Epoch epoch = new Epoch(seed, seed);
            int code = 0;
            for (int i = 0; i < 5; i++) {
                code = code * 5 + (int) epoch.example(i, 5);
            }
            counts[code]++;
        }
        double expected = rounds / 120.0;
        double chiSquare = Arrays.stream(counts)
                .filter(count -> count > 0)
                .mapToDouble(count -> (count - expected) * (count - expected) / expected)
                .sum();

        assertThat(Arrays.stream(counts).filter(count -> count > 0).count()).isEqualTo(120);
        assertThat(chiSquare).isBetween(50.0, 203.0);
    }

    @Test
    void allOrdersOfFourDocumentsAreEquallyLikely() {
        Map<List<Integer>, Integer> counts = new HashMap<>();
        for (int seed = 0; seed < 12_000; seed++) {
            int[] order = new Epoch(seed, seed % 7).documents(4);
            counts.merge(Arrays.stream(order).boxed().toList(), 1, Integer::sum);
        }
        double chiSquare = counts.values().stream()
                .mapToDouble(count -> (count - 500.0) * (count - 500.0) / 500.0)
                .sum();

        assertThat(counts).hasSize(24);
        assertThat(chiSquare).isBetween(5.0, 66.0); // 23 degrees of freedom; the 99.9999th percentile is 66
    }

    @Test
    void targetsAreTheTokensAfter() {
        Examples examples = Examples.windows(counting(1000), 7, 5);
        for (long i = 0; i < 3 * examples.perEpoch(); i++) {
            Example example = examples.example(i);
            int first = example.tokens()[0];
            assertThat(example.tokens())
                    .containsExactly(IntStream.range(first, first + 7).toArray());
            assertThat(example.targets())
                    .containsExactly(IntStream.range(first + 1, first + 8).toArray());
        }
    }

    @ParameterizedTest
    @CsvSource({"1000, 7", "1001, 10", "64, 64", "65, 64", "129, 64", "2, 1", "50, 3"})
    void anEpochHasATargetAtMostOnceAndLeavesOutLessThanTwoWindows(int count, int contextLength) {
        if (count == contextLength) {
            return; // refused, see the test below
        }
        Examples examples = Examples.windows(counting(count), contextLength, 9);
        for (long epoch = 0; epoch < 4; epoch++) {
            List<Integer> targets = targets(examples, epoch);
            assertThat(new HashSet<>(targets)).hasSameSizeAs(targets);
            assertThat(count - 1 - targets.size()).isBetween(0, 2 * contextLength - 1);
        }
    }

    @Test
    void epochsDifferInOrderAndBorders() {
        Examples examples = Examples.windows(counting(1000), 10, 1);
        Set<List<Integer>> orders = new HashSet<>();
        Set<Integer> borders = new HashSet<>();
        for (long epoch = 0; epoch < 20; epoch++) {
            orders.add(targets(examples, epoch));
            borders.add(examples.example(epoch * examples.perEpoch()).tokens()[0] % 10);
        }

        assertThat(orders).hasSize(20);
        assertThat(borders).hasSizeGreaterThan(5);
        assertThat(targets(Examples.windows(counting(1000), 10, 2), 0)).isNotEqualTo(targets(examples, 0));
    }

    @Test
    void everyTokenIsATargetSoonerOrLater() {
        Examples examples = Examples.windows(counting(100), 8, 4);
        Set<Integer> seen = new HashSet<>();
        for (long epoch = 0; epoch < 200; epoch++) {
            seen.addAll(targets(examples, epoch));
        }

        assertThat(seen).hasSize(99).doesNotContain(1);
    }

    /** A run can resume because of this. */
    @Test
    void anExampleDependsOnSeedAndIndexAlone() {
        Tokens documents = documents(40);
        for (List<Examples> pair : List.of(
                List.of(Examples.windows(counting(500), 9, 3), Examples.windows(counting(500), 9, 3)),
                List.of(Examples.packedDocuments(documents, 9, 3), Examples.packedDocuments(documents, 9, 3)))) {
            List<Example> forwards =
                    LongStream.range(0, 300).mapToObj(pair.get(0)::example).toList();
            for (int i = 299; i >= 0; i -= 7) {
                Example again = pair.get(1).example(i);
                assertThat(again.tokens()).isEqualTo(forwards.get(i).tokens());
                assertThat(again.targets()).isEqualTo(forwards.get(i).targets());
            }
        }
    }

    /** Seeded choices that must not change: they would change every run. */
    @Test
    void theOrderIsTheOneItAlwaysWas() {
        Examples windows = Examples.windows(counting(1000), 10, 42);
        Examples packed = Examples.packedDocuments(documents(40), 10, 42);

        assertThat(IntStream.of(0, 1, 2, 98, 99, 1_000_000)
                        .map(i -> windows.example(i).tokens()[0]))
                .containsExactly(892, 62, 622, 572, 727, 587);
        assertThat(IntStream.of(0, 1, 100, 1_000_000).map(i -> packed.example(i).tokens()[1]))
                .containsExactly(32, 22, 6, 8);
    }

    /** Documents of 1 to 12 tokens, each with ids of its own, and an empty one. */
    private static Tokens documents(int count) {
        List<Integer> ids = new ArrayList<>(List.of(END));
        Random random = new Random(1);
        for (int document = 1; document <= count; document++) {
            for (int i = random.nextInt(12); i >= 0; i--) {
                ids.add(document);
            }
            ids.add(END);
        }
        return Tokens.of(count + 1, ids.stream().mapToInt(Integer::intValue).toArray())
                .withEndOfText(END);
    }

    @Test
    void packedDocumentsAreWholeAndEachIsThereOnce() {
        int count = 40;
        Tokens tokens = documents(count);
        Examples examples = Examples.packedDocuments(tokens, 1, 6);
        // With a context of 1 the windows can be put in order again: their borders are tokens.
        assertThat(examples.perEpoch()).isEqualTo(tokens.count() - 1);
        Set<List<Integer>> orders = new HashSet<>();
        for (long epoch = 0; epoch < 3; epoch++) {
            int[] occurrences = new int[count + 1];
            targets(examples, epoch).forEach(id -> occurrences[id]++);
            int[] expected = new int[count + 1];
            for (long i = 0; i < tokens.count(); i++) {
                expected[tokens.id(i)]++;
            }
            // All tokens of the epoch except the first.
            assertThat(Arrays.stream(expected).sum()
                            - Arrays.stream(occurrences).sum())
                    .isEqualTo(1);
            orders.add(targets(examples, epoch));
        }
        assertThat(orders).hasSize(3);

        Examples wide = Examples.packedDocuments(tokens, (int) tokens.count() - 1, 6);
        assertThat(wide.perEpoch()).isEqualTo(1);
        List<Integer> all = Arrays.stream(wide.example(1).tokens()).boxed().collect(Collectors.toList());
        all.add(wide.example(1).targets()[all.size() - 1]);
        List<Integer> order = all.stream().filter(id -> id != END).distinct().toList();
        assertThat(order)
                .hasSize(count)
                .isNotEqualTo(IntStream.rangeClosed(1, count).boxed().toList());
        // Each document is in one piece: the document changes as often as there are documents.
        long changes = IntStream.range(1, all.size())
                .filter(i -> all.get(i) != END && !all.get(i).equals(all.get(i - 1)))
                .count();
        assertThat(changes).isBetween(count - 1L, (long) count);
    }

    @ParameterizedTest
    @CsvSource({"2, 5", "6, 5", "7, 5", "11, 5", "12, 5", "100, 7"})
    void inOrderEveryTokenButTheFirstIsATargetOnce(int count, int contextLength) {
        Examples examples = Examples.inOrder(counting(count), contextLength);

        assertThat(targets(examples, 0))
                .isEqualTo(IntStream.rangeClosed(2, count).boxed().toList());
        assertThat(targets(examples, 5)).isEqualTo(targets(examples, 0));
        Example last = examples.example(examples.perEpoch() - 1);
        assertThat(Arrays.stream(last.targets()).filter(target -> target != CausalLMHead.IGNORED))
                .hasSize((count - 2) % contextLength + 1);
        assertThat(last.targets()).hasSize(contextLength);
    }

    @Test
    void evenlySpreadExamplesAreSomeOfAllAndAlwaysTheSame() {
        Examples all = Examples.inOrder(counting(100), 7); // 15 of them
        Examples some = all.evenly(4);

        assertThat(some.perEpoch()).isEqualTo(4);
        assertThat(LongStream.range(0, 8).mapToObj(i -> some.example(i).tokens()[0]))
                .containsExactly(1, 22, 50, 78, 1, 22, 50, 78);
        assertThat(all.evenly(15)).isSameAs(all);
        assertThat(all.evenly(1).example(3).tokens()[0]).isEqualTo(1);
    }

    @Test
    void paddingIsNoTarget() {
        Example example = Tokens.example(new int[] {4, 5, 0, 0}, 2);

        assertThat(example.tokens()).containsExactly(4, 5, 0);
        assertThat(example.targets()).containsExactly(5, CausalLMHead.IGNORED, CausalLMHead.IGNORED);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Example(new int[2], new int[1]))
                .withMessage("example: expected a target for each of 2 tokens, got 1");
    }

    @Test
    void whatIsHeldOutIsAtTheEndAndApart() {
        Tokens.Split split = counting(1000).split(0.1);

        assertThat(split.training().count()).isEqualTo(900);
        assertThat(split.training().id(899)).isEqualTo(900);
        assertThat(split.heldOut().count()).isEqualTo(100);
        assertThat(split.heldOut().id(0)).isEqualTo(901);
        for (double fraction : new double[] {0, 1, -0.1, Double.NaN}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> counting(10).split(fraction))
                    .withMessage("held-out fraction: expected a number between 0 and 1, got " + fraction);
        }
    }

    @Test
    void dataShorterThanAWindowIsRefused() {
        String message = "training data: expected at least 65 tokens for a context of 64, got 64;"
                + " give more text or a shorter context";
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Examples.windows(counting(64), 64, 1))
                .withMessage(message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Examples.packedDocuments(counting(64), 64, 1))
                .withMessage(message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Examples.inOrder(counting(1), 64))
                .withMessageStartingWith("held-out data: expected at least 2 tokens");
        assertThatIllegalArgumentException().isThrownBy(() -> Examples.windows(counting(64), 0, 1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tokens.of(3, 0, 3))
                .withMessageStartingWith("token 1: expected an id from 0 to 2, got 3");
    }
}
