package dev.causal4j.cli;

import dev.causal4j.generation.Draft;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Continues a prompt. */
@Command(
        name = "generate",
        description =
                "Continues a prompt. The text streams to standard output. A model's generation_config.json may set"
                        + " other defaults.")
final class GenerateCommand extends Subcommand {
    @Parameters(
            arity = "0..1",
            paramLabel = "PROMPT",
            description =
                    "The prompt; - reads standard input without its last line end; default: the model's BOS token.")
    private @Nullable String prompt;

    @Option(names = "--tokens", paramLabel = "IDS", description = "The prompt as token ids, for instance 1028,363.")
    private @Nullable String tokens;

    @Option(
            names = "--logprobs",
            paramLabel = "K",
            description = "With --json: the log-probability and rank of each new token, and the K likeliest, from the"
                    + " model's own distribution before temperature, filters and penalties.")
    private @Nullable Integer logprobs;

    @Option(
            names = "--prediction",
            paramLabel = "FILE",
            description =
                    "In place of --draft: a text that the new one repeats for the most part. Its tokens are guesses,"
                            + " which saves steps and changes no token.")
    private @Nullable Path prediction;

    @Mixin
    private SamplingOptions sampling;

    @Option(
            names = "--exact-sampling",
            paramLabel = "N",
            description = "With a constraint: draw at most N times until a text is accepted. Accepted texts have the"
                    + " model's own proportions, which masks alone distort.")
    private @Nullable Integer tries;

    @Mixin
    private ConstraintOptions constraint;

    @Mixin
    private TextOptions texts;

    @Mixin
    private RunOptions model;

    @Mixin
    private AdapterOption adapter;

    @Mixin
    private final PrefixStoreOption prefixes = new PrefixStoreOption();

    @Mixin
    private ReceiptOptions receipts;

    @Override
    public Integer call() throws IOException {
        try (prefixes) {
            return generate();
        }
    }

    private int generate() throws IOException {
        refuse(constraint.read() == null && tries != null, "exact-sampling: expected a constraint beside it, got none");
        receipts.check();
        options(GenerationOptions.DEFAULT); // wrong usage is refused before anything is loaded
        int[] ids = tokens == null ? null : TokenIds.parse(spec, "tokens", tokens);
        refuse(ids != null && prompt != null, "prompt: expected PROMPT or --tokens, got both");
        refuse(logprobs != null && !json, "logprobs: expected --json with --logprobs, got none");
        String text = prompt == null ? "" : TextInput.argument(prompt);
        String expected = prediction == null ? null : TextInput.file(prediction);
        long start = System.nanoTime();
        Checkpoint checkpoint = model.open();
        constraint.whitespace(checkpoint.templates().templates().isEmpty());
        // The vocabulary is read while the weights are loaded.
        CompletableFuture<int[]> encoded =
                CompletableFuture.supplyAsync(() -> ids != null ? ids : encode(checkpoint, text));
        CausalLM loaded = prefixes.use(adapter.addTo(checkpoint.load(prefixes.addTo(receipts.with(model.options())))));
        double loadSeconds = (System.nanoTime() - start) / 1e9;

        int[] promptIds = encoded.join();
        GenerationOptions options = options(GenerationOptions.of(loaded));
        if (expected != null) {
            options = options.withDraft(
                    Draft.prediction(checkpoint.requireTokenizer().encode(expected)));
        }
        receipts.check(loaded, options);
        GenerationRequest request = new GenerationRequest(promptIds, options);
        PrintWriter out = stdout();
        Optional<Generation> made = tries == null
                ? generated(loaded, request)
                : Optional.of(new Generator(loaded).drawExactly(request, tries));
        if (made.isEmpty()) {
            return 130; // as shells have it
        }
        Generation generation = made.get();
        receipts.add(loaded, request, generation);
        if (json) {
            Document document = document(generation, new Document().put("load_seconds", loadSeconds));
            if (logprobs != null) {
                ScoreDocument scores = new ScoreDocument(new Pieces(loaded.tokenizer()), false, logprobs);
                document.put("logprobs", scores.predictions(generation.predictions()));
            }
            constraint.addTo(document, generation);
            if (tries != null) {
                long drawn = generation.seed() - sampling.seed() + 1;
                document.put(
                        "exact_sampling", new Document().put("tries", drawn).put("acceptance_rate", 1.0 / drawn));
            }
            out.println(document);
        } else {
            out.println(tries == null ? "" : Streaming.shown(generation.text()));
            if (Progress.TERMINAL) {
                stderr().println(status(generation, loaded));
            }
        }
        return 0;
    }

    /** Generates and shows the text. Empty if it was interrupted. */
    private Optional<Generation> generated(CausalLM loaded, GenerationRequest request) {
        TokenListener listener = json
                ? TokenListener.NONE
                : Streaming.to(stdout(), loaded.tokenizer().isPresent());
        AtomicInteger shown = new AtomicInteger();
        try (Interruption interruption = new Interruption(0, () -> tellInterrupted(shown))) {
            Generation generation = new Generator(loaded)
                    .generate(List.of(request), token -> {
                        synchronized (shown) { // nothing follows the last line
                            if (interruption.requested()) {
                                return false;
                            }
                            shown.incrementAndGet();
                            return listener.accept(token);
                        }
                    })
                    .getFirst();
            return interruption.requested() ? Optional.empty() : Optional.of(generation);
        }
    }

    /** Ends the line, and shows how to get the text again. */
    private void tellInterrupted(AtomicInteger shown) {
        synchronized (shown) {
            if (!json) {
                stdout().println();
            }
            stderr().printf("seed %d; interrupted after %d tokens%n", sampling.seed(), shown.get());
        }
    }

    private int[] encode(Checkpoint checkpoint, String text) {
        return text.isEmpty() ? new int[0] : texts.encode(checkpoint.requireTokenizer(), text);
    }

    private GenerationOptions options(GenerationOptions own) throws IOException {
        GenerationOptions constrained = constraint.addTo(own);
        return sampling.build(logprobs == null ? constrained : constrained.withLogProbabilities(logprobs));
    }

    /** How an answer came to be, in a line for people. */
    static String status(Generation generation, CausalLM model) {
        Generation.Timing timing = generation.timing();
        String end = generation.finishReason().label();
        if (generation.finishReason() == FinishReason.LENGTH) {
            int context = model.contextLength();
            int all = generation.promptTokens().length + generation.tokens().length;
            end += all >= context ? ", the context of " + context + " is full" : ", max-new-tokens";
        }
        return String.format(
                "[%d tokens, %.1f/s; end: %s; prompt %d, cached %d, %.1f/s; seed %d]",
                generation.tokens().length,
                timing.decodeTokensPerSecond(),
                end,
                generation.promptTokens().length,
                timing.cachedTokens(),
                timing.prefillTokensPerSecond(),
                generation.seed());
    }

    /**
     * The JSON document of a generation.
     *
     * @param times gets the times of the generation
     */
    static Document document(Generation generation, Document times) {
        Generation.Timing timing = generation.timing();
        times.put("prefill_seconds", timing.prefillSeconds())
                .put("decode_seconds", timing.decodeSeconds())
                .put("prefill_tokens_per_second", timing.prefillTokensPerSecond())
                .put("decode_tokens_per_second", timing.decodeTokensPerSecond())
                .put(
                        "draft",
                        new Document()
                                .put("steps", timing.drafted().steps())
                                .put("proposed", timing.drafted().proposed())
                                .put("accepted", timing.drafted().accepted()));
        return new Document()
                .put("prompt_tokens", generation.promptTokens())
                .put("tokens", generation.tokens())
                .put("text", generation.text())
                .put("finish_reason", generation.finishReason().label())
                .put("seed", generation.seed())
                .put("timing", times);
    }
}
