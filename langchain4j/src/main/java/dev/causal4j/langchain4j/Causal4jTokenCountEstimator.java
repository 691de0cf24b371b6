package dev.causal4j.langchain4j;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.model.TokenCountEstimator;
import java.util.List;
import java.util.Map;

/** Counts tokens as a model does. Immutable and thread-safe; the model may be closed. */
public final class Causal4jTokenCountEstimator implements TokenCountEstimator {
    private final Tokenizer tokenizer;
    private final ChatTemplate template;

    /**
     * Counts for a model and its template.
     *
     * @throws IllegalStateException if the model has no tokenizer
     */
    public Causal4jTokenCountEstimator(CausalLM model, ChatTemplate template) {
        tokenizer = model.requireTokenizer();
        this.template = template;
    }

    /** The tokens of a text alone. */
    @Override
    public int estimateTokenCountInText(String text) {
        return tokenizer.encode(Sampling.required("text", text)).length;
    }

    /** The tokens of a message with what the template puts around it. */
    @Override
    public int estimateTokenCountInMessage(ChatMessage message) {
        return estimateTokenCountInMessages(List.of(Sampling.required("message", message)));
    }

    /**
     * The tokens of a conversation; of one that the template refuses, such as an answer without its question, those of its
     * texts.
     */
    @Override
    public int estimateTokenCountInMessages(Iterable<ChatMessage> messages) {
        List<Message> all = Translation.messages(messages);
        try {
            return template.encode(tokenizer, template.adapted(all), null, false, Map.of()).length;
        } catch (TemplateException e) {
            return all.stream()
                    .mapToInt(message -> estimateTokenCountInText(
                            String.valueOf(message.fields().get("content"))))
                    .sum();
        }
    }
}
