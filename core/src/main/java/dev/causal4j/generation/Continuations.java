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

/** Continuations of a prompt as a tree: what several of them begin with is a sequence that they continue. */
final class Continuations {
    private static final int END = -1; // no token

    private final Engine engine;
    private final int[] prompt;
    private final List<int[]> continuations;
    private final int alternatives;
    private final int positions; // equal for all, and so are their rotations

    /** All, each behind the one that it continues. */
    final List<ScoredSequence> sequences = new ArrayList<>();

    /** The scores of the continuations. */
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

    /** Adds continuations of which a sequence has so many tokens. */
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
        // One token more, as the last one is not fed.
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
