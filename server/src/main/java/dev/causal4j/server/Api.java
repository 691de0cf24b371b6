package dev.causal4j.server;

import dev.causal4j.format.Json;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.head.Prediction;
import dev.causal4j.server.Choice.Piece;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One of OpenAI's ways to ask for text, and to be told it. Immutable. */
sealed interface Api permits CompletionApi, ChatApi {
    /**
     * What its answers are called.
     *
     * @param id what their ids begin with
     * @param whole the {@code object} of a whole answer
     * @param part the {@code object} of a part of a stream
     */
    record Names(String id, String whole, String part) {}

    Names names();

    /**
     * Reads a request.
     *
     * @param owner whose prompts share keys and values
     * @throws ApiError if it cannot be answered
     */
    Ask read(JsonIn in, ServedModel served, String owner);

    /**
     * What a choice says before its text.
     *
     * @param scores of the prompt's tokens but the first; empty unless {@link Ask#scores}
     */
    Piece opening(Ask ask, Ask.Prompt prompt, List<Prediction> scores);

    /** The choice of the first part of a stream; empty if there is nothing to say. */
    Optional<Map<String, Object>> first(Ask ask, Piece opening);

    /** The choice of a part; without a reason to finish it goes on. */
    Map<String, Object> part(Ask ask, Piece piece, Optional<FinishReason> finish);

    /** A whole choice, its opening included. */
    default Map<String, Object> whole(Ask ask, Piece all, FinishReason finish) {
        return part(ask, all, Optional.of(finish));
    }

    /** A choice of a text, or of what else has the name. */
    static Map<String, Object> choice(
            Ask ask, String name, Object said, Object logprobs, Piece piece, Optional<FinishReason> finish) {
        Map<String, Object> choice = new LinkedHashMap<>();
        choice.put(name, said);
        choice.put("logprobs", ask.logprobs() ? logprobs : Json.NULL);
        choice.put("finish_reason", finish.<Object>map(Api::label).orElse(Json.NULL));
        if (ask.ids()) {
            choice.put("token_ids", piece.ids());
        }
        return choice;
    }

    /** Why a choice ended, in OpenAI's words. */
    static String label(FinishReason finish) {
        return finish == FinishReason.LENGTH ? "length" : "stop";
    }

    /** JSON has no infinity. */
    static double finite(double logProbability) {
        return Math.max(logProbability, -Double.MAX_VALUE);
    }
}
