package dev.causal4j.springai;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.MessageType;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.content.MediaContent;
import org.springframework.ai.document.Document;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.tool.ToolCallback;

/** Translates messages, tools and options of Spring AI to the engine's. */
final class Translation {
    /** The name of these models in observations. */
    static final String PROVIDER = "causal4j";

    private Translation() {}

    /** Checks that an option is ours, if it is set. */
    static void require(String subject, @Nullable Object own, @Nullable Object asked) {
        if (asked != null && !asked.equals(own)) {
            throw new IllegalArgumentException(subject + ": expected " + own
                    + ", since others are not supported here, got " + asked + "; leave it out");
        }
    }

    /** @throws IllegalArgumentException if a message has content that is no text */
    static List<Message> messages(List<? extends org.springframework.ai.chat.messages.Message> given) {
        List<String> system = given.stream() // at the beginning, which most templates take as one
                .takeWhile(message -> message.getMessageType() == MessageType.SYSTEM)
                .map(Translation::text)
                .toList();
        List<Message> all = new ArrayList<>();
        if (!system.isEmpty()) {
            all.add(new Message("system", String.join("\n\n", system)));
        }
        for (org.springframework.ai.chat.messages.Message message : given.subList(system.size(), given.size())) {
            if (message instanceof MediaContent content && !content.getMedia().isEmpty()) {
                throw new IllegalArgumentException("messages: expected text, since media are not supported, got "
                        + content.getMedia().iterator().next().getMimeType());
            }
            switch (message) {
                case ToolResponseMessage results ->
                    results.getResponses()
                            .forEach(each -> all.add(
                                    Message.result(new ToolCall(each.id(), each.name(), ""), each.responseData())));
                case AssistantMessage answer -> all.add(answer(answer).message());
                default -> all.add(new Message(message.getMessageType().getValue(), text(message)));
            }
        }
        return all;
    }

    private static String text(org.springframework.ai.chat.messages.Message message) {
        return Objects.requireNonNullElse(message.getText(), "");
    }

    private static Answer answer(AssistantMessage message) {
        return new Answer(
                text(message),
                message.getMetadata().get(Responses.THINKING) instanceof String thought ? thought : "",
                message.getToolCalls().stream()
                        .map(call -> new ToolCall(call.id(), call.name(), call.arguments()))
                        .toList(),
                "stop");
    }

    /**
     * A format with the tools and template variables of options.
     *
     * @param messages which may end with results of a call that had to be made
     */
    static Chat.Format format(Chat.Format format, Causal4jChatOptions options, List<Message> messages) {
        boolean strict = !Boolean.FALSE.equals(options.getStrictTools());
        List<ToolDefinition> tools =
                Objects.requireNonNullElse(options.getToolCallbacks(), List.<ToolCallback>of()).stream()
                        .map(ToolCallback::getToolDefinition)
                        .map(tool -> ToolDefinition.of(tool.name(), tool.description(), tool.inputSchema())
                                .withStrict(strict))
                        .toList();
        ToolChoice asked = Objects.requireNonNullElse(options.getToolChoice(), ToolChoice.AUTO);
        boolean called =
                !messages.isEmpty() && "tool".equals(messages.getLast().fields().get("role"));
        ToolChoice choice =
                called && asked.kind() != Kind.NONE ? ToolChoice.AUTO.withParallel(asked.parallel()) : asked;
        return format.withVariables(options.getTemplateVariables()).withTools(tools, choice);
    }

    /**
     * The engine's options: the model's own, then those given, then what the user's function sets.
     *
     * @throws ConstraintException if the schema of the content cannot be held
     * @throws IllegalArgumentException if a number is out of its range
     */
    static GenerationOptions generation(Chat.Format format, Causal4jChatOptions given) {
        CausalLM model = format.model();
        require("model", model.name(), given.getModel());
        GenerationOptions options = GenerationOptions.of(model)
                .withMaxNewTokens(model.contextLength())
                .withSeed(GenerationOptions.randomSeed())
                .withStop(Objects.requireNonNullElse(given.getStopSequences(), List.of()))
                .with(Setting.MAX_NEW_TOKENS, given.getMaxTokens())
                .with(Setting.TEMPERATURE, given.getTemperature())
                .with(Setting.TOP_K, given.getTopK())
                .with(Setting.TOP_P, given.getTopP())
                .with(Setting.FREQUENCY_PENALTY, given.getFrequencyPenalty())
                .with(Setting.PRESENCE_PENALTY, given.getPresencePenalty())
                .with(given.getNumbers());
        String schema = given.getOutputSchema();
        if (schema != null && !schema.isBlank()) {
            options = options.withConstraint(Constraint.schema(schema, format.whitespace()));
        }
        UnaryOperator<GenerationOptions> more = given.getGeneration();
        return more == null ? options : more.apply(options);
    }

    /** @throws IllegalArgumentException if it has no text */
    static String text(Document document, MetadataMode mode) {
        String text = document.getText();
        if (text == null) {
            throw new IllegalArgumentException("document: expected text, since media are not supported, got none");
        }
        return mode == MetadataMode.NONE // formatted, it would begin with two line ends
                ? text
                : document.getFormattedContent(mode);
    }
}
