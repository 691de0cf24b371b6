package dev.causal4j.generation;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;

/** Requests of every kind by chance, for a model whose tokens are bytes; equal in each run. */
public final class RandomRequests {
    /** The mark of some. */
    public static final Mark MARK = Mark.of(new byte[16]);

    private static final List<Constraint> CONSTRAINTS = List.of(
            Constraint.regex("([a-f]{2,9} ){3,40}"),
            Constraint.choice(List.of("abcdefghijklmnopqrstuvwxyz0123456789", "abcz", "x0123456789y")),
            Constraint.schema("{\"type\": \"array\", \"items\": {\"enum\": [\"one\", \"two\", 3]}, \"maxItems\": 12}"));

    /** Options by chance, of every kind. */
    private static GenerationOptions options(Random random, int vocabularySize) {
        GenerationOptions options = GenerationOptions.DEFAULT
                .withSeed(random.nextInt(3))
                .withMaxNewTokens(1 + random.nextInt(90))
                .withTemperature(List.of(0.0, 0.3, 0.8, 1.0, 1.6).get(random.nextInt(5)));
        List<Function<GenerationOptions, GenerationOptions>> changes = new ArrayList<>(List.of(
                each -> each.withTopK(1 + random.nextInt(40)),
                each -> each.withTopP(0.3 + 0.7 * random.nextDouble()),
                each -> each.withMinP(0.2 * random.nextDouble()),
                each -> each.withTypicalP(0.3 + 0.7 * random.nextDouble()),
                each -> each.withRepetitionPenalty(0.8 + random.nextDouble()),
                each -> each.withFrequencyPenalty(random.nextDouble() - 0.5),
                each -> each.withPresencePenalty(random.nextDouble() - 0.5),
                each -> each.withLogitBias(Map.of(97, 9.0, 98, 8.0, 7, Double.NEGATIVE_INFINITY)),
                each -> each.withStop(List.of("aba", "\u0001", "zz")),
                each -> each.withEos(Set.of(random.nextInt(256))),
                each -> each.withMinNewTokens(random.nextInt(each.maxNewTokens())),
                each -> each.withLogProbabilities(random.nextInt(4)),
                GenerationOptions::uncached,
                each -> each.withMark(MARK)));
        if (vocabularySize > 0) {
            changes.add(each -> each.withRule((logits, soFar) -> logits[soFar.length() % vocabularySize] += 5));
        }
        changes.add(
                random.nextBoolean()
                        ? each -> each.withNoRepeatNgramSize(2 + random.nextInt(5))
                        : each -> each.withConstraint(CONSTRAINTS.get(random.nextInt(3)))
                                .withMaxNewTokens(90));
        Collections.shuffle(changes, random);
        for (Function<GenerationOptions, GenerationOptions> change : changes.subList(0, random.nextInt(6))) {
            options = change.apply(options);
        }
        return options;
    }

    /**
     * Prompts that repeat themselves, so that a lookup has what to copy.
     *
     * @param vocabularySize of the model, for rules of the user; 0 for none
     */
    public static List<GenerationRequest> of(int count, int vocabularySize) {
        Random random = new Random(1);
        return IntStream.range(0, count)
                .mapToObj(_ -> {
                    int[] phrase = random.ints(2 + random.nextInt(9), 97, 104).toArray();
                    int[] prompt = IntStream.range(0, 5 + random.nextInt(70))
                            .map(i -> phrase[i % phrase.length])
                            .toArray();
                    return new GenerationRequest(prompt, options(random, vocabularySize));
                })
                .toList();
    }

    /** A tokenizer of the 256 bytes. */
    public static Tokenizer bytes() throws IOException {
        return GeneratorTest.bytes();
    }

    private RandomRequests() {}
}
