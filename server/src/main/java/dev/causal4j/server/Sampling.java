package dev.causal4j.server;

import dev.causal4j.generation.GenerationOptions;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * How tokens are chosen, from the fields that completions and chats share.
 *
 * @param options of each sequence, but for its seed
 * @param minTokens fewest new tokens of a sequence before one that ends it
 * @param maxTokens most new tokens of a sequence
 * @param seed of the first choice; each further one has the next
 * @param eos the tokens that end a sequence
 * @param salt of what shares keys and values; empty if it shares none
 * @param plain whether the likeliest token is taken as it is: nothing changes its logits, and no text ends it
 */
record Sampling(
        GenerationOptions options,
        int minTokens,
        int maxTokens,
        long seed,
        Set<Integer> eos,
        Optional<String> salt,
        boolean plain) {
    private static final int MOST_STOPS = 64;
    private static final int MOST_STOP_BYTES = 1024;
    private static final int MOST_BIASES = 1024;

    /** What others know and this server does not: refused unless it is off. */
    private static final List<String> UNSUPPORTED = List.of(("suffix n_probs repeat_last_n mirostat dry_multiplier"
                    + " xtc_probability dynatemp_range samplers use_beam_search bad_words allowed_token_ids prompt_logprobs grammar"
                    + " json_schema structured_outputs guided_json guided_regex guided_choice guided_grammar"
                    + " truncate_prompt_tokens include_stop_str_in_output")
            .split(" "));

    /**
     * Reads the fields.
     *
     * @param maxTokens most new tokens
     * @param ends more tokens that end a sequence
     * @param stops more texts that do
     * @param owner whose prompts share keys and values
     */
    static Sampling read(
            JsonIn in, ServedModel served, int maxTokens, Set<Integer> ends, List<String> stops, String owner) {
        in.refuse(UNSUPPORTED);
        double topP = in.number("top_p", 1, 0, 1);
        double temperature = topP == 0 ? 0 : in.number("temperature", 1, 0, 2);
        double repetition =
                in.number(in.has("repetition_penalty") ? "repetition_penalty" : "repeat_penalty", 1, 0.01, 100);
        double frequency = in.number("frequency_penalty", 0, -2, 2);
        double presence = in.number("presence_penalty", 0, -2, 2);
        Map<Integer, Double> biases = biases(in, served);
        List<String> texts = stops(in);
        Set<Integer> eos = eos(in, served, ends);
        int ngram = in.integer("no_repeat_ngram_size", 0, 0, served.contextLength());
        int least = in.integer("min_tokens", 0, 0, maxTokens);
        long seed = in.whole("seed", Long.MIN_VALUE, Long.MAX_VALUE)
                .orElseGet(() -> (long) ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
        Optional<String> salt =
                Optional.of(owner + in.string("cache_salt").orElse("")).filter(_ -> in.bool("cache_prompt", true));
        GenerationOptions.Builder options = GenerationOptions.builder()
                .temperature(temperature)
                .topK(Math.max(0, in.integer("top_k", 0, -1, Integer.MAX_VALUE)))
                .topP(topP == 0 ? 1 : topP)
                .minP(in.number("min_p", 0, 0, 1))
                .typicalP(in.number("typical_p", 1, 1e-6, 1))
                .repetitionPenalty(repetition)
                .noRepeatNgramSize(ngram)
                .frequencyPenalty(frequency)
                .presencePenalty(presence)
                .logitBias(biases)
                .stop(Stream.concat(texts.stream(), stops.stream()).toList())
                .eos(eos)
                .uncached();
        salt.ifPresent(options::cacheSalt);
        boolean plain = temperature == 0
                && frequency == 0
                && presence == 0
                && biases.isEmpty()
                && texts.isEmpty()
                && stops.isEmpty()
                && repetition == 1
                && ngram == 0
                && least == 0;
        return new Sampling(options.build(), least, maxTokens, seed, eos, salt, plain);
    }

    /** Options of a sequence for which there is so much room. */
    GenerationOptions.Builder options(int room) {
        return options.toBuilder().minNewTokens(Math.min(minTokens, room)).maxNewTokens(Math.min(maxTokens, room));
    }

    private static Set<Integer> eos(JsonIn in, ServedModel served, Set<Integer> ends) {
        int[] ids = JsonIn.integers(
                in.path("stop_token_ids"), in.list("stop_token_ids", MOST_STOPS), 0, served.vocabulary() - 1);
        Set<Integer> eos = IntStream.of(ids).boxed().collect(Collectors.toCollection(HashSet::new));
        if (!in.bool("ignore_eos", false)) {
            eos.addAll(served.eos());
            eos.addAll(ends);
        }
        return Set.copyOf(eos);
    }

    private static List<String> stops(JsonIn in) {
        List<String> stops = in.strings("stop", MOST_STOPS);
        for (String stop : stops) {
            if (stop.isEmpty() || stop.length() > MOST_STOP_BYTES) {
                throw ApiError.value(in.path("stop"), "texts of 1 to " + MOST_STOP_BYTES + " characters", stop);
            }
        }
        return stops;
    }

    private static Map<Integer, Double> biases(JsonIn in, ServedModel served) {
        Map<Integer, Double> biases = new HashMap<>();
        in.object("logit_bias").ifPresent(given -> {
            if (given.fields().size() > MOST_BIASES) {
                throw ApiError.value("logit_bias", "at most " + MOST_BIASES + " tokens", given.fields());
            }
            given.fields().forEach((key, bias) -> {
                String id = (String) key;
                if (!id.matches("\\d{1,9}") || Integer.parseInt(id) >= served.vocabulary()) {
                    throw ApiError.value("logit_bias", "ids of tokens from 0 to " + (served.vocabulary() - 1), id);
                }
                biases.put(Integer.parseInt(id), JsonIn.number("logit_bias." + id, bias, -100, 100));
            });
        });
        return biases;
    }
}
