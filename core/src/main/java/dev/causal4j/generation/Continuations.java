package dev.causal4j.generation;

import dev.causal4j.generation.Engine.Requester;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Continuations of a prompt as a tree: a common prefix of several is a sequence that they continue. */
final class Continuations {
    private static final int END = -1; // no token

    private final Engine engine;
    private final int[] prompt;
    private final List<int[]> continuations;
    private final int alternatives;
    private final int positions; // equal for all, so that their rotations are equal

    /** All sequences of the tree, each after the one that it continues. */
    final List<ScoredSequence> sequences = new ArrayList<>();

    /** The sequences that score the continuations, in their order. */
    final ScoredSequence[] ends;

    Continuations(Engine engine, int[] prompt, List<int[]> continuations, int alternatives) {
        this.engine = engine;
        this.prompt = prompt;
        this.continuations = continuations;
        this.alternatives = alternatives;
        positions = prompt.length
                + continuations.stream().mapToInt(each -> each.length).max().orElse(0)
                - 1;
        ends = new ScoredSequence[continuations.size()];
        ScoredSequence whole = add(new int[0], null);
        if (ends.length > 0) {
            branch(IntStream.range(0, ends.length).boxed().toList(), 0, whole);
        }
    }

    private ScoredSequence add(int[] continuation, @Nullable ScoredSequence continued) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + continuation.length);
        System.arraycopy(continuation, 0, tokens, prompt.length, continuation.length);
        ScoredSequence sequence = new ScoredSequence(
                engine,
                Requester.of(""),
                tokens,
                prompt.length,
                continued == null ? 0 : alternatives,
                Optional.of(""),
                positions,
                continued);
        sequences.add(sequence);
        return sequence;
    }

    /** Adds continuations whose first {@code depth} tokens are in the sequence {@code continued}. */
    private void branch(List<Integer> some, int depth, ScoredSequence continued) {
        int common = depth;
        Map<Integer, List<Integer>> byNext = byNext(some, common);
        while (byNext.size() == 1 && !byNext.containsKey(END)) {
            byNext = byNext(some, ++common);
        }
        int all = common;
        int[] longest = some.stream()
                .map(continuations::get)
                .max(Comparator.comparingInt(each -> each.length))
                .orElseThrow();
        // One token more, since the last token is not fed.
        ScoredSequence shared =
                all == depth ? continued : add(Arrays.copyOf(longest, Math.min(all + 1, longest.length)), continued);
        byNext.forEach((next, group) -> {
            if (next == END || group.size() == 1) {
                group.forEach(i -> ends[i] = add(continuations.get(i), shared));
            } else {
                branch(group, all, shared);
            }
        });
    }

    private Map<Integer, List<Integer>> byNext(List<Integer> some, int depth) {
        return some.stream().collect(Collectors.groupingBy(i -> {
            int[] tokens = continuations.get(i);
            return tokens.length == depth ? END : tokens[depth];
        }));
    }
}
