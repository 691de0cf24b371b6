package dev.causal4j.chat;

import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * The parts of a model's answer, as {@link AnswerParser} finds them. Immutable and thread-safe.
 *
 * @param content the text outside of thoughts and calls; empty for none
 * @param reasoning what the model thought; empty for none
 * @param calls of tools, in their order
 * @param finishReason {@code stop}, {@code tool_calls}, {@code length} if it was cut, or what else ended it
 */
public record Answer(String content, String reasoning, List<ToolCall> calls, String finishReason) {
    public Answer {
        calls = List.copyOf(calls);
    }

    /** The assistant's message for the next turn, with the fields of those that the answer has. */
    public Message message() {
        Map<String, Object> fields = Json.object("role", "assistant", "content", content);
        if (!reasoning.isEmpty()) {
            fields.put("reasoning_content", reasoning);
        }
        if (!calls.isEmpty()) {
            fields.put(ToolCall.CALLS, calls.stream().map(ToolCall::fields).toList());
        }
        return new Message(fields);
    }

    /**
     * A function that takes the pieces of a content in turn, and returns them without white space at its edges, which those
     * of plain transcripts have. It keeps what may be the end, so each content needs one of its own. Not thread-safe.
     */
    public static UnaryOperator<String> stripping() {
        return new UnaryOperator<>() {
            private boolean begun;
            private String space = "";

            @Override
            public String apply(String piece) {
                String more = begun ? space + piece : piece.stripLeading();
                String told = more.stripTrailing();
                begun |= !more.isEmpty();
                space = more.substring(told.length());
                return told;
            }
        };
    }

    /** Receives the parts of an answer. All pieces of a kind together are those of the answer. */
    public interface Listener {
        /** A listener that ignores all. */
        Listener NONE = new Listener() {};

        /** Text outside of thoughts and calls. */
        default void content(String piece) {}

        /** Text of a thought. */
        default void reasoning(String piece) {}

        /**
         * The beginning of a call.
         *
         * @param index counts the calls of the answer from 0
         */
        default void call(int index, String id, String name) {}

        /** Text of the arguments of the last call. */
        default void arguments(int index, String piece) {}

        /** Whether the answer is still wanted, asked after each token: false ends it, and what was written stays. */
        default boolean goesOn() {
            return true;
        }
    }
}
