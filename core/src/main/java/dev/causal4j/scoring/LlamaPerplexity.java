package dev.causal4j.scoring;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.CancellationException;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The figures of llama.cpp's llama-perplexity, by its rules. Immutable and thread-safe.
 *
 * <p>A text is tokenized once, with BOS where the tokenizer adds it, and special tokens in it are text. It is cut into
 * chunks of C tokens; an incomplete one is left out. BOS replaces the first token of each chunk. Tokens C / 2 + 1 to C
 * - 1 of a chunk are scored. Figures have the same bits for every number of threads.
 *
 * <p>All methods throw a {@link CancellationException} if their thread is interrupted (the flag stays set) or the listener
 * returns false.
 */
public final class LlamaPerplexity {
    private static final int LOGITS_BYTES = 64 << 20; // at once, unless a single row needs more
    private static final int LINES = 6; // of a task
    private static final double QUANTILE = 1.95996398454; // of the normal distribution, for 95 %

    private final CausalLM model;
    private final int step; // rows at once

    /**
     * The figures of a run.
     *
     * @param figures of a text: {@code context, tokens, chunks, scored}, {@code nll} (minus the sum of the
     *     log-probabilities), {@code perplexity} and its {@code error}, one standard deviation; beside a base file also
     *     the statistics that the program prints. Of tasks: {@code tasks}, {@code acc_norm}, the share that is right, and
     *     {@code low} and {@code high} of its interval of 95 % (Wilson 1927)
     * @param tasks of HellaSwag, else none
     * @param bits {@code sha256:} and the digest over those of chunks or tasks, each over those of its requests'
     *     log-probabilities
     */
    public record Result(SequencedMap<String, Number> figures, List<Task> tasks, String bits) {}

    /**
     * A task of HellaSwag.
     *
     * @param common first tokens that all endings have in common with their context
     * @param means of the log-probabilities of each ending's other tokens; the first largest is the answer
     * @param gold the right ending
     */
    public record Task(int common, List<Double> means, int gold) {
        boolean isRight() {
            return means.indexOf(Collections.max(means)) == gold;
        }
    }

    /** Takes the next rows of logits, and gives what is kept of each, which several threads compute. */
    private interface Taking {
        IntFunction<Divergence> take(Rows logits, List<Prediction> predictions) throws IOException;
    }

    /** @throws IllegalStateException if the model has no tokenizer */
    public LlamaPerplexity(CausalLM model) {
        this(model, LOGITS_BYTES / (4 * model.head().vocabularySize()));
        model.requireTokenizer();
    }

    LlamaPerplexity(CausalLM model, int step) {
        this.model = model;
        this.step = Math.clamp(step, 1, KVCache.STEP);
    }

    private int[] encode(String text) {
        Tokenizer tokenizer = model.requireTokenizer();
        return tokenizer.withPrefix(tokenizer.encode(text, SpecialTokens.AS_TEXT));
    }

    /**
     * The perplexity of a text.
     *
     * @param context tokens of a chunk, 3 to the context length
     * @param most chunks, the first ones
     * @param saved a base file to write, for {@link #compare}; null for none
     * @param listener receives scored tokens
     * @throws InputException if the text has less than two contexts
     * @throws IOException if the file cannot be written; an old one is then as it was, as after a cancellation
     */
    public Result perplexity(String text, int context, int most, @Nullable Path saved, ScoringListener listener)
            throws IOException {
        int[] tokens = encode(text);
        if (context < 3 || context > model.contextLength() || most < 1 || tokens.length < 2L * context) {
            throw new InputException("text: expected a context of 3 to " + model.contextLength() + " tokens, twice that"
                    + " and at least a chunk, got " + context + ", " + tokens.length + " and " + most);
        }
        int chunks = Math.min(most, tokens.length / context);
        Path path = saved == null ? Path.of("") : saved;
        KlBaseFile file = new KlBaseFile(path, context, model.head().vocabularySize(), chunks);
        byte[] head = file.head(Arrays.copyOf(tokens, chunks * context));
        InputStream in = new ByteArrayInputStream(head, KlBaseFile.HEAD, head.length);
        if (saved == null) {
            return run(file, chunks, tokens.length, in, LlamaPerplexity::plain, listener);
        }
        List<Result> made = new ArrayList<>();
        try {
            WholeFile.write(saved, channel -> {
                WholeFile.append(saved, ByteBuffer.wrap(head), channel);
                Taking saving = (logits, predictions) -> {
                    ByteBuffer[] rows = new ByteBuffer[logits.count()];
                    model.head().compute().run(rows.length, i -> rows[i] = file.encode(logits.rows(i, 1)));
                    for (ByteBuffer row : rows) {
                        WholeFile.append(saved, row, channel);
                    }
                    return plain(logits, predictions);
                };
                made.add(run(file, chunks, tokens.length, in, saving, listener));
            });
        } catch (ClosedByInterruptException e) {
            throw new CancellationException("scoring: cancelled while " + saved + " was written");
        }
        return made.getFirst();
    }

    private static IntFunction<Divergence> plain(Rows logits, List<Prediction> predictions) {
        return i -> Divergence.none(predictions.get(i));
    }

    /**
     * Checks what a base file says of itself, before a model is loaded.
     *
     * @throws FormatException as {@link #compare}
     */
    public static void check(Path base, ModelConfig config) throws IOException {
        KlBaseFile.read(base, config.vocabularySize(), config.decoder().contextLength());
    }

    /**
     * Compares the predictions with a base model's, on the text of a base file, as {@code --kl-divergence} does.
     *
     * @param most chunks, the first ones
     * @param listener receives scored tokens
     * @throws FormatException if the file is not what it should be, or has another vocabulary than the model
     */
    public Result compare(Path base, int most, ScoringListener listener) throws IOException {
        int v = model.head().vocabularySize();
        KlBaseFile file = KlBaseFile.read(base, v, model.contextLength());
        long tokens = (long) file.chunks() * file.context();
        try (InputStream chunks = Files.newInputStream(base);
                InputStream rows = Files.newInputStream(base)) {
            chunks.skipNBytes(KlBaseFile.HEAD);
            rows.skipNBytes(KlBaseFile.HEAD + 4 * tokens);
            Taking comparing = (logits, predictions) -> {
                List<double[]> all = new ArrayList<>();
                while (all.size() < logits.count()) {
                    all.add(file.row(rows));
                }
                return i -> Divergence.of(predictions.get(i), all.get(i), logits.rows(i, 1));
            };
            return run(file, Math.min(most, file.chunks()), tokens, chunks, comparing, listener);
        }
    }

    /** @param in the tokens of the chunks */
    private Result run(
            KlBaseFile file, int chunks, long tokens, InputStream in, Taking taking, ScoringListener listener)
            throws IOException {
        long all = (long) chunks * KlBaseFile.scored(file.context());
        int[] bos = model.requireTokenizer().withPrefix(new int[0]);
        List<Divergence> kept = new ArrayList<>();
        List<String> bits = new ArrayList<>();
        for (int chunk = 1; chunk <= chunks; chunk++) {
            int[] fed = file.tokens(in);
            System.arraycopy(bos, 0, fed, 0, Math.min(1, bos.length));
            try {
                bits.add(Evaluation.combined(List.of(Score.bits(score(fed, taking, kept, all)))));
            } catch (NonFiniteException e) {
                throw new NonFiniteException("chunk " + chunk + ", " + e.getMessage());
            }
            if (!listener.accept(kept.size(), all)) {
                throw Scorer.cancelled(kept.size(), all);
            }
        }
        SequencedMap<String, Number> figures = new LinkedHashMap<>();
        figures.put("context", file.context());
        figures.put("tokens", tokens);
        figures.put("chunks", chunks);
        figures.put("scored", kept.size());
        new Divergence.Statistics(figures, kept).add();
        return new Result(Collections.unmodifiableSequencedMap(figures), List.of(), Evaluation.combined(bits));
    }

    private List<Prediction> score(int[] tokens, Taking taking, List<Divergence> kept, long all) throws IOException {
        CausalLMHead head = model.head();
        int end = tokens.length - 1;
        int first = tokens.length - KlBaseFile.scored(tokens.length);
        List<Prediction> predictions = new ArrayList<>();
        Activations activations = new Activations();
        try (KVCache cache = model.newCache()) {
            // without a page the forward throws
            while (!cache.reserve(end) && model.decoder().pool().reclaim()) {}
            for (int from = 0; from < end; from = cache.length()) {
                if (Thread.currentThread().isInterrupted()) {
                    throw Scorer.cancelled(kept.size(), all);
                }
                int to = Math.min(from + step, end);
                int wanted = Math.clamp(to + 1 - first, 0, to - from);
                int[] fed = Arrays.copyOfRange(tokens, from, to);
                Rows hidden = model.forward(new Batch(List.of(new Batch.Chunk(cache, fed, wanted))), activations);
                Rows logits = Rows.of(new float[wanted * head.vocabularySize()], head.vocabularySize(), wanted);
                head.logits(hidden, logits);
                int[] targets = Arrays.copyOfRange(tokens, to + 1 - wanted, to + 1);
                List<Prediction> some =
                        head.logProbabilitiesOf(logits, targets, 0).predictions();
                IntFunction<Divergence> each = taking.take(logits, some);
                Divergence[] made = new Divergence[wanted];
                head.compute().run(wanted, i -> made[i] = each.apply(i));
                kept.addAll(List.of(made));
                predictions.addAll(some);
            }
        }
        return predictions;
    }

    /**
     * The accuracy on tasks of HellaSwag, all of them: llama-perplexity draws 400.
     *
     * @param text six lines a task: the context, the number of the right ending from 0, four endings
     * @param listener receives tasks
     * @throws InputException if a task is not what it should be, naming it, from 1
     */
    public Result hellaSwag(String text, ScoringListener listener) {
        List<String> lines = List.of(text.split("\n"));
        int count = lines.size() / LINES;
        for (int task = 0; task <= count; task++) { // before anything is computed
            int gold = task * LINES + 1;
            if (task < count ? !lines.get(gold).matches("[0-3]") : count * LINES != lines.size()) {
                throw new InputException("task " + (task + 1) + ": expected 6 lines, a context, the number of its right"
                        + " ending, 0 to 3, and four endings, got others; correct them");
            }
        }
        List<Task> tasks = new ArrayList<>();
        List<String> bits = new ArrayList<>();
        while (tasks.size() < count) {
            addTask(lines.subList(tasks.size() * LINES, lines.size()), tasks, bits);
            if (!listener.accept(tasks.size(), count)) {
                throw new CancellationException("scoring: cancelled after " + tasks.size() + " of " + count + " tasks");
            }
        }
        double n = count;
        double right = tasks.stream().filter(Task::isRight).count() / n;
        double z = QUANTILE * QUANTILE / n;
        double half = z * Math.sqrt(n * (4 * right * (1 - right) + z)) / (2 * QUANTILE);
        SequencedMap<String, Number> figures = new LinkedHashMap<>();
        figures.put("tasks", count);
        figures.put("acc_norm", right);
        figures.put("low", (right + z / 2 - half) / (1 + z));
        figures.put("high", (right + z / 2 + half) / (1 + z));
        return new Result(Collections.unmodifiableSequencedMap(figures), List.copyOf(tasks), Evaluation.combined(bits));
    }

    /** Ranks the endings of the task with which the lines begin. */
    private void addTask(List<String> lines, List<Task> tasks, List<String> bits) {
        List<int[]> all = new ArrayList<>();
        lines.subList(2, LINES).forEach(ending -> all.add(encode(lines.getFirst() + " " + ending)));
        int[] first = all.getFirst();
        IntStream places = all.stream().mapToInt(each -> Arrays.mismatch(first, each));
        int common = places.filter(place -> place >= 0).min().orElse(first.length);
        all.replaceAll(each -> Arrays.copyOfRange(each, common, each.length));
        int[] prompt = Arrays.copyOf(first, common);
        String name = "task " + (tasks.size() + 1) + ", ";
        try {
            Ranking made = new Scorer(model).rank(prompt, all, ScoringOptions.DEFAULT, ScoringListener.NONE);
            List<Double> means = new ArrayList<>();
            all.forEach(_ -> means.add(made.logProbability(means.size(), Normalization.PER_TOKEN)));
            tasks.add(new Task(common, List.copyOf(means), Integer.parseInt(lines.get(1))));
            bits.add(
                    Evaluation.combined(made.choices().stream().map(Score::bits).toList()));
        } catch (InputException e) {
            throw new InputException(name + e.getMessage());
        } catch (NonFiniteException e) {
            throw new NonFiniteException(name + e.getMessage());
        }
    }
}
