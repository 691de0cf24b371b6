package dev.causal4j.cli;

import dev.causal4j.InputException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Draft;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Measures prefill, decode and the head on a synthetic prompt: unmeasured runs for at least ten seconds, then {@code
 * --repeat} runs, whose medians are reported. Decoding takes the argmax and prints nothing. A configuration is enough:
 * its weights are then random.
 */
@Command(name = "bench", description = "Measures prefill, decode and the head on a synthetic prompt.")
final class BenchCommand extends Subcommand {
    /** Rows of hidden vectors that the head turns into logits at once. */
    private static final int HEAD_ROWS = 256;

    /** Most rows of each sequence: two tiles of products. */
    private static final int MOST_ROWS = 32;

    @Option(
            names = "--prompt",
            paramLabel = "N",
            description = "Prompt tokens; default: 512, or what there is room for.")
    private @Nullable Integer wantedPrompt;

    @Option(names = "--generate", paramLabel = "N", description = "New tokens; default: 96, or what there is room for.")
    private @Nullable Integer wantedTokens;

    @Option(
            names = "--context",
            paramLabel = "N",
            description = "Tokens before the prompt, in memory of their own but copied, not computed; default: 0.")
    private int context;

    @Option(names = "--repeat", paramLabel = "N", description = "Measured runs; default: ${DEFAULT-VALUE}.")
    private int repeat = 5;

    @Option(names = "--sequences", paramLabel = "N", description = "Sequences that decode at once; default: 1.")
    private int sequences = 1;

    @Option(
            names = "--rows",
            paramLabel = "N",
            description = "Rows of each sequence in a decode step, as with a draft of N - 1 wrong tokens; default: 1.")
    private int rows = 1;

    @Option(
            names = "--replay",
            paramLabel = "FILE",
            description = "Decode given texts instead, with and without the draft in turn: a JSON object a line with"
                    + " prompt and answer, lists of token ids.")
    private @Nullable Path replay;

    @Mixin
    private DraftOption draft;

    @Option(
            names = "--warm-up",
            paramLabel = "SECONDS",
            description = "Least time of unmeasured runs, in which kernels are compiled; default: ${DEFAULT-VALUE}.")
    private int warmUp = 10;

    @Mixin
    private RunOptions options;

    @Mixin
    private ShapeOptions shape;

    private int prompt;
    private int generate;

    /** Runs in the same memory, so that none measures first touches of it. */
    private final class Runs {
        final CausalLM model;
        final int vocabularySize;
        final int[] tokens = new int[prompt];
        final Activations activations = new Activations();
        final List<KVCache> caches;
        final List<KVCache.Page> before; // of the context
        final Rows hidden; // [prompt, D]
        final float[] logits; // [rows, V] of the head, or of a decode step

        Runs(CausalLM model) {
            this.model = model;
            vocabularySize = model.head().vocabularySize();
            Arrays.setAll(tokens, i -> (int) ((i * 7919L + 13) % vocabularySize));
            caches = Stream.generate(model::newCache).limit(sequences).toList();
            before = context();
            int hiddenSize = model.head().hiddenSize();
            hidden = Rows.of(new float[Math.multiplyExact(prompt, hiddenSize)], hiddenSize, prompt);
            int most = Math.max(sequences * rows, Math.min(HEAD_ROWS, prompt));
            logits = new float[Math.multiplyExact(most, vocabularySize)];
        }

        /** Copies of a page, of which each has computed its last position: a copy is made by the first write. */
        private List<KVCache.Page> context() {
            List<KVCache.Page> copies = new ArrayList<>();
            try (KVCache page = model.newCache()) {
                model.forward(Batch.last(page, new int[Math.clamp(context, 1, PagePool.POSITIONS - 1)]), activations);
                while (copies.size() < PagePool.needed(context)) {
                    try (KVCache copy = page.copy()) {
                        model.forward(Batch.last(copy, 0), activations);
                        copies.add(copy.share(0));
                    }
                }
            }
            return copies;
        }

        /** @param told receives the number of the run's finished tokens */
        Run next(LongConsumer told) {
            caches.forEach(cache -> cache.truncate(0));
            caches.forEach(cache -> cache.adopt(before, context));
            long start = System.nanoTime();
            Rows last = model.forward(Batch.last(caches.getFirst(), tokens), activations);
            int first = Kernels.argmax(model.head().logits(last, 0), 0, vocabularySize);
            double prefillSeconds = (System.nanoTime() - start) / 1e9;

            System.arraycopy(last.data(), 0, hidden.data(), 0, hidden.data().length);
            double headSeconds = head();

            for (int i = 1; i < sequences; i++) {
                told.accept((long) i * prompt);
                model.forward(Batch.last(caches.get(i), tokens), activations);
            }
            start = System.nanoTime();
            decode(first, told);
            double decodeSeconds = (System.nanoTime() - start) / 1e9;
            return new Run(
                    prompt / prefillSeconds, (double) sequences * generate / decodeSeconds, prompt / headSeconds);
        }

        /** Decodes all sequences. A step keeps one row of each. */
        private void decode(int first, LongConsumer told) {
            int[] next = new int[sequences];
            Arrays.fill(next, first);
            Rows all = Rows.of(logits, vocabularySize, sequences * rows);
            for (int step = 0; step < generate; step++) {
                told.accept((long) sequences * (prompt + step));
                List<Batch.Chunk> chunks = new ArrayList<>();
                for (int i = 0; i < sequences; i++) {
                    if (rows > 1 && !caches.get(i).keepState()) {
                        throw new InputException("bench: expected memory for the state of each sequence, got none;"
                                + " give more as --cache-memory");
                    }
                    int[] fed = new int[rows];
                    Arrays.fill(fed, next[i]);
                    chunks.add(new Batch.Chunk(caches.get(i), fed, rows));
                }
                model.head().logits(model.forward(new Batch(chunks), activations), all);
                Compute.shared()
                        .each(sequences, i -> next[i] = Kernels.argmax(logits, all.start(i * rows), vocabularySize));
                caches.forEach(cache -> cache.truncate(cache.length() - rows + 1));
            }
        }

        /** Seconds to turn all hidden rows into logits. */
        private double head() {
            long start = System.nanoTime();
            for (int row = 0; row < hidden.count(); row += HEAD_ROWS) {
                int count = Math.min(HEAD_ROWS, hidden.count() - row);
                model.head().logits(hidden.rows(row, count), Rows.of(logits, vocabularySize, count));
            }
            return (System.nanoTime() - start) / 1e9;
        }
    }

    /** Tokens or positions a second. */
    private record Run(double prefill, double decode, double head) {
        Document document() {
            return new Document()
                    .put("prefill_tokens_per_second", prefill)
                    .put("decode_tokens_per_second", decode)
                    .put("head_positions_per_second", head);
        }
    }

    @Override
    public Integer call() throws IOException {
        Draft guesses = draft.draft();
        refuse(
                (replay == null) != guesses.equals(Draft.OFF),
                "replay: expected --replay and --draft lookup, or neither, got one of them");
        CausalLM model = model();
        if (replay != null) {
            replay(model, replay, guesses);
            return 0;
        }
        Runs measured = new Runs(model);
        print(model, measured(measured::next, (long) sequences * (prompt + generate)));
        return 0;
    }

    /** Warms up, then measures runs of this many tokens each. */
    private <R> List<R> measured(Function<LongConsumer, R> run, long tokens) {
        long start = System.nanoTime();
        try (Progress bar = new Progress("warming up", "s", warmUp)) {
            do {
                var _ = run.apply(_ -> bar.at(Math.min(warmUp, (System.nanoTime() - start) / 1_000_000_000L)));
            } while (System.nanoTime() - start < warmUp * 1_000_000_000L);
            bar.at(warmUp);
        }
        List<R> runs = new ArrayList<>();
        try (Progress bar = new Progress("measuring", "tokens", repeat * tokens)) {
            for (int i = 0; i < repeat; i++) {
                long before = i * tokens;
                runs.add(run.apply(done -> bar.at(before + done)));
                bar.at(before + tokens);
            }
        }
        return runs;
    }

    private void replay(CausalLM model, Path lines, Draft guesses) throws IOException {
        try (Replay texts = new Replay(model, lines, sequences, guesses)) {
            List<Replay.Run> runs = measured(texts::next, texts.tokens());
            Replay.Run last = runs.getLast();
            Document document = new Document()
                    .put("plain_tokens_per_second", median(runs, Replay.Run::plain))
                    .put("draft_tokens_per_second", median(runs, Replay.Run::drafted))
                    .put("ratio", median(runs, Replay.Run::ratio))
                    .put("proposed", last.proposed())
                    .put("accepted", last.accepted())
                    .put("sequences", sequences)
                    .put("dtype", model.dtype().label())
                    .put("kernels", Kernels.name(model.dtype().isQuantised()))
                    .put("threads", Compute.shared().threads());
            String table = String.format("%-28s %10s %10s %10s%n", "", "median", "least", "most")
                    + line("without draft, tokens/s", runs, Replay.Run::plain)
                    + line("with draft, tokens/s", runs, Replay.Run::drafted)
                    + line("ratio", runs, Replay.Run::ratio);
            print(document, table + "guesses: " + last.accepted() + " of " + last.proposed() + " were right");
        }
    }

    private CausalLM model() throws IOException {
        ShapeOptions.Model named = shape.open(options);
        fit(named.config());
        if (named.checkpoint().isPresent()) {
            return options.load(named.checkpoint().get());
        }
        LoadOptions chosen = options.options().withDtype(named.dtype());
        try (Progress bar = Progress.late("making weights", Progress.BYTES)) {
            return CausalLM.random(named.config(), 0, chosen.withProgress(bar::at));
        }
    }

    /** Sets prompt and new tokens. */
    private void fit(ModelConfig config) {
        boolean plain = config.decoder().blocks().stream().allMatch(each -> each.mixer() instanceof AttentionConfig);
        int mostRows = plain ? MOST_ROWS : KVCache.REPLAYED;
        int room = config.decoder().contextLength() - context - (rows - 1);
        int left = wantedPrompt == null ? room / 2 : room - wantedPrompt;
        generate = wantedTokens == null ? Math.clamp(left, 1, 96) : wantedTokens;
        prompt = wantedPrompt == null ? Math.clamp((long) room - generate, 1, 512) : wantedPrompt;
        refuse(
                context < 0
                        || prompt < 1
                        || generate < 1
                        || repeat < 1
                        || sequences < 1
                        || rows < 1
                        || rows > mostRows
                        || (long) prompt + generate > room,
                "bench: expected 1 to " + mostRows
                        + " rows, at least 1 of each other, and context + prompt + generate"
                        + " of at most the context length " + config.decoder().contextLength() + ", got context "
                        + context + ", prompt " + prompt + ", generate " + generate + ", repeat " + repeat
                        + ", sequences " + sequences + ", rows " + rows);
    }

    private void print(CausalLM model, List<Run> runs) {
        Run medians = new Run(median(runs, Run::prefill), median(runs, Run::decode), median(runs, Run::head));
        Document document = medians.document()
                .put("context_tokens", context)
                .put("prompt_tokens", prompt)
                .put("new_tokens", generate)
                .put("sequences", sequences)
                .put("rows", rows)
                .put("parameters", model.parameters())
                .put("threads", Compute.shared().threads())
                .put("dtype", model.dtype().label())
                .put("arithmetic", model.dtype().arithmetic())
                .put("kernels", Kernels.name(model.dtype().isQuantised()))
                .put("runs", runs.stream().map(Run::document).toList());
        String table = String.format("%-28s %10s %10s %10s%n", "", "median", "least", "most")
                + line("prefill, tokens/s", runs, Run::prefill)
                + line("decode, tokens/s", runs, Run::decode)
                + line("head, positions/s", runs, Run::head);
        print(
                document,
                table + model.dtype().label() + ", "
                        + Kernels.name(model.dtype().isQuantised()) + ", "
                        + Compute.shared().threads() + " threads, " + repeat + " runs; prompt of " + prompt + " after "
                        + context + ", " + generate + " new tokens, " + sequences + " at once"
                        + (rows > 1 ? ", " + rows + " rows each" : ""));
    }

    private static <R> String line(String name, List<R> runs, ToDoubleFunction<R> figure) {
        DoubleSummaryStatistics all = runs.stream().mapToDouble(figure).summaryStatistics();
        return String.format("%-28s %10.1f %10.1f %10.1f%n", name, median(runs, figure), all.getMin(), all.getMax());
    }

    private static <R> double median(List<R> runs, ToDoubleFunction<R> figure) {
        double[] sorted = runs.stream().mapToDouble(figure).sorted().toArray();
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
}
