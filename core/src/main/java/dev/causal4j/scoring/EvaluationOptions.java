package dev.causal4j.scoring;

import dev.causal4j.chat.ChatTemplate;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Options of an evaluation, as of lm-evaluation-harness. Immutable.
 *
 * @param numFewshot examples before each document; empty for what the task says. A task that says 0 keeps it
 * @param fewshotSeed with which examples are drawn
 * @param limit documents of each task, or below 1 a share of them; 0 for all
 * @param systemInstruction what stands before all; empty for nothing
 * @param template of conversations, which a prompt then is; empty for plain texts
 * @param multiturn whether each example is a turn of the conversation
 * @param maxLength most tokens of an input; 0 for the context length
 */
public record EvaluationOptions(
        OptionalInt numFewshot,
        long fewshotSeed,
        double limit,
        String systemInstruction,
        Optional<ChatTemplate> template,
        boolean multiturn,
        int maxLength) {
    /** All documents, as the task says. */
    public static final EvaluationOptions DEFAULT =
            new EvaluationOptions(OptionalInt.empty(), 1234, 0, "", Optional.empty(), false, 0);

    /** @throws IllegalArgumentException if a number is out of its range */
    public EvaluationOptions {
        require(numFewshot.orElse(0) >= 0, "num-fewshot: expected at least 0, got " + numFewshot.orElse(0));
        require(limit >= 0, "limit: expected at least 0, got " + limit);
        require(maxLength >= 0, "max-length: expected at least 1, got " + maxLength);
    }

    private static void require(boolean right, String message) {
        if (!right) {
            throw new IllegalArgumentException(message);
        }
    }

    /** These options with another number of documents. */
    public EvaluationOptions withLimit(double documents) {
        return new EvaluationOptions(
                numFewshot, fewshotSeed, documents, systemInstruction, template, multiturn, maxLength);
    }

    /** These options with another number of examples. */
    public EvaluationOptions withNumFewshot(int examples) {
        return new EvaluationOptions(
                OptionalInt.of(examples), fewshotSeed, limit, systemInstruction, template, multiturn, maxLength);
    }

    /** The number of documents that are computed, of a task with this many. */
    long documents(long all) {
        return limit == 0 ? all : Math.min(all, (long) (limit < 1 ? Math.ceil(all * limit) : limit));
    }
}
