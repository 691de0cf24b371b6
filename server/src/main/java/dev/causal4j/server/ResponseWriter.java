package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Generation;
import dev.causal4j.head.Prediction;
import dev.causal4j.server.Choice.Fragment;
import dev.causal4j.server.Models.Model;
import dev.causal4j.tokenizer.StreamingDecoder;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Answers requests for text, in whole responses or in streams. Thread-safe.
 *
 * @param bytes of bodies, echoes and log-probabilities
 */
record ResponseWriter(Model model, Turns turns, Shares bytes) {
    /**
     * Answers a request.
     *
     * @throws ApiError if it cannot be answered
     * @throws java.util.concurrent.CancellationException if the client is gone or the server shuts down
     * @throws IOException if the client is gone
     */
    void answer(TextRequest ask, Call call) throws IOException, InterruptedException {
        Optional<Constraint> own = ask.options().constraint();
        if (own.isEmpty()) {
            generate(ask, call);
            return;
        }
        Constraint wanted = turns.constraints.known(own.get(), tokenizer());
        turns.compile(call, wanted, ask.constrained(), tokenizer());
        Constraint used = turns.constraints.add(call.caller, wanted, tokenizer());
        try {
            generate(ask.with(used), call);
        } finally {
            turns.constraints.remove(used, tokenizer());
        }
    }

    private void generate(TextRequest ask, Call call) throws IOException, InterruptedException {
        long kept = ask.bytes() + call.dialect.held();
        if (kept > 0 && !bytes.take(call.caller, kept)) {
            throw ApiError.bytesFull();
        }
        call.promptTokens = ask.prompts().stream()
                .mapToInt(prompt -> prompt.tokens().length)
                .sum();
        try (Sequences sequences = new Sequences(model.engine(), ask, model.metrics(), call, bytes)) {
            call.whenGone(sequences::cancel);
            List<Generation> made = ask.format().stream() ? stream(ask, call, sequences) : whole(ask, call, sequences);
            model.metrics().answered(ask, made, call.seconds());
        } finally {
            bytes.give(call.caller, kept);
        }
    }

    private List<Generation> whole(TextRequest ask, Call call, Sequences sequences)
            throws IOException, InterruptedException {
        List<Generation> made = new ArrayList<>();
        SequencedMap<Integer, Map<String, Object>> told = new LinkedHashMap<>();
        int thoughts = 0;
        for (int prompt = 0; prompt < ask.prompts().size(); prompt++) {
            for (int i = 0; i < ask.candidates(); i++) {
                made.add(sequences.generation(made.size()));
            }
            Fragment opening = call.dialect.opening(ask, ask.prompts().get(prompt), sequences.scores(prompt));
            for (int index : best(ask, made, prompt)) {
                ChoiceWriter writer = ask.writers().begin(ask, index, opening);
                List<Fragment> fragments = Choice.fragments(choice(ask, ask.prompt(index), opening), made.get(index));
                told.put(index, withReceipt(ask, index, made.get(index), writer.whole(fragments, made.get(index))));
                thoughts += writer.thoughts();
            }
        }
        call.json(call.dialect.whole(ask, told, made, thoughts));
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

    private List<Generation> stream(TextRequest ask, Call call, Sequences sequences)
            throws IOException, InterruptedException {
        Choice[] choices = new Choice[ask.sequences()];
        ChoiceWriter[] writers = new ChoiceWriter[choices.length];
        Generation[] made = new Generation[choices.length];
        for (int ended = 0; ended < choices.length; ) {
            Sequences.Event event = sequences.events().poll(Limits.PING_SECONDS, TimeUnit.SECONDS);
            if (event == null) {
                call.ping();
                continue;
            }
            int index = event.sequence();
            if (choices[index] == null) {
                Fragment opening =
                        call.dialect.opening(ask, ask.prompt(index), sequences.scores(index / ask.candidates()));
                choices[index] = choice(ask, ask.prompt(index), opening);
                writers[index] = ask.writers().begin(ask, index, opening);
            }
            List<Map<String, Object>> told = writers[index].parts;
            if (event.token().isPresent()) {
                writers[index].part(choices[index].accept(event.token().get()));
            } else {
                made[index] = sequences.generation(index); // throws what ended it
                writers[index].last(choices[index].finish(made[index].finishReason()), made[index]);
                withReceipt(ask, index, made[index], told.getLast());
                ended++;
            }
            for (int i = 0; i < told.size(); i++) {
                boolean last = ended == choices.length && i == told.size() - 1;
                call.part(call.dialect.part(ask, index, told.get(i), last ? List.of(made) : List.of()));
            }
            told.clear();
            sequences.sent(index);
        }
        int thoughts = Stream.of(writers).mapToInt(ChoiceWriter::thoughts).sum();
        for (Map<String, Object> part : call.dialect.end(ask, List.of(made), thoughts)) {
            call.part(part);
        }
        call.done();
        return List.of(made);
    }

    private Tokenizer tokenizer() {
        return model.served().tokenizer();
    }

    /** @param opening the part of the choice before its generated text */
    private Choice choice(TextRequest ask, TextRequest.Prompt prompt, Fragment opening) {
        boolean own = ask.options().constraint().isPresent(); // a text of its own, which nothing comes before
        StreamingDecoder decoder = own ? tokenizer().decoder() : tokenizer().decoderBehind(prompt.tokens());
        return new Choice(decoder, ask.options().eos().orElseThrow(), Choice.length(opening.text()));
    }

    /** Adds the receipt of a sequence to what is told of it, if one was asked for. */
    private static Map<String, Object> withReceipt(
            TextRequest ask, int index, Generation made, Map<String, Object> told) {
        ask.format()
                .receipts()
                .ifPresent(receipts -> told.put(
                        "receipt", receipts.apply(ask.request(index), made).json()));
        return told;
    }
}
