package dev.causal4j.springboot;

import dev.causal4j.compute.Compute;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.springai.Causal4jChatOptions;
import dev.causal4j.tensor.DType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.document.MetadataMode;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * The properties {@code spring.ai.causal4j.*}. Immutable.
 *
 * @param lazy Whether models are loaded at their first call, instead of at the start.
 * @param pull Whether a model that is not in the hub's cache is fetched.
 * @param engine Threads and memory.
 * @param chat The model that answers, and its default options.
 * @param embedding The model that embeds.
 */
@ConfigurationProperties(Causal4jProperties.PREFIX)
record Causal4jProperties(
        @DefaultValue("false") boolean lazy,
        @DefaultValue("never") Pull pull,
        @DefaultValue EngineSettings engine,
        @DefaultValue ChatSettings chat,
        @DefaultValue EmbeddingSettings embedding) {
    static final String PREFIX = "spring.ai.causal4j";
    static final String ENGINE = PREFIX + ".engine";
    static final String CHAT = PREFIX + ".chat";
    static final String EMBEDDING = PREFIX + ".embedding";

    /** When models are fetched from the hub. */
    enum Pull {
        /** Never: a name must be in the cache. */
        NEVER,
        /** If a model is not whole in the cache. */
        MISSING
    }

    /**
     * Threads and memory.
     *
     * @param threads Threads that compute; the physical cores by default.
     * @param cacheMemory Most memory for keys and values of each model; a quarter of what is free by default.
     * @param prefixMemory Most memory for prompts of each model that begin like earlier ones.
     * @param parallel Most sequences at once; as many as there is memory for by default.
     * @param queue Most sequences that wait; more are refused. Unbounded by default.
     */
    record EngineSettings(
            @Nullable Integer threads,
            @Nullable DataSize cacheMemory,
            @DefaultValue("256MB") DataSize prefixMemory,
            @Nullable Integer parallel,
            @Nullable Integer queue) {
        EngineOptions options() {
            EngineOptions all = EngineOptions.DEFAULT.withPrefixBytes(prefixMemory.toBytes());
            EngineOptions some = parallel == null ? all : all.withParallel(parallel);
            return queue == null ? some : some.withQueue(queue);
        }

        /** With threads that the caller closes unless they are shared. Checks the other settings, too. */
        LoadOptions loading() {
            EngineOptions _ = options();
            Compute compute = threads == null ? Compute.shared() : Compute.of(threads);
            long bytes = cacheMemory == null ? 0 : cacheMemory.toBytes();
            return LoadOptions.DEFAULT.withCompute(compute).withCacheBytes(bytes);
        }
    }

    /**
     * The model that answers. Options that are not set are those of the model's files.
     *
     * @param model A folder in Hugging Face layout, a GGUF file, the name of a model in the hub's cache (org/name), or
     *     austen, the small model of causal4j-model-austen.
     * @param dtype The weights in memory; as they are stored by default.
     * @param adapter The folder of a LoRA adapter in PEFT's layout.
     * @param template The file of a chat template, or plain for a plain transcript; that of the
     *     model's files by default.
     * @param nativeStructuredOutput Whether a ChatClient holds each entity(...) to its schema while it is written,
     *     instead of describing the schema in the prompt.
     * @param maxTokens Most new tokens; the room that is left in the context by default.
     * @param temperature How evenly tokens are drawn; 0 takes the likeliest.
     * @param topP The likeliest tokens that together have this probability are kept; 1 keeps all.
     * @param topK This many of the likeliest tokens are kept; 0 keeps all.
     * @param minP Tokens at least this share as likely as the likeliest are kept; 0 keeps all.
     * @param repetitionPenalty Above 1, tokens that occurred, also in the prompt, become less likely.
     * @param frequencyPenalty Subtracted from a token's logit for each time it was written.
     * @param presencePenalty Subtracted from the logits of tokens that were written.
     * @param seed The seed of the draw: equal seeds give equal answers. Without one each answer has another.
     * @param stopSequences Texts that end an answer.
     * @param strictTools Whether arguments of calls are held to the whole schema of their tool.
     * @param templateVariables Further variables of the chat template, such as enable_thinking.
     */
    record ChatSettings(
            @Nullable String model,
            @Nullable DType dtype,
            @Nullable String adapter,
            @Nullable String template,
            @DefaultValue("true") boolean nativeStructuredOutput,
            @Nullable Integer maxTokens,
            @Nullable Double temperature,
            @Nullable Double topP,
            @Nullable Integer topK,
            @Nullable Double minP,
            @Nullable Double repetitionPenalty,
            @Nullable Double frequencyPenalty,
            @Nullable Double presencePenalty,
            @Nullable Long seed,
            @Nullable List<String> stopSequences,
            @DefaultValue("true") boolean strictTools,
            @DefaultValue Map<String, Object> templateVariables) {
        private static final Map<Object, Object> TRUTHS = Map.of("true", true, "false", false);

        Causal4jChatOptions options() {
            return Causal4jChatOptions.builder()
                    .maxTokens(maxTokens)
                    .temperature(temperature)
                    .topP(topP)
                    .topK(topK)
                    .frequencyPenalty(frequencyPenalty)
                    .presencePenalty(presencePenalty)
                    .stopSequences(stopSequences)
                    .minP(minP)
                    .repetitionPenalty(repetitionPenalty)
                    .seed(seed)
                    .strictTools(strictTools)
                    .templateVariables(variables())
                    .build();
        }

        /** A file of properties has texts alone, and to a template the text {@code false} is true. */
        private Map<String, Object> variables() {
            Map<String, Object> typed = new HashMap<>(templateVariables);
            typed.replaceAll((_, value) -> TRUTHS.getOrDefault(value, value));
            return typed;
        }
    }

    /**
     * The model that embeds.
     *
     * @param model As chat.model. There is no embedding model without it: the vectors of chat models rank badly.
     * @param dtype The weights in memory; as they are stored by default.
     * @param pooling How the vectors of a text's tokens become one; as the model's files say by default, else the mean.
     * @param metadataMode Which metadata of a document stand before its text.
     */
    record EmbeddingSettings(
            @Nullable String model,
            @Nullable DType dtype,
            @Nullable Pooling pooling,
            @DefaultValue("none") MetadataMode metadataMode) {}
}
