package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A request of lm-evaluation-harness to a model. Immutable. */
public sealed interface Request {
    /** Its arguments, as the harness logs them; the first is a text. */
    List<Object> arguments();

    /** The first argument. */
    default String text() {
        return (String) arguments().getFirst();
    }

    /** How likely a continuation follows a context. */
    record Continuation(String context, String continuation) implements Request {
        @Override
        public List<Object> arguments() {
            return List.of(context, continuation);
        }
    }

    /** How likely a whole text is. */
    record Rolling(String text) implements Request {
        @Override
        public List<Object> arguments() {
            return List.of(text);
        }
    }

    /**
     * The greedy text after a prompt.
     *
     * @param settings {@code until}, {@code max_gen_toks} or one of its other names, {@code do_sample} and {@code
     *     temperature}, which must not ask for draws
     */
    record Until(String prompt, Map<String, Object> settings) implements Request {
        private static final List<String> MOST =
                List.of("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens");
        private static final Set<String> OTHERS = Set.of("until", "do_sample", "temperature", "top_p", "top_k");
        private static final int MOST_STOPS = 1000;

        /** @throws InputException if a setting is unknown or wrong, or asks for draws */
        public Until {
            Object sampled = settings.get("do_sample");
            boolean draws = sampled instanceof Boolean given
                    ? given
                    : settings.get("temperature") instanceof Number heat && heat.doubleValue() > 0;
            String wrong = draws
                    ? "do_sample, whose draws only torch has"
                    : settings.keySet().stream()
                            .filter(key -> !MOST.contains(key) && !OTHERS.contains(key))
                            .findFirst()
                            .orElse("");
            if (!wrong.isEmpty() || most(settings) < 1 || stops(settings).size() > MOST_STOPS) {
                throw new InputException("generation_kwargs: expected greedy text of at least a token and at most "
                        + MOST_STOPS + " stops, got " + (wrong.isEmpty() ? settings : wrong) + "; change them");
            }
        }

        int most() {
            return most(settings);
        }

        List<String> stops() {
            return stops(settings);
        }

        private static int most(Map<String, Object> settings) {
            return MOST.stream()
                    .map(settings::get)
                    .filter(each -> each != null && !each.equals(Json.NULL))
                    .findFirst()
                    .map(most -> most instanceof Integer whole ? whole : 0)
                    .orElse(256);
        }

        private static List<String> stops(Map<String, Object> settings) {
            Object until = settings.getOrDefault("until", List.of());
            List<?> stops = until instanceof List<?> list ? list : List.of(until);
            return stops.stream()
                    .filter(each -> !each.equals(Json.NULL))
                    .map(String::valueOf)
                    .toList();
        }

        @Override
        public List<Object> arguments() {
            return List.of(prompt, settings);
        }
    }

    /**
     * The request with these arguments.
     *
     * @throws InputException if there is none
     */
    @SuppressWarnings("unchecked") // names are strings
    static Request of(List<?> arguments) {
        return switch (arguments.size() > 2 ? List.of() : arguments) {
            case List<?> one when one.size() == 1 && one.getFirst() instanceof String text -> new Rolling(text);
            case List<?> two
            when two.size() == 2 && two.getFirst() instanceof String text && two.getLast() instanceof String end ->
                new Continuation(text, end);
            case List<?> two
            when two.size() == 2
                    && two.getFirst() instanceof String text
                    && two.getLast() instanceof Map<?, ?> settings -> new Until(text, (Map<String, Object>) settings);
            default ->
                throw new InputException("arguments: expected a text and a continuation or settings, got others");
        };
    }
}
