package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Json;
import dev.causal4j.server.Choice.Fragment;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Answers requests for text, in whole responses or in streams. Thread-safe. */
final class ResponseWriter {
    /** The id of an answer, and its beginning in seconds since 1970. */
    private record Id(String text, long created) {
        static Id of(Api api) {
            String text = api.names().id() + UUID.randomUUID().toString().replace("-", "");
            return new Id(text, System.currentTimeMillis() / 1000);
        }
    }

    private final Engine engine;
    private final ServedModel served;
    private final Turns turns;
    private final UsedConstraints constraints;
    private final Shares bytes;
    private final Metrics metrics;

    /** @param bytes of bodies, echoes and log-probabilities */
    ResponseWriter(Engine engine, ServedModel served, Turns turns, Shares bytes, Metrics metrics) {
        this.engine = engine;
        this.served = served;
        this.turns = turns;
        this.bytes = bytes;
        this.metrics = metrics;
        constraints = new UsedConstraints(served.tokenizer());
    }

    /**
     * Answers a request.
     *
     * @throws ApiError if it cannot be answered
     * @throws java.util.concurrent.CancellationException if the client is gone or the server shuts down
     * @throws IOException if the client is gone
     */
    void answer(Api api, TextRequest ask, Call call) throws IOException, InterruptedException {
        Optional<Constraint> own = ask.options().constraint();
        if (own.isEmpty()) {
            generate(api, ask, call);
            return;
        }
        Constraint wanted = constraints.known(own.get());
        turns.compile(call, wanted, ask.constrained(), served.tokenizer());
        Constraint used = constraints.add(call.caller, wanted);
        try {
            generate(api, ask.with(used), call);
        } finally {
            constraints.remove(used);
        }
    }

    private void generate(Api api, TextRequest ask, Call call) throws IOException, InterruptedException {
        long kept = ask.bytes();
        if (kept > 0 && !bytes.take(call.caller, kept)) {
            throw ApiError.bytesFull();
        }
        call.promptTokens = ask.prompts().stream()
                .mapToInt(prompt -> prompt.tokens().length)
                .sum();
        try (Sequences sequences = new Sequences(engine, ask, metrics, call, bytes)) {
            call.whenGone(sequences::cancel);
            List<Generation> made =
                    ask.format().stream() ? stream(api, ask, call, sequences) : whole(api, ask, call, sequences);
            metrics.answered(ask, made, call.seconds());
        } finally {
            bytes.give(call.caller, kept);
        }
    }

    private List<Generation> whole(Api api, TextRequest ask, Call call, Sequences sequences)
            throws IOException, InterruptedException {
        List<Generation> made = new ArrayList<>();
        List<Object> choices = new ArrayList<>();
        int thoughts = 0;
        for (int prompt = 0; prompt < ask.prompts().size(); prompt++) {
            for (int i = 0; i < ask.candidates(); i++) {
                made.add(sequences.generation(made.size()));
            }
            Fragment opening = api.opening(ask, ask.prompts().get(prompt), sequences.scores(prompt));
            for (int index : best(ask, made, prompt)) {
                ChoiceWriter writer = ask.writers().begin(ask, index, opening);
                List<Fragment> fragments = Choice.fragments(choice(ask, ask.prompt(index), opening), made.get(index));
                Map<String, Object> whole = writer.whole(fragments, made.get(index));
                addReceipt(ask, index, made.get(index), whole);
                choices.add(choice(choices.size(), whole, ask.seed(index)));
                thoughts += writer.thoughts();
            }
        }
        Map<String, Object> answer = head(Id.of(api), api.names().whole(), choices);
        answer.put("usage", usage(ask, made, thoughts));
        answer.put("timings", timings(made));
        call.json(answer);
        return made;
    }

    /** The n candidates of a prompt with the highest mean log-probability, the best first; all in their order if n is all. */
    private static List<Integer> best(TextRequest ask, List<Generation> made, int prompt) {
        int from = prompt * ask.candidates();
        Stream<Integer> all = IntStream.range(from, from + ask.candidates()).boxed();
        if (ask.candidates() == ask.n()) {
            return all.toList();
        }
        return all.sorted(Comparator.comparingDouble(index -> -made.get(index).predictions().stream()
                        .mapToDouble(Prediction::logProbability)
                        .average()
                        .orElse(0)))
                .limit(ask.n())
                .toList();
    }

    private List<Generation> stream(Api api, TextRequest ask, Call call, Sequences sequences)
            throws IOException, InterruptedException {
        Id id = Id.of(api);
        Choice[] choices = new Choice[ask.sequences()];
        ChoiceWriter[] writers = new ChoiceWriter[choices.length];
        Generation[] made = new Generation[choices.length];
        Set<Integer> begun = new HashSet<>();
        for (int ended = 0; ended < choices.length; ) {
            Sequences.Event event = sequences.events().poll(Limits.PING_SECONDS, TimeUnit.SECONDS);
            if (event == null) {
                call.ping();
                continue;
            }
            int index = event.sequence();
            if (choices[index] == null) {
                Fragment opening = api.opening(ask, ask.prompt(index), sequences.scores(index / ask.candidates()));
                choices[index] = choice(ask, ask.prompt(index), opening);
                writers[index] = ask.writers().begin(ask, index, opening);
            }
            List<Map<String, Object>> told;
            if (event.token().isPresent()) {
                told = writers[index].part(choices[index].accept(event.token().get()));
            } else {
                made[index] = sequences.generation(index); // throws what ended it
                told = writers[index].last(choices[index].finish(made[index].finishReason()), made[index]);
                addReceipt(ask, index, made[index], told.getLast());
                ended++;
            }
            for (int i = 0; i < told.size(); i++) {
                Map<String, Object> more = new LinkedHashMap<>();
                if (begun.add(index) && ask.format().ids()) {
                    more.put("prompt_token_ids", ask.prompt(index).tokens());
                }
                if (ended == choices.length && i == told.size() - 1) {
                    more.put("timings", timings(List.of(made)));
                }
                send(call, api, ask, id, choice(index, told.get(i), ask.seed(index)), more);
            }
            sequences.sent(index);
        }
        if (ask.format().usage()) {
            Map<String, Object> last = head(id, api.names().part(), List.of());
            int thoughts = Stream.of(writers).mapToInt(ChoiceWriter::thoughts).sum();
            last.put("usage", usage(ask, List.of(made), thoughts));
            call.event(Json.write(last));
        }
        call.done();
        return List.of(made);
    }

    private void send(Call call, Api api, TextRequest ask, Id id, Map<String, Object> choice, Map<String, Object> more)
            throws IOException {
        Map<String, Object> part = head(id, api.names().part(), List.of(choice));
        if (ask.format().usage()) {
            part.put("usage", Json.NULL);
        }
        part.putAll(more);
        call.event(Json.write(part));
    }

    /** @param opening the part of the choice before its generated text */
    private Choice choice(TextRequest ask, TextRequest.Prompt prompt, Fragment opening) {
        boolean own = ask.options().constraint().isPresent(); // a text of its own, which nothing comes before
        StreamingDecoder decoder =
                own ? served.tokenizer().decoder() : served.tokenizer().decoderBehind(prompt.tokens());
        return new Choice(decoder, ask.options().eos().orElseThrow(), Choice.length(opening.text()));
    }

    private static void addReceipt(TextRequest ask, int index, Generation made, Map<String, Object> choice) {
        ask.format()
                .receipts()
                .ifPresent(receipts -> choice.put(
                        "receipt", receipts.apply(ask.request(index), made).json()));
    }

    private static Map<String, Object> choice(int index, Map<String, Object> said, long seed) {
        Map<String, Object> choice = Json.object("index", index);
        choice.putAll(said);
        choice.put("seed", seed);
        return choice;
    }

    /** The fields that a whole response and each chunk of a stream begin with. */
    private Map<String, Object> head(Id id, String object, List<?> choices) {
        String fingerprint = served.fingerprint().join();
        Map<String, Object> head = Json.object("id", id.text, "object", object, "created", id.created);
        head.putAll(Json.object("model", served.name(), "system_fingerprint", fingerprint, "choices", choices));
        return head;
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
