/**
 * A causal language model as LangChain4j's models, in this process: {@link dev.causal4j.langchain4j.Causal4jChatModel}
 * and {@link dev.causal4j.langchain4j.Causal4jStreamingChatModel} for conversations, {@link
 * dev.causal4j.langchain4j.Causal4jLanguageModel} to continue texts, {@link
 * dev.causal4j.langchain4j.Causal4jScoringModel} to rank, and {@link
 * dev.causal4j.langchain4j.Causal4jTokenCountEstimator}.
 *
 * <p>Each submits to an {@link dev.causal4j.generation.Engine} and owns neither it nor its model: close them after the
 * last call, the engine first; one that {@code builder().model(model)} takes is shared and needs no closing. {@code
 * Sampling} makes the engine's options of parameters, and {@code Conversations} requests and responses of those of
 * chats.
 *
 * <p>Errors: {@link dev.langchain4j.exception.UnsupportedFeatureException} for an unsupported feature, thrown to the caller;
 * {@link dev.langchain4j.exception.InvalidRequestException} for input that cannot be used, and {@link
 * dev.langchain4j.exception.RateLimitException} for a full queue, which streams give to their handler.
 */
@NullMarked
package dev.causal4j.langchain4j;

import org.jspecify.annotations.NullMarked;
