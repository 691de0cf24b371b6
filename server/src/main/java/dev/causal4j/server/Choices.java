package dev.causal4j.server;

import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.json.Json;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import java.util.function.IntFunction;

/** OpenAI's answers of choices, from one prompt or several. */
abstract class Choices implements Dialect {
    private final String whole;
    private final String part;
    private final String id;
    private final long created = System.currentTimeMillis() / 1000;
    private final Set<Integer> begun = new HashSet<>();

    /**
     * @param id the prefix of the answer's id
     * @param whole the {@code object} of a whole answer
     * @param part the {@code object} of a chunk of a stream
     */
    Choices(String id, String whole, String part) {
        this.whole = whole;
        this.part = part;
        this.id = id + UUID.randomUUID().toString().replace("-", "");
    }

    @Override
    public Map<String, Object> whole(
            TextRequest ask, SequencedMap<Integer, Map<String, Object>> told, List<Generation> made, int thoughts) {
        List<Object> choices = new ArrayList<>();
        told.forEach((sequence, each) -> choices.add(choice(choices.size(), each, ask.seed(sequence))));
        Map<String, Object> answer = head(ask, whole, choices);
        answer.put("usage", usage(ask, made, thoughts));
        answer.put("timings", timings(made));
        return answer;
    }

    @Override
    public Map<String, Object> part(TextRequest ask, int sequence, Map<String, Object> told, List<Generation> made) {
        Map<String, Object> chunk = head(ask, part, List.of(choice(sequence, told, ask.seed(sequence))));
        if (ask.format().usage()) {
            chunk.put("usage", Json.NULL);
        }
        if (begun.add(sequence) && ask.format().ids()) {
            chunk.put("prompt_token_ids", ask.prompt(sequence).tokens());
        }
        if (!made.isEmpty()) {
            chunk.put("timings", timings(made));
        }
        return chunk;
    }

    @Override
    public List<Map<String, Object>> end(TextRequest ask, List<Generation> made, int thoughts) {
        if (!ask.format().usage()) {
            return List.of();
        }
        Map<String, Object> last = head(ask, part, List.of());
        last.put("usage", usage(ask, made, thoughts));
        return List.of(last);
    }

    private static Map<String, Object> choice(int index, Map<String, Object> told, long seed) {
        Map<String, Object> choice = Json.object("index", index);
        choice.putAll(told);
        choice.put("seed", seed);
        return choice;
    }

    /** The fields that a whole response and each chunk of a stream begin with. */
    private Map<String, Object> head(TextRequest ask, String object, List<?> choices) {
        ServedModel served = ask.format().served();
        Map<String, Object> head = Json.object("id", id, "object", object, "created", created, "model", served.name());
        head.putAll(Json.object("system_fingerprint", served.fingerprint().join(), "choices", choices));
        return head;
    }

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

    /** @param thoughts tokens that came before the answers */
    private static Map<String, Object> usage(TextRequest ask, List<Generation> made, int thoughts) {
        int prompt = 0;
        int cached = 0;
        int completion = 0;
        for (int i = 0; i < made.size(); i++) {
            int once = i % ask.candidates() == 0 ? 1 : 0; // the prompt counts once
            prompt += once * made.get(i).promptTokens().length;
            cached += ask.scores() ? 0 : once * made.get(i).timing().cachedTokens();
            completion += made.get(i).tokens().length;
        }
        Map<String, Object> usage = Json.object("prompt_tokens", prompt, "completion_tokens", completion);
        usage.put("total_tokens", prompt + completion);
        usage.put("prompt_tokens_details", Map.of("cached_tokens", cached));
        Map<String, Object> details = Json.object("reasoning_tokens", thoughts);
        if (ask.options().draft().isPresent()) {
            Generation.Drafted drafted = times(made).drafted();
            int right = drafted.accepted();
            details.put("accepted_prediction_tokens", right);
            details.put("rejected_prediction_tokens", drafted.proposed() - right);
        }
        usage.put("completion_tokens_details", details);
        return usage;
    }

    /** Times with the names of llama.cpp's server. */
    private static Map<String, Object> timings(List<Generation> made) {
        Generation.Timing all = times(made);
        int tokens = made.stream().mapToInt(each -> each.tokens().length).sum();
        Map<String, Object> timings = Json.object(
                "prompt_n",
                all.prefillTokens(),
                "prompt_ms",
                all.prefillSeconds() * 1e3,
                "cache_n",
                all.cachedTokens());
        timings.putAll(Json.object("predicted_n", tokens, "predicted_ms", all.decodeSeconds() * 1e3));
        timings.put("predicted_per_second", all.decodeTokensPerSecond());
        timings.put("draft_n", all.drafted().proposed());
        timings.put("draft_n_accepted", all.drafted().accepted());
        return timings;
    }

    private static Generation.Timing times(List<Generation> made) {
        return made.stream().map(Generation::timing).reduce(Generation.Timing.NONE, Generation.Timing::plus);
    }
}
