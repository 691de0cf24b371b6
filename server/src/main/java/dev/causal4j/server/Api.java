package dev.causal4j.server;

import dev.causal4j.format.Json;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.head.Prediction;
import dev.causal4j.server.Choice.Piece;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** An OpenAI endpoint: its request and response shapes. Immutable. */
interface Api {
    /**
     * The names in its responses.
     *
     * @param id the prefix of their ids
     * @param whole the {@code object} of a whole response
     * @param part the {@code object} of a chunk of a stream
     */
    record Names(String id, String whole, String part) {}

    Names names();

    /**
     * Reads a request.
     *
     * @param owner requests of one owner share keys and values
     * @throws ApiError if it cannot be answered
     */
    Ask read(JsonIn in, ServedModel served, String owner);

    /**
     * The part of a choice before its generated text.
     *
     * @param scores of the prompt's tokens but the first; empty unless {@link Ask#scores}
     */
    Piece opening(Ask ask, Ask.Prompt prompt, List<Prediction> scores);

    /** The choice of the first chunk of a stream; empty to send none. */
    Optional<Map<String, Object>> first(Ask ask, Piece opening);

    /** The choice of a chunk; without a finish reason more chunks follow. */
    Map<String, Object> part(Ask ask, Piece piece, Optional<FinishReason> finish);

    /** A whole choice, its opening included. */
    default Map<String, Object> whole(Ask ask, Piece all, FinishReason finish) {
        return part(ask, all, Optional.of(finish));
    }

    /** A choice whose text, delta or message has the name. */
    static Map<String, Object> choice(
            Ask ask, String name, Object said, Object logprobs, Piece piece, Optional<FinishReason> finish) {
        Map<String, Object> choice = Json.object(name, said, "logprobs", ask.logprobs() ? logprobs : Json.NULL);
        choice.put("finish_reason", finish.<Object>map(Api::label).orElse(Json.NULL));
        if (ask.form().ids()) {
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
