package dev.causal4j.scoring;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.generation.Engine;
import dev.causal4j.json.Sha256;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Scorer.RequestLogits;
import dev.causal4j.scoring.Scorer.Windows;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.DoubleBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The figures of llama.cpp's llama-perplexity, by its rules. Immutable and thread-safe.
 *
 * <p>A text is tokenized once, with BOS where the tokenizer adds it, and special tokens in it are text. It is cut into
 * chunks of C tokens; an incomplete one is left out. BOS replaces the first token of each chunk. Tokens C / 2 + 1 to C
 * - 1 of a chunk are scored. Figures have the same bits for every number of threads.
 */
public final class LlamaPerplexity {
    /** Tokens in a call of the scorer: enough for full steps, few enough to keep their predictions. */
    private static final int SOME_TOKENS = 1 << 15;

    private static final int SOME_TASKS = 64;
    private static final int LINES = 6; // of a task
    private static final double QUANTILE = 1.95996398454; // of the normal distribution, for 95 %

    private final Scorer scorer;
    private final CausalLM model;
    private final Tokenizer tokenizer;
    private final int[] bos; // one token, or none

    /**
     * The figures of a run.
     *
     * @param figures of a text: {@code context, tokens, chunks, scored}, {@code nll} (minus the sum of the
     *     log-probabilities), {@code perplexity} and its {@code error}, one standard deviation; beside a base file also
     *     the statistics that the program prints. Of tasks: {@code acc_norm}, the share that is right, and {@code low} and
     *     {@code high} of its interval of 95 % (Wilson 1927)
     * @param tasks of HellaSwag, else none
     * @param bits {@code sha256:} and the digest over those of chunks or tasks, each over those of its requests'
     *     log-probabilities
     */
    public record Result(SequencedMap<String, Number> figures, List<Task> tasks, String bits) {
        public Result {
            figures = Collections.unmodifiableSequencedMap(figures);
            tasks = List.copyOf(tasks);
        }
    }

    /**
     * A task of HellaSwag.
     *
     * @param common first tokens that all endings have in common with their context
     * @param means of the log-probabilities of each ending's other tokens; the first largest is the answer
     * @param gold the right ending
     */
    public record Task(int common, List<Double> means, int gold) {
        public Task {
            means = List.copyOf(means);
        }

        boolean isRight() {
            return means.indexOf(Collections.max(means)) == gold;
        }
    }

    /** Scores some documents, the first of which has the number {@code from}. */
    private interface Scoring {
        List<Score> score(int from, List<List<ScoringRequest>> some, ScoringListener listener);
    }

    /**
     * Figures of a model.
     *
     * @throws IllegalStateException if it has no tokenizer
     */
    public LlamaPerplexity(CausalLM model) {
        this(Engine.shared(model));
    }

    /** Figures of an engine's model. */
    public LlamaPerplexity(Engine engine) {
        this.scorer = new Scorer(engine);
        this.model = engine.model();
        this.tokenizer = model.requireTokenizer();
        this.bos = Arrays.stream(tokenizer.withPrefix(new int[0])).limit(1).toArray();
    }

    private int[] encode(String text) {
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
     * @throws IOException if the file cannot be written; an old one is then as it was. A {@link
     *     ClosedByInterruptException} if this thread is interrupted meanwhile
     * @throws CancellationException as {@link Scorer#score(List, ScoringOptions, ScoringListener)}; there is no new file
     */
    public Result perplexity(String text, int context, int most, @Nullable Path saved, ScoringListener listener)
            throws IOException {
        if (context < 3 || context > model.contextLength() || most < 1) {
            throw new IllegalArgumentException("context, chunks: expected 3 to the context length "
                    + model.contextLength() + ", and at least 1, got " + context + " and " + most);
        }
        int[] tokens = encode(text);
        if (tokens.length < 2L * context) {
            throw new InputException("text: expected at least " + 2L * context + " tokens, two contexts, got "
                    + tokens.length + "; give a longer text or a smaller context");
        }
        int[] chunks = Arrays.copyOf(tokens, Math.min(most, tokens.length / context) * context);
        if (saved == null) {
            return run(context, tokens.length, chunks, listener, null, null);
        }
        List<Result> made = new ArrayList<>();
        WholeFile.write(saved, channel -> {
            int v = model.head().vocabularySize();
            KlBaseFile file = new KlBaseFile(saved, channel, context, v, chunks.length / context);
            file.begin(chunks);
            made.add(run(context, tokens.length, chunks, listener, file::put, null));
        });
        return made.getFirst();
    }

    /**
     * Compares the predictions with a base model's, on the text of a base file, as {@code --kl-divergence} does.
     *
     * @param most chunks, the first ones
     * @throws FormatException if the file is not what it should be, or has another vocabulary than the model
     * @throws CancellationException as {@link #perplexity}
     */
    public Result compare(Path base, int most, ScoringListener listener) throws IOException {
        try (FileChannel channel = KlBaseFile.open(base)) {
            KlBaseFile file = KlBaseFile.read(base, channel, model.head().vocabularySize(), model.contextLength());
            int context = file.context();
            int scored = KlBaseFile.scored(context);
            int[] chunks = file.tokens(Math.min(most, file.chunks()));
            Divergence divergence = Divergence.of(chunks.length / context * scored);
            RequestLogits rows = (chunk, row, logits) -> {
                int target = chunks[(chunk + 1) * context - scored + row];
                divergence.put(chunk * scored + row, file.get(chunk, row), logits, target);
            };
            return run(context, (long) file.chunks() * context, chunks, listener, rows, divergence);
        }
    }

    private Result run(
            int context,
            long tokens,
            int[] chunks,
            ScoringListener listener,
            @Nullable RequestLogits rows,
            @Nullable Divergence divergence)
            throws IOException {
        int scored = KlBaseFile.scored(context);
        List<List<ScoringRequest>> documents = new ArrayList<>();
        for (int end = context; end <= chunks.length; end += context) {
            int[] prefix = Arrays.copyOfRange(chunks, end - context, end - scored);
            System.arraycopy(bos, 0, prefix, 0, bos.length);
            documents.add(List.of(new ScoringRequest(prefix, Arrays.copyOfRange(chunks, end - scored, end))));
        }
        DoubleBuffer nll = DoubleBuffer.allocate(documents.size() * scored);
        Scoring scoring = (from, some, part) -> scorer.score(
                some.stream().map(List::getFirst).toList(),
                new Windows(context, context),
                0,
                part,
                rows == null ? null : (request, row, logits) -> rows.accept(from + request, row, logits));
        String bits;
        try {
            bits = score(
                    documents,
                    Math.max(1, SOME_TOKENS / context),
                    listener,
                    scoring,
                    chunk -> chunk.getFirst().predictions().forEach(each -> nll.put(-each.logProbability())));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        double[] x = nll.array();
        double perplexity = StrictMath.exp(Divergence.mean(x));
        SequencedMap<String, Number> figures = new LinkedHashMap<>();
        figures.put("context", context);
        figures.put("tokens", tokens);
        figures.put("chunks", documents.size());
        figures.put("scored", x.length);
        figures.put("nll", Divergence.sum(x));
        figures.put("perplexity", perplexity);
        figures.put("error", perplexity * Divergence.error(x));
        if (divergence != null) {
            divergence.addTo(figures, x);
        }
        return new Result(figures, List.of(), bits);
    }

    /** Scores documents, some at a time, and returns their digest. */
    private static String score(
            List<List<ScoringRequest>> documents,
            int some,
            ScoringListener listener,
            Scoring scoring,
            Consumer<List<Score>> taken) {
        List<String> bits = new ArrayList<>();
        long all = scored(documents);
        long before = 0;
        for (int from = 0; from < documents.size(); from += some) {
            List<List<ScoringRequest>> part = documents.subList(from, Math.min(from + some, documents.size()));
            long done = before;
            long own = scored(part);
            ScoringListener shares = (now, total) -> listener.accept(done + own * now / total, all);
            Iterator<Score> scores = scoring.score(from, part, shares).iterator();
            for (List<ScoringRequest> document : part) {
                List<Score> made = document.stream().map(_ -> scores.next()).toList();
                bits.add(combined(made.stream().map(Score::bits).toList()));
                taken.accept(made);
            }
            before += own;
        }
        return combined(bits);
    }

    /** The digest of digests. */
    private static String combined(List<String> bits) {
        MessageDigest all = Sha256.begin();
        bits.forEach(each -> all.update(HexFormat.of().parseHex(each.substring("sha256:".length()))));
        return "sha256:" + HexFormat.of().formatHex(all.digest());
    }

    private static long scored(List<List<ScoringRequest>> documents) {
        return documents.stream()
                .flatMap(List::stream)
                .mapToLong(each -> each.tokens().length)
                .sum();
    }

    /**
     * The accuracy on tasks of HellaSwag, all of them: llama-perplexity draws 400.
     *
     * @param text six lines a task: the context, the number of the right ending from 0, four endings
     * @param listener receives scored tokens
     * @throws InputException if a task is not what it should be, naming it, from 1
     */
    public Result hellaSwag(String text, ScoringListener listener) {
        List<String> lines = List.of(text.split("\n"));
        if (lines.size() % LINES != 0) {
            throw new InputException("tasks: expected 6 lines each, a context, the number of its right ending and four"
                    + " endings, got " + lines.size() + " lines; complete them");
        }
        List<List<ScoringRequest>> documents = IntStream.range(0, lines.size() / LINES)
                .mapToObj(i -> document("task " + (i + 1), lines.subList(i * LINES, (i + 1) * LINES)))
                .toList();
        List<Task> tasks = new ArrayList<>();
        Scoring trees = (_, some, part) -> scorer.scoreTrees(some, 0, part);
        String bits = score(documents, SOME_TASKS, listener, trees, endings -> {
            int i = tasks.size();
            List<Double> means = endings.stream()
                    .map(each -> -each.totals().nll() / each.totals().scoredTokens())
                    .toList();
            int gold = Integer.parseInt(lines.get(i * LINES + 1));
            tasks.add(new Task(documents.get(i).getFirst().prefix().length, means, gold));
        });
        double n = tasks.size();
        double share = tasks.stream().filter(Task::isRight).count() / n;
        double z = QUANTILE * QUANTILE / n;
        double half = z * Math.sqrt(n * (4 * share * (1 - share) + z)) / (2 * QUANTILE);
        SequencedMap<String, Number> figures = new LinkedHashMap<>();
        figures.put("acc_norm", share);
        figures.put("low", (share + z / 2 - half) / (1 + z));
        figures.put("high", (share + z / 2 + half) / (1 + z));
        return new Result(figures, tasks, bits);
    }

    private List<ScoringRequest> document(String name, List<String> lines) {
        if (!lines.get(1).matches("[0-3]")) {
            throw new InputException(name + ": expected the number of its right ending, 0 to 3, got "
                    + FormatException.quote(lines.get(1)) + "; change its second line");
        }
        List<int[]> all = lines.subList(2, LINES).stream()
                .map(ending -> encode(lines.getFirst() + " " + ending))
                .toList();
        int[] first = all.getFirst();
        int common = all.stream()
                .mapToInt(each -> Arrays.mismatch(first, each))
                .filter(differs -> differs >= 0)
                .min()
                .orElse(first.length);
        int most = model.contextLength() + 1;
        if (common == 0 || all.stream().anyMatch(each -> each.length == common || each.length > most)) {
            throw new InputException(name + ": expected endings that differ after a common token, of at most " + most
                    + " tokens with the context; change them");
        }
        return all.stream()
                .map(each ->
                        new ScoringRequest(Arrays.copyOf(each, common), Arrays.copyOfRange(each, common, each.length)))
                .toList();
    }
}
