/**
 * A causal language model as Spring AI's models, in this process: {@link dev.causal4j.springai.Causal4jChatModel} for
 * conversations, with {@link dev.causal4j.springai.Causal4jChatOptions}; {@link
 * dev.causal4j.springai.Causal4jEmbeddingModel} for vectors, and {@link dev.causal4j.springai.Causal4jDocumentRanker} to
 * order what was retrieved, which needs {@code spring-ai-rag}.
 *
 * <p>Each submits to an {@link dev.causal4j.generation.Engine} and owns neither it nor its model: close them after the
 * last call, the engine first; one that {@code builder().model(model)} takes is shared and needs no closing. {@code
 * Translation} makes the engine's requests of prompts, {@code Responses} what Spring AI reads of answers, and {@code Parts}
 * is the stream of one subscriber.
 *
 * <p>Errors are those of the engine, unchanged: {@link dev.causal4j.InputException}, {@link
 * dev.causal4j.constraint.ConstraintException} and other {@link java.lang.IllegalArgumentException}s for what cannot be
 * answered, {@link java.util.concurrent.RejectedExecutionException} for a full queue, {@link
 * java.util.concurrent.CancellationException} for an interrupt.
 */
@NullMarked
package dev.causal4j.springai;

import org.jspecify.annotations.NullMarked;
