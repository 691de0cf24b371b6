package dev.causal4j.server;

import dev.causal4j.generation.FinishReason;
import dev.causal4j.head.Prediction;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One of OpenAI's ways to ask for text, and to be told it. Immutable. */
sealed interface Api permits CompletionApi, ChatApi {
    /**
     * Reads a request.
     *
     * @param owner whose prompts share keys and values
     * @throws ApiError if it cannot be answered
     */
    Ask read(JsonIn in, ServedModel served, String owner);

    /** What the ids of answers begin with. */
    String idPrefix();

    /** The {@code object} of a whole answer. */
    String object();

    /** The {@code object} of a part of a stream. */
    String partObject();

    /**
     * What a choice says before its text.
     *
     * @param scores of the prompt's tokens but the first; empty unless {@link Ask#scores}
     */
    Choice.Piece opening(Ask ask, Ask.Prompt prompt, List<Prediction> scores);

    /** The choice of the first part of a stream; empty if there is nothing to say. */
    Optional<Map<String, Object>> first(Ask ask, Choice.Piece opening);

    /** The choice of a part; without a reason to finish it goes on. */
    Map<String, Object> part(Ask ask, Choice.Piece piece, Optional<FinishReason> finish);

    /** A whole choice, its opening included. */
    Map<String, Object> whole(Ask ask, Choice.Piece all, FinishReason finish);

    /** Why a choice ended, in OpenAI's words. */
    static String label(FinishReason finish) {
        return finish == FinishReason.LENGTH ? "length" : "stop";
    }
}
