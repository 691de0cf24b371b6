package dev.causal4j.server;

import dev.causal4j.generation.Draft;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** How tokens are chosen, from the fields that completions and chats share. The seed is that of the first choice. */
final class Sampling {
    /** Fields of other servers that this one does not support; they are refused unless they are off. */
    private static final List<String> UNSUPPORTED = List.of(("suffix n_probs repeat_last_n mirostat dry_multiplier"
                    + " xtc_probability dynatemp_range samplers use_beam_search bad_words allowed_token_ids prompt_logprobs"
                    + " truncate_prompt_tokens include_stop_str_in_output")
            .split(" "));

    private Sampling() {}

    /**
     * Reads the fields of a request.
     *
     * @param maxTokens most new tokens
     * @param ends ids of tokens that end a sequence besides the model's and those of the request
     * @param stops texts that end a sequence besides those of the request
     * @param owner the prompts of one owner may share keys and values
     */
    static GenerationOptions read(
            JsonIn in, ServedModel served, int maxTokens, Set<Integer> ends, List<String> stops, String owner) {
        in.refuse(UNSUPPORTED);
        Map<Setting, Number> numbers = new EnumMap<>(Setting.class);
        for (Setting setting : Setting.values()) {
            numbers.put(setting, number(in, setting, maxTokens, served.contextLength()));
        }
        GenerationOptions options = served.defaults()
                .with(numbers)
                .withLogitBias(biases(in, served))
                .withStop(Stream.concat(stops(in).stream(), stops.stream()).toList())
                .withEos(eos(in, served, ends))
                .uncached();
        Optional<Draft> draft = draft(in, served);
        if (draft.isPresent()) {
            options = options.withDraft(draft.get());
        }
        String salt = in.string("cache_salt").orElse("");
        requireLength("cache_salt", salt, 0, Limits.CACHE_SALT_CHARACTERS);
        return in.bool("cache_prompt", true) ? options.withCacheSalt(owner + salt) : options;
    }

    /** OpenAI's prediction, or no guesses where a client asks for none. */
    private static Optional<Draft> draft(JsonIn in, ServedModel served) {
        Optional<String> draft = in.string("draft");
        if (draft.isPresent()) {
            if (!draft.get().equals("off")) {
                throw ApiError.value("draft", "\"off\"", draft.get());
            }
            return Optional.of(Draft.OFF);
        }
        return in.object("prediction").map(prediction -> {
            String type = prediction.requiredString("type");
            if (!type.equals("content")) {
                throw ApiError.value(prediction.path("type"), "\"content\"", type);
            }
            String text = ChatApi.content(prediction, "content", ChatApi.TEXT);
            served.checkLength(prediction.path("content"), text);
            return Draft.prediction(served.tokenizer().encode(text));
        });
    }

    /** The value of a setting, in the bounds of OpenAI and vLLM. */
    private static Number number(JsonIn in, Setting setting, int maxTokens, int contextLength) {
        String name = setting.snake();
        return switch (setting) {
            case MAX_NEW_TOKENS -> maxTokens;
            case MIN_NEW_TOKENS -> in.integer("min_tokens", 0, 0, maxTokens);
            case TEMPERATURE -> Math.min(in.number(name, 1, 0, 2), in.number("top_p", 1, 0, 1) == 0 ? 0 : 2);
            case TOP_K -> Math.max(0, in.integer(name, 0, -1, Integer.MAX_VALUE)); // some write -1 for all
            case TOP_P -> in.number(name, 1, 0, 1) == 0 ? 1 : in.number(name, 1, 0, 1); // 0 is greedy
            case MIN_P -> in.number(name, 0, 0, 1);
            case TYPICAL_P -> in.number(name, 1, 1e-6, 1);
            case REPETITION_PENALTY -> in.number(in.has(name) ? name : "repeat_penalty", 1, 0.01, 100);
            case NO_REPEAT_NGRAM_SIZE -> in.integer(name, 0, 0, contextLength);
            case FREQUENCY_PENALTY, PRESENCE_PENALTY -> in.number(name, 0, -2, 2);
            case SEED -> in.whole(name, Long.MIN_VALUE, Long.MAX_VALUE).orElseGet(GenerationOptions::randomSeed);
        };
    }

    private static Set<Integer> eos(JsonIn in, ServedModel served, Set<Integer> ends) {
        int[] ids = served.ids(in.path("stop_token_ids"), in.list("stop_token_ids", Limits.STOPS));
        Set<Integer> eos = IntStream.of(ids).boxed().collect(Collectors.toCollection(HashSet::new));
        if (!in.bool("ignore_eos", false)) {
            eos.addAll(served.model().eos());
            eos.addAll(ends);
        }
        return Set.copyOf(eos);
    }

    private static List<String> stops(JsonIn in) {
        List<String> stops = in.strings("stop", Limits.STOPS);
        stops.forEach(stop -> requireLength(in.path("stop"), stop, 1, Limits.STOP_CHARACTERS));
        return stops;
    }

    static void requireLength(String path, String text, int least, int most) {
        if (text.length() < least || text.length() > most) {
            throw ApiError.value(path, "text of " + least + " to " + most + " characters", text);
        }
    }

    private static Map<Integer, Double> biases(JsonIn in, ServedModel served) {
        Map<Integer, Double> biases = new HashMap<>();
        in.object("logit_bias").ifPresent(given -> {
            if (given.fields().size() > Limits.BIASES) {
                throw ApiError.value("logit_bias", "at most " + Limits.BIASES + " tokens", given.fields());
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
