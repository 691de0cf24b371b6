package dev.causal4j.cli;

import dev.causal4j.generation.Draft;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;

/**
 * Given texts, decoded with and without a draft in turn. Guesses are right as often as in these texts, and a step costs
 * what it costs in this model, whatever its weights are.
 */
final class Replay implements AutoCloseable {
    private final List<GenerationRequest> texts = new ArrayList<>();
    private final Engine plain;
    private final Engine drafting;

    /**
     * All texts once with and once without the draft.
     *
     * @param plain tokens a second of a text without it
     * @param drafted tokens a second of a text with it
     * @param proposed guesses that were fed
     * @param accepted guesses that were right
     */
    record Run(double plain, double drafted, int proposed, int accepted) {
        double ratio() {
            return drafted / plain;
        }
    }

    /**
     * @param lines a file with a JSON object a line: {@code prompt} and {@code answer}, lists of token ids
     * @param sequences texts that are decoded at once
     */
    Replay(CausalLM model, Path lines, int sequences, Draft draft) throws IOException {
        for (String line : TextInput.file(lines).lines().toList()) {
            String subject = lines + ":" + (texts.size() + 1);
            Json text = Json.parse(subject, line.getBytes(StandardCharsets.UTF_8));
            int[] prompt = ids(text, "prompt", 1, model);
            int[] answer = ids(text, "answer", 2, model);
            if (prompt.length + answer.length > model.contextLength()) {
                throw new IOException(subject + ": expected at most " + model.contextLength()
                        + " tokens, the context length, got " + (prompt.length + answer.length));
            }
            texts.add(GenerationRequest.replaying(prompt, answer));
        }
        if (texts.isEmpty()) {
            throw new IOException(lines + ": expected a text a line, got none");
        }
        EngineOptions options = EngineOptions.DEFAULT.withParallel(sequences);
        plain = new Engine(model, options);
        drafting = new Engine(model, options.withDraft(draft));
    }

    private static int[] ids(Json text, String name, int least, CausalLM model) throws IOException {
        int size = model.head().vocabularySize();
        int[] ids = text.integers(name).stream().mapToInt(Integer::intValue).toArray();
        boolean right = ids.length >= least && IntStream.of(ids).allMatch(id -> id >= 0 && id < size);
        text.check(name, right, "at least " + least + " token ids below " + size);
        return ids;
    }

    /** New tokens of a run. */
    long tokens() {
        return 2L
                * texts.stream().mapToInt(each -> each.options().maxNewTokens()).sum();
    }

    /** @param told receives the number of the run's finished tokens */
    Run next(LongConsumer told) {
        Generation.Timing without = run(plain, told, 0);
        Generation.Timing with = run(drafting, told, tokens() / 2);
        return new Run(
                without.decodeTokensPerSecond(),
                with.decodeTokensPerSecond(),
                with.drafted().proposed(),
                with.drafted().accepted());
    }

    /** Decodes all texts. Returns the sums of their times. */
    private Generation.Timing run(Engine engine, LongConsumer told, long before) {
        long[] done = {before};
        TokenListener listener = _ -> {
            told.accept(++done[0]);
            return true;
        };
        List<CompletableFuture<Generation>> all =
                texts.stream().map(each -> engine.submit(each, listener)).toList();
        return all.stream().map(each -> each.join().timing()).reduce(Generation.Timing.NONE, Generation.Timing::plus);
    }

    @Override
    public void close() {
        plain.close();
        drafting.close();
    }
}
