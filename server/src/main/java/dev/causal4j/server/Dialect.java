package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import dev.causal4j.head.Prediction;
import dev.causal4j.server.Choice.Fragment;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The API that a route speaks: how a request is read, and how the parts, the end and errors of its answer are written.
 * The defaults are those of OpenAI's chat. Each call has one of its own. Not thread-safe.
 */
interface Dialect {
    /**
     * Bytes that reading a request takes besides its own.
     *
     * @throws ApiError if they are not there
     */
    default long remembered(JsonIn in, Call call) {
        return 0;
    }

    /** Bytes that a request which was read holds besides its own. */
    default long held() {
        return 0;
    }

    /**
     * Reads a request.
     *
     * @param owner requests of one owner share keys and values
     * @throws ApiError if it cannot be answered
     */
    TextRequest read(JsonIn in, ServedModel served, String owner);

    /**
     * The part of a choice before its generated text.
     *
     * @param scores of the prompt's tokens but the first; empty unless {@link TextRequest#scores}
     */
    default Fragment opening(TextRequest ask, TextRequest.Prompt prompt, List<Prediction> scores) {
        return Fragment.EMPTY;
    }

    /**
     * A whole answer.
     *
     * @param told the choices of some sequences, from their writers, in the order of the answer
     * @param made all sequences
     * @param thoughts how many tokens came before the answers
     */
    default Map<String, Object> whole(
            TextRequest ask, SequencedMap<Integer, Map<String, Object>> told, List<Generation> made, int thoughts) {
        return told.firstEntry().getValue();
    }

    /**
     * A part of a stream.
     *
     * @param told what the writer of a sequence made
     * @param made all sequences, with the last part of the last of them; else empty
     */
    default Map<String, Object> part(TextRequest ask, int sequence, Map<String, Object> told, List<Generation> made) {
        return told;
    }

    /** The parts of a stream after those of all sequences. */
    default List<Map<String, Object>> end(TextRequest ask, List<Generation> made, int thoughts) {
        return List.of();
    }

    /** The bytes before the JSON of a part. */
    default String head(Map<String, Object> part) {
        return "data: ";
    }

    /** The end of a stream without an error. */
    default String done() {
        return "data: [DONE]\n\n";
    }

    /** The answer to a request that fails before anything was sent. */
    default Map<String, Object> error(ApiError error) {
        return error.body();
    }

    /** The parts that end a stream with an error. */
    default List<Map<String, Object>> failure(ApiError error) {
        return List.of(error(error));
    }
}
