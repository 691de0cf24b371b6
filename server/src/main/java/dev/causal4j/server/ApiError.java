package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** An answer that says what is wrong, in OpenAI's form. */
final class ApiError extends RuntimeException {
    private static final long serialVersionUID = 1;

    final int status;

    /** Seconds after which to try again; 0 if that is useless. */
    final int retryAfter;

    final transient Map<String, Object> fields;

    ApiError(int status, String code, @Nullable String param, String message) {
        this(status, code, param, message, 0);
    }

    private ApiError(int status, String code, @Nullable String param, String message, int retryAfter) {
        super(message, null, false, false);
        this.status = status;
        this.retryAfter = retryAfter;
        String type = status >= 500 ? "server_error" : status == 429 ? "rate_limit_error" : "invalid_request_error";
        Object field = Objects.requireNonNullElse(param, Json.NULL);
        fields = Json.object("message", message, "type", type, "param", field, "code", code);
    }

    /** A field with a wrong value. */
    static ApiError value(String param, String expected, @Nullable Object got) {
        return new ApiError(400, "invalid_value", param, line(param, expected, got));
    }

    /** A field of a wrong type. */
    static ApiError type(String param, String expected, @Nullable Object got) {
        return new ApiError(400, "invalid_type", param, line(param, expected, got));
    }

    /** A field that this server cannot honour. */
    static ApiError unsupported(String param, @Nullable Object got) {
        String line = line(param, "nothing, since this is not supported", got);
        return new ApiError(400, "unsupported_parameter", param, line);
    }

    static String line(String param, String expected, @Nullable Object got) {
        return param + ": expected " + expected + ", got " + Json.describe(got);
    }

    /**
     * A prompt that does not fit the context with its completion.
     *
     * @param tokens of both, or more than the context if they were not counted
     */
    static ApiError tooLong(String param, int tokens, int most) {
        String line = param + ": expected at most " + most + " tokens, the context length, for it and its completion,"
                + " got at least " + tokens + "; shorten it";
        ApiError tooLong = new ApiError(400, "context_length_exceeded", param, line);
        tooLong.fields.putAll(Map.of("n_prompt_tokens", tokens, "n_ctx", most)); // as llama.cpp's clients read it
        return tooLong;
    }

    static ApiError noModel(String name, List<String> served) {
        String line = "model: expected " + String.join(" or ", served) + ", got " + FormatException.quote(name);
        return new ApiError(404, "model_not_found", "model", line);
    }

    static ApiError queueFull(int seconds) {
        String line = "queue: expected room for a request, got none; try again in " + seconds + " s";
        return new ApiError(429, "queue_full", null, line, seconds);
    }

    /** Something that this caller has the most of, or too much. */
    static ApiError full(String subject, String expected) {
        String line =
                subject + ": expected " + expected + ", got more; try again when some of your requests have ended";
        return new ApiError(429, subject + "_full", null, line, 1);
    }

    /** Bodies, and tokens and log-probabilities of answers. */
    static ApiError bytesFull() {
        return full("bodies", "at most " + Limits.ANSWERED_BYTES + " bytes with tokens and log-probabilities");
    }

    static ApiError shuttingDown() {
        String line = "server: expected a running one, got one that shuts down; try again later";
        return new ApiError(503, "shutting_down", null, line, 5);
    }

    String code() {
        return String.valueOf(fields.get("code"));
    }

    Map<String, Object> body() {
        return Map.of("error", fields);
    }
}
