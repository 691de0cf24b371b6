package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Json;
import dev.causal4j.scoring.Score;
import dev.causal4j.server.Choice.Entry;
import dev.causal4j.server.Choice.Fragment;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;

/** {@code /v1/completions}: continues texts; {@code echo} with {@code logprobs} also scores them. */
final class CompletionApi extends Choices {
    CompletionApi() {
        super("cmpl-", "text_completion", "text_completion");
    }

    @Override
    public TextRequest read(JsonIn in, ServedModel served, String owner) {
        boolean echo = in.bool("echo", false);
        List<TextRequest.Prompt> prompts = in.has("prompt")
                ? in.textsOrIds("prompt", Limits.SEQUENCES, (path, given) -> prompt(path, given, served, echo))
                : List.of(prompt("prompt", "", served, echo));
        TextRequest.ResponseFormat form = TextRequest.ResponseFormat.read(in, served);
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
        int alternatives = in.integer("logprobs", TextRequest.NO_LOGPROBS, 0, Limits.ALTERNATIVES);
        return new TextRequest(prompts, n, bestOf, options, param, alternatives, echo, form, Continuation::new);
    }

    private static TextRequest.Prompt prompt(String path, Object given, ServedModel served, boolean echo) {
        int[] tokens;
        int prefix = 0;
        String text;
        if (given instanceof List<?> list) {
            served.checkLength(path, list.size());
            tokens = served.ids(path, list);
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
        return new TextRequest.Prompt(tokens, prefix, text, served.contextLength() - tokens.length);
    }

    @Override
    public Fragment opening(TextRequest ask, TextRequest.Prompt prompt, List<Prediction> scores) {
        if (!ask.echo()) {
            return super.opening(ask, prompt, scores);
        }
        List<Entry> entries = new ArrayList<>();
        if (ask.logprobs()) {
            StreamingDecoder decoder = ask.format().names().tokenizer().decoder();
            int offset = 0;
            for (int i = 0; i < prompt.tokens().length; i++) {
                Optional<Prediction> prediction = i == 0 ? Optional.empty() : Optional.of(scores.get(i - 1));
                int end = offset + (i < prompt.prefix() ? 0 : Choice.length(decoder.accept(prompt.tokens()[i])));
                entries.add(new Entry(prompt.tokens()[i], offset, end, prediction, false));
                offset = end;
            }
        }
        return new Fragment(prompt.text(), entries, List.of());
    }

    /** Writes a text, after its opening. */
    static final class Continuation extends ChoiceWriter {
        private final Fragment opening;
        private boolean begun;

        Continuation(TextRequest ask, int sequence, Fragment opening) {
            super(ask);
            this.opening = opening;
            begun = opening.isEmpty();
        }

        @Override
        void part(Fragment fragment) {
            if (!begun) {
                parts.add(choice(opening));
            }
            begun = true;
            if (!fragment.isEmpty()) {
                parts.add(choice(fragment));
            }
        }

        @Override
        void last(Fragment fragment, Generation made) {
            part(Fragment.EMPTY);
            parts.add(ended(choice(fragment), made));
        }

        @Override
        Map<String, Object> whole(List<Fragment> fragments, Generation made) {
            Fragment all = Fragment.of(
                    Stream.concat(Stream.of(opening), fragments.stream()).toList());
            return ended(choice(all), made);
        }

        /** A choice that ends, with the digest of its prompt's scores if they are told. */
        private Map<String, Object> ended(Map<String, Object> choice, Generation made) {
            Map<String, Object> ended = Choices.ended(ask, choice, label(made.finishReason()), made);
            if (ask.scores()) {
                Stream<Optional<Prediction>> scores = opening.tokens().stream().map(Entry::prediction);
                ended.put("bits", Score.bits(scores.flatMap(Optional::stream).toList()));
            }
            return ended;
        }

        private Map<String, Object> choice(Fragment fragment) {
            return Choices.choice(ask, "text", fragment.text(), logprobs(ask, fragment.tokens()), fragment.ids());
        }
    }

    /** OpenAI's older object: lists in parallel. */
    private static Map<String, Object> logprobs(TextRequest ask, List<Entry> tokens) {
        List<Entry> told = ask.logprobs() ? tokens : List.of(); // best_of has them for itself
        return Json.object(
                "tokens",
                each(told, entry -> ask.format().names().name(entry.token())),
                "token_logprobs",
                each(told, entry -> known(entry, each -> finite(each.logProbability()))),
                "top_logprobs",
                each(told, entry -> known(entry, each -> top(ask, each))),
                "text_offset",
                each(told, Entry::offset));
    }

    private static Object known(Entry entry, Function<Prediction, Object> told) {
        return entry.prediction().map(told).orElse(Json.NULL);
    }

    /** The likeliest tokens and the chosen one, in falling order. */
    private static Map<String, Object> top(TextRequest ask, Prediction prediction) {
        Map<String, Object> top = new LinkedHashMap<>();
        for (Candidate each : prediction.alternatives(ask.alternatives())) {
            top.putIfAbsent(ask.format().names().name(each.token()), finite(each.logProbability()));
        }
        top.putIfAbsent(ask.format().names().name(prediction.token()), finite(prediction.logProbability()));
        return top;
    }
}
