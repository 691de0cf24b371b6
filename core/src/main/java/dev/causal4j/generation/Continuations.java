package dev.causal4j.generation;

import dev.causal4j.generation.Engine.Requester;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Continuations of a prompt as a tree: what several of them begin with is a sequence that they continue. */
final class Continuations {
    private final Engine engine;
    private final int[] prompt;
    private final List<int[]> continuations;
    private final int alternatives;
    private final int positions; // equal for all, and so are their rotations

    /** All, each behind the one that it continues. */
    final List<ScoredSequence> sequences = new ArrayList<>();

    /** Those of the continuations. */
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
        branch(IntStream.range(0, ends.length).boxed().toList(), 0, add(new int[0], null));
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
        Map<Integer, List<Integer>> byNext = new LinkedHashMap<>(); // by the next token; -1 for none
        for (int i : some) {
            int[] tokens = continuations.get(i);
            int next = tokens.length == depth ? -1 : tokens[depth];
            byNext.computeIfAbsent(next, _ -> new ArrayList<>()).add(i);
        }
        byNext.forEach((next, group) -> {
            if (group.size() == 1 || next < 0) {
                group.forEach(i -> ends[i] = add(continuations.get(i), continued));
            } else {
                int common = common(group);
                int[] longer = group.stream()
                        .map(continuations::get)
                        .filter(each -> each.length > common)
                        .findFirst()
                        .orElse(continuations.get(group.getFirst()));
                // The last token is not fed.
                int[] shared = Arrays.copyOf(longer, Math.min(common + 1, longer.length));
                branch(group, common, add(shared, continued));
            }
        });
    }

    /** The tokens that all of a group begin with. */
    private int common(List<Integer> group) {
        int[] first = continuations.get(group.getFirst());
        return group.stream()
                .map(continuations::get)
                .mapToInt(each -> Arrays.mismatch(first, each) < 0 ? first.length : Arrays.mismatch(first, each))
                .min()
                .orElse(0);
    }
}
