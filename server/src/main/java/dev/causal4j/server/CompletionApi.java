package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Json;
import dev.causal4j.server.Choice.Entry;
import dev.causal4j.server.Choice.Piece;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;

/** {@code /v1/completions}: continues texts; {@code echo} with {@code logprobs} also scores them. */
record CompletionApi() implements Api {
    @Override
    public Names names() {
        return new Names("cmpl-", "text_completion", "text_completion");
    }

    @Override
    public Ask read(JsonIn in, ServedModel served, String owner) {
        served.check(in);
        boolean echo = in.bool("echo", false);
        List<Ask.Prompt> prompts = prompts(in, served, echo);
        Ask.Form form = Ask.Form.read(in, served);
        int n = in.integer("n", 1, 1, Limits.CHOICES);
        int bestOf = in.integer("best_of", n, 1, Math.max(n, Limits.BEST_OF));
        if (bestOf < n || (bestOf > n && form.stream())) {
            throw ApiError.value("best_of", (form.stream() ? "n in a stream, " : "at least n, ") + n, bestOf);
        }
        int most = served.tokens(in, in.has("max_tokens") ? "max_tokens" : "n_predict", 16);
        if (most > 0) {
            prompts.forEach(prompt -> served.checkRoom("prompt", prompt));
        }
        GenerationOptions options = Sampling.read(in, served, most, Set.of(), List.of(), owner);
        Optional<Constraints.Wanted> wanted =
                Constraints.read(in, served.format().whitespace());
        options = Constraints.add(options, wanted.map(Constraints.Wanted::constraint));
        String param = wanted.map(Constraints.Wanted::param).orElse("");
        int alternatives = in.integer("logprobs", Ask.NO_LOGPROBS, 0, Limits.ALTERNATIVES);
        return new Ask(prompts, n, bestOf, options, param, alternatives, echo, form, Continuation::new);
    }

    private static List<Ask.Prompt> prompts(JsonIn in, ServedModel served, boolean echo) {
        Object given = Objects.requireNonNullElse(in.value("prompt"), "");
        List<Ask.Prompt> prompts = new ArrayList<>();
        boolean ids = given instanceof List<?> list && !list.isEmpty() && list.getFirst() instanceof Number;
        if (ids || given instanceof String) {
            prompts.add(prompt("prompt", given, served, echo));
        } else if (given instanceof List<?> list && !list.isEmpty()) {
            Ask.requireFew(list.size(), 1);
            boolean texts = list.getFirst() instanceof String;
            for (Object each : list) {
                String path = "prompt.[" + prompts.size() + "]";
                if (each instanceof String != texts) {
                    throw ApiError.type(path, texts ? "a string like the others" : "a list of token ids", each);
                }
                prompts.add(prompt(path, each, served, echo));
            }
        } else {
            throw ApiError.type("prompt", "a string, a list of strings, or one or more lists of token ids", given);
        }
        return prompts;
    }

    private static Ask.Prompt prompt(String path, Object given, ServedModel served, boolean echo) {
        int[] tokens;
        int prefix = 0;
        String text;
        if (given instanceof List<?> list) {
            if (list.isEmpty()) {
                throw ApiError.type(path, "at least one token id", given);
            }
            served.checkLength(path, list.size());
            tokens = JsonIn.integers(path, list, 0, served.vocabulary() - 1);
            text = echo ? served.tokenizer().decode(tokens) : ""; // nobody else asks
        } else {
            text = JsonIn.text(path, given);
            served.checkLength(path, text);
            int[] own = served.tokenizer().encode(text, SpecialTokens.PARSE);
            tokens = served.tokenizer().withPrefix(own);
            if (tokens.length == 0) {
                tokens = served.model().bos().stream().toArray();
            }
            prefix = tokens.length - own.length;
            if (tokens.length == 0) {
                throw ApiError.value(path, "at least one token, since this model has none to begin with", given);
            }
        }
        served.checkLength(path, tokens.length);
        return new Ask.Prompt(tokens, prefix, text, served.contextLength() - tokens.length);
    }

    @Override
    public Piece opening(Ask ask, Ask.Prompt prompt, List<Prediction> scores) {
        if (!ask.echo()) {
            return new Piece("", List.of(), List.of());
        }
        List<Entry> entries = new ArrayList<>();
        if (ask.logprobs()) {
            StreamingDecoder decoder = ask.form().names().tokenizer().decoder();
            int offset = 0;
            for (int i = 0; i < prompt.tokens().length; i++) {
                Optional<Prediction> prediction = i == 0 ? Optional.empty() : Optional.of(scores.get(i - 1));
                int end = offset + (i < prompt.prefix() ? 0 : Choice.length(decoder.accept(prompt.tokens()[i])));
                entries.add(new Entry(prompt.tokens()[i], offset, end, prediction, false));
                offset = end;
            }
        }
        return new Piece(prompt.text(), entries, List.of());
    }

    /** Writes a text, after its opening. */
    static final class Continuation implements Teller {
        private final Ask ask;
        private final Piece opening;
        private boolean begun;

        Continuation(Ask ask, int sequence, Piece opening) {
            this.ask = ask;
            this.opening = opening;
            begun = opening.isEmpty();
        }

        @Override
        public List<Map<String, Object>> part(Piece piece) {
            List<Map<String, Object>> parts = new ArrayList<>(begun ? List.of() : List.of(choice(opening)));
            begun = true;
            if (!piece.isEmpty()) {
                parts.add(choice(piece));
            }
            return parts;
        }

        @Override
        public List<Map<String, Object>> last(Piece piece, Generation made) {
            List<Map<String, Object>> parts = part(new Piece("", List.of(), List.of()));
            parts.add(Api.ended(ask, choice(piece), Api.label(made.finishReason()), made));
            return parts;
        }

        @Override
        public Map<String, Object> whole(List<Piece> pieces, Generation made) {
            Piece all =
                    Piece.of(Stream.concat(Stream.of(opening), pieces.stream()).toList());
            return Api.ended(ask, choice(all), Api.label(made.finishReason()), made);
        }

        private Map<String, Object> choice(Piece piece) {
            return Api.choice(ask, "text", piece.text(), logprobs(ask, piece.tokens()), piece.ids());
        }
    }

    /** OpenAI's older object: lists in parallel. */
    private static Map<String, Object> logprobs(Ask ask, List<Entry> tokens) {
        List<Entry> told = ask.logprobs() ? tokens : List.of(); // best_of has them for itself
        return Json.object(
                "tokens",
                Api.each(told, entry -> ask.form().names().name(entry.token())),
                "token_logprobs",
                Api.each(told, entry -> known(entry, each -> Api.finite(each.logProbability()))),
                "top_logprobs",
                Api.each(told, entry -> known(entry, each -> top(ask, each))),
                "text_offset",
                Api.each(told, Entry::offset));
    }

    private static Object known(Entry entry, Function<Prediction, Object> told) {
        return entry.prediction().map(told).orElse(Json.NULL);
    }

    /** The likeliest tokens and the chosen one, in falling order. */
    private static Map<String, Object> top(Ask ask, Prediction prediction) {
        Map<String, Object> top = new LinkedHashMap<>();
        for (Candidate each : prediction.alternatives(ask.alternatives())) {
            top.putIfAbsent(ask.form().names().name(each.token()), Api.finite(each.logProbability()));
        }
        top.putIfAbsent(ask.form().names().name(prediction.token()), Api.finite(prediction.logProbability()));
        return top;
    }
}
