package dev.causal4j.server;

import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Json;
import dev.causal4j.server.Choice.Fragment;
import java.util.AbstractList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntFunction;

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
    TextRequest read(JsonIn in, ServedModel served, String owner);

    /**
     * The part of a choice before its generated text.
     *
     * @param scores of the prompt's tokens but the first; empty unless {@link TextRequest#scores}
     */
    Fragment opening(TextRequest ask, TextRequest.Prompt prompt, List<Prediction> scores);

    /** A choice that continues, whose text, delta or message has the name. */
    static Map<String, Object> choice(TextRequest ask, String name, Object said, Object logprobs, List<Integer> ids) {
        Map<String, Object> choice = Json.object(name, said, "logprobs", ask.logprobs() ? logprobs : Json.NULL);
        choice.put("finish_reason", Json.NULL);
        if (ask.format().ids()) {
            choice.put("token_ids", ids);
        }
        return choice;
    }

    /** A choice that ends, with what its constraint cost if log-probabilities are told. */
    static Map<String, Object> ended(TextRequest ask, Map<String, Object> choice, String finish, Generation made) {
        choice.put("finish_reason", finish);
        if (ask.logprobs()) {
            made.constrained().ifPresent(each -> {
                double lost = finite(each.lostLogProbability().orElse(0.0));
                choice.put("constraint", Json.object("complete", each.complete(), "lost_logprob", lost));
            });
        }
        return choice;
    }

    /** Why a choice ended, in OpenAI's words, which have no deadline: one cuts a text as a length does. */
    static String label(FinishReason finish) {
        return finish == FinishReason.LENGTH || finish == FinishReason.DEADLINE ? "length" : "stop";
    }

    /** A list that computes each element when it is read, from that of another list. It keeps none of them. */
    static <T> List<Object> each(List<T> elements, Function<T, Object> function) {
        return each(elements.size(), index -> function.apply(elements.get(index)));
    }

    /** A list that computes each element when it is read, from its index. */
    static List<Object> each(int size, IntFunction<Object> function) {
        return new AbstractList<>() {
            @Override
            public Object get(int index) {
                return function.apply(index);
            }

            @Override
            public int size() {
                return size;
            }
        };
    }

    /** JSON has no infinity. */
    static double finite(double logProbability) {
        return Math.clamp(logProbability, -Double.MAX_VALUE, Double.MAX_VALUE);
    }
}
