package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.Windows.Window;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Scores texts token by token. Immutable and thread-safe.
 *
 * <p>A text's score has the same bits alone and among others, and for every number of threads. No BOS token is added:
 * without a prefix the first token is context only. Prefix, prompt, text and choice are encoded separately, so a
 * continuation begins with the space that separates it.
 */
public final class Scorer {
    /** How many windows are submitted before the first of them is done. */
    private static final int AHEAD = 64;

    private static final int MOST_SPELLINGS = 4096;
    private static final int LONGEST_SPELLING = 1000;

    private final CausalLM model;
    private final Engine engine;

    /** A scorer for a model. All scorers of a model share an engine. */
    public Scorer(CausalLM model) {
        this(Engine.shared(model));
    }

    /** A scorer that submits to an engine. */
    public Scorer(Engine engine) {
        this.engine = engine;
        this.model = engine.model();
    }

    /**
     * Scores one text.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException as {@link #score(List, ScoringOptions, ScoringListener)}
     */
    public Score score(String text) {
        return score(List.of(text), ScoringOptions.DEFAULT).getFirst();
    }

    /** Scores several texts; an {@link InputException} has the index of its text. */
    public List<Score> score(List<String> texts, ScoringOptions options) {
        List<ScoringRequest> requests = new ArrayList<>();
        for (String text : texts) {
            named(texts.size(), requests.size(), () -> requests.add(request("", text, options)));
        }
        return score(requests, options, ScoringListener.NONE);
    }

    /**
     * Encodes a text and a prefix, which is context only; an empty prefix means none.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException if there is nothing to score
     */
    public ScoringRequest request(String prefix, String text, ScoringOptions options) {
        Tokenizer tokenizer = model.requireTokenizer();
        if (prefix.isEmpty()) {
            int[] ids = tokenizer.withPrefix(tokenizer.encode(text, options.specialTokens()));
            return new ScoringRequest(new int[0], ids);
        }
        return new ScoringRequest(
                tokenizer.withPrefix(tokenizer.encode(prefix, options.specialTokens())),
                tokenizer.encodeContinuation(text, options.specialTokens()));
    }

    /**
     * Encodes a query after each of some texts. The better a text fits it, the higher is the {@linkplain
     * Totals#meanLogProbability mean} of its score (Ponte and Croft 1998, the query likelihood).
     *
     * @throws InputException if the query is empty, or a text does not fit the context with it, naming the text, from 1
     */
    public List<ScoringRequest> queries(List<String> texts, String query) {
        List<ScoringRequest> requests = texts.stream()
                .map(text -> request(text + "\n", query, ScoringOptions.DEFAULT))
                .toList();
        for (int i = 0; i < requests.size(); i++) {
            checkLength("text " + (i + 1), requests.get(i), "the query", i);
        }
        return requests;
    }

    private void checkLength(String name, ScoringRequest request, String other, int index) {
        int most = model.contextLength() + 1; // a full context predicts one more
        if (request.length() > most) {
            throw new InputException(
                    name + ": expected at most " + most + " tokens with " + other + ", got " + request.length()
                            + "; shorten one of them",
                    index);
        }
    }

    private static void named(int inputs, int index, Runnable work) {
        try {
            work.run();
        } catch (InputException e) {
            throw inputs == 1 ? e : e.at(index);
        }
    }

    /**
     * Scores texts, several in one forward. A text longer than the context is scored in full windows, each
     * token once: the first window scores all its tokens but the first, each later one {@link ScoringOptions#stride}
     * tokens, the last what remains.
     *
     * @return one result for each request, in their order
     * @throws InputException if a token is not in the vocabulary or a prefix is longer than the context; its index is
     *     the request's
     * @throws IllegalArgumentException if the stride is longer than the context
     * @throws NonFiniteException if a hidden vector or logit is not a number, naming the text, from 1, and the
     *     position
     * @throws CancellationException if this thread is interrupted (the flag stays set) or the listener returns false
     */
    public List<Score> score(List<ScoringRequest> requests, ScoringOptions options, ScoringListener listener) {
        int stride = options.strideFor(model.contextLength());
        return score(requests, new Windows(model.contextLength(), stride), options.alternatives(), listener);
    }

    List<Score> score(List<ScoringRequest> requests, Windows rule, int alternatives, ScoringListener listener) {
        List<List<Window>> windows = new ArrayList<>();
        for (int i = 0; i < requests.size(); i++) {
            ScoringRequest request = requests.get(i);
            named(requests.size(), i, () -> check(request, rule.length()));
            rule.cut(i, request).forEach(window -> windows.add(List.of(window)));
        }
        Requester requester = Requester.of("");
        return scores(requests, windows, listener, group -> {
            Window window = group.getFirst();
            int[] tokens = Arrays.copyOfRange(window.sequence(), window.offset(), window.end());
            int first = window.first() - window.offset();
            return List.of(engine.score(tokens, first, alternatives, Optional.of(""), requester));
        });
    }

    /**
     * Scores texts that fit into the context. Neighbours in a document with equal prefixes are a tree: what they have in
     * common is computed once.
     *
     * @return the scores of all texts, in their order
     */
    List<Score> scoreTrees(List<List<ScoringRequest>> documents, int alternatives, ScoringListener listener) {
        List<ScoringRequest> requests = new ArrayList<>();
        List<List<Window>> windows = new ArrayList<>();
        for (List<ScoringRequest> document : documents) {
            for (int i = 0; i < document.size(); i++) {
                int[] prefix = document.get(i).prefix();
                if (i == 0 || !Arrays.equals(prefix, document.get(i - 1).prefix())) {
                    windows.add(new ArrayList<>());
                }
                int[] all = document.get(i).sequence();
                int scored = all.length - prefix.length;
                windows.getLast().add(new Window(requests.size(), all, 0, prefix.length, all.length, scored));
                requests.add(document.get(i));
            }
        }
        return scores(requests, windows, listener, group -> {
            int[] prompt = group.getFirst().sequence();
            int first = group.getFirst().first();
            List<int[]> choices = group.stream()
                    .map(each -> Arrays.copyOfRange(each.sequence(), first, each.end()))
                    .toList();
            return engine.scoreContinuations(Arrays.copyOf(prompt, first), choices, alternatives);
        });
    }

    /** Computes the windows of texts, in groups that are submitted together. */
    private List<Score> scores(
            List<ScoringRequest> requests,
            List<List<Window>> windows,
            ScoringListener listener,
            Function<List<Window>, List<CompletableFuture<List<Prediction>>>> submit) {
        engine.control().checkCaller().run();
        Deque<CompletableFuture<List<Prediction>>> submitted = new ArrayDeque<>();
        List<Prediction> predictions = new ArrayList<>();
        long total =
                windows.stream().flatMap(List::stream).mapToLong(Window::tokens).sum();
        long done = 0; // tokens
        int next = 0;
        try {
            for (List<Window> group : windows) {
                while (submitted.size() < AHEAD && next < windows.size()) {
                    submitted.addAll(submit.apply(windows.get(next++)));
                }
                for (Window window : group) {
                    predictions.addAll(await(window, submitted.getFirst()));
                    submitted.removeFirst();
                    done += window.tokens();
                    if (!listener.accept(done, total)) {
                        throw cancelled(done, total);
                    }
                }
            }
            Iterator<Prediction> all = predictions.iterator();
            return requests.stream().map(request -> score(request, all)).toList();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw cancelled(done, total);
        } finally {
            submitted.forEach(each -> each.cancel(false));
            submitted.forEach(each -> each.handle((_, _) -> 0).join());
        }
    }

    private static List<Prediction> await(Window window, CompletableFuture<List<Prediction>> result)
            throws InterruptedException {
        try {
            return EngineControl.await(result);
        } catch (NonFiniteException e) {
            throw e.at(window.offset(), "text " + (window.text() + 1));
        }
    }

    static CancellationException cancelled(long done, long total) {
        return new CancellationException("scoring: cancelled after " + done + " of " + total + " tokens");
    }

    private void check(ScoringRequest request, int most) {
        if (request.prefix().length > most) {
            throw new InputException("prefix: expected at most " + most + " tokens, the context length, got "
                    + request.prefix().length + "; shorten it");
        }
        model.head().checkTokens(request.prefix());
        model.head().checkTokens(request.tokens());
    }

    /**
     * A text's score under a constraint. Immutable.
     *
     * @param score of all tokens, without the constraint
     * @param logMasses at each token, up to the first that the constraint does not allow, ln of the probability that
     *     the model gave to all allowed tokens
     * @param isAllowed whether the constraint allows the text as a whole
     */
    public record ConstrainedScore(Score score, List<Double> logMasses, boolean isAllowed) {
        /** The first token that the constraint does not allow; empty if the text is a prefix of an allowed one. */
        public OptionalInt leavesAt() {
            return logMasses.size() < score.tokens().length ? OptionalInt.of(logMasses.size()) : OptionalInt.empty();
        }

        /** Minus the sum of the masses' logarithms. */
        public double lostLogProbability() {
            return logMasses.stream().reduce(0.0, (sum, mass) -> sum - mass, Double::sum);
        }

        /** ln of the probability that a text drawn under the constraint begins with these tokens. */
        public double logProbability() {
            return leavesAt().isPresent()
                    ? Double.NEGATIVE_INFINITY
                    : lostLogProbability() - score.totals().nll();
        }
    }

    /**
     * Scores a text under a constraint.
     *
     * @param prefix context before it; empty for the model's BOS token alone
     * @throws InputException as {@link #score(int[], int[], Constraint)}
     */
    public ConstrainedScore score(String prefix, String text, Constraint constraint) {
        Tokenizer tokenizer = model.requireTokenizer();
        return prefix.isEmpty()
                ? score(new int[0], tokenizer.encode(text), constraint)
                : score(
                        tokenizer.withPrefix(tokenizer.encode(prefix)),
                        tokenizer.encodeContinuation(text, SpecialTokens.AS_TEXT),
                        constraint);
    }

    /**
     * Scores tokens under a constraint, which sees them without the prefix.
     *
     * @param prefix empty for the model's BOS token
     * @param tokens at least one; with the prefix at most one more than the context length
     * @throws InputException if there are too few or too many tokens, or the prefix is empty and there is no BOS token
     */
    public ConstrainedScore score(int[] prefix, int[] tokens, Constraint constraint) {
        int[] before = prefix.length > 0 ? prefix : model.bos().stream().toArray();
        Score raw = rank(before, List.of(tokens), ScoringOptions.DEFAULT, ScoringListener.NONE)
                .choices()
                .getFirst();
        Matcher matcher = constraint.start(model.requireTokenizer());
        int allowed = 0;
        while (allowed < tokens.length && mask(matcher).get(tokens[allowed])) {
            matcher.accept(tokens[allowed++]);
        }
        boolean whole = allowed == tokens.length && matcher.isAccepting();
        GenerationRequest follows = GenerationRequest.following(before, Arrays.copyOf(tokens, allowed), constraint);
        Generation followed = new Generator(engine)
                .generate(List.of(follows), TokenListener.NONE)
                .getFirst();
        return new ConstrainedScore(
                raw, followed.constrained().orElseThrow().logMasses().orElseThrow(), whole);
    }

    private BitSet mask(Matcher matcher) {
        long[] allowed = new long[Math.ceilDiv(model.requireTokenizer().vocabularySize(), Long.SIZE)];
        matcher.mask(allowed);
        return BitSet.valueOf(allowed);
    }

    /**
     * How likely some texts follow a prompt, in any spelling by tokens. Immutable.
     *
     * @param logProbabilities of the texts, each summed over all its spellings
     * @param counts of spellings
     */
    public record Spellings(List<Double> logProbabilities, List<Integer> counts) {
        /** A text's share of the probability of all these texts. */
        public double share(int text) {
            return StrictMath.exp(logProbabilities.get(text) - logSum(logProbabilities));
        }

        /** Indexes of the texts, the likeliest first; ties in the given order. */
        public List<Integer> order() {
            return IntStream.range(0, counts.size())
                    .boxed()
                    .sorted(Comparator.comparing(logProbabilities::get).reversed())
                    .toList();
        }

        private static double logSum(List<Double> logs) {
            double largest = logs.stream().reduce(Double.NEGATIVE_INFINITY, Math::max);
            double sum = logs.stream()
                    .mapToDouble(each -> StrictMath.exp(each - largest))
                    .reduce(0, Double::sum);
            return largest + StrictMath.log(sum);
        }
    }

    /**
     * Scores all token sequences that spell the texts of each constraint, as continuations of a prompt, which is
     * computed once.
     *
     * @param prompt at least one token
     * @param choices each allows few texts: at most {@value #MOST_SPELLINGS} token sequences altogether, of at most
     *     {@value #LONGEST_SPELLING} tokens
     * @throws InputException as {@link #rank(int[], List, ScoringOptions, ScoringListener)}, or if there are too many
     */
    public Spellings rankSpellings(int[] prompt, List<Constraint> choices) {
        List<int[]> spellings = new ArrayList<>();
        List<Integer> counts = new ArrayList<>();
        for (Constraint choice : choices) {
            int before = spellings.size();
            addSpellings(choice.start(model.requireTokenizer()), new int[0], spellings);
            counts.add(spellings.size() - before);
        }
        Ranking ranking = rank(prompt, spellings, ScoringOptions.DEFAULT, ScoringListener.NONE);
        List<Double> sums = new ArrayList<>();
        int from = 0;
        for (int count : counts) {
            sums.add(Spellings.logSum(IntStream.range(from, from + count)
                    .mapToObj(i -> ranking.logProbability(i, Normalization.SUM))
                    .toList()));
            from += count;
        }
        return new Spellings(sums, counts);
    }

    private void addSpellings(Matcher matcher, int[] tokens, List<int[]> spellings) {
        if (matcher.isAccepting()) {
            spellings.add(tokens);
        }
        for (int token : mask(matcher).stream().toArray()) {
            if (spellings.size() >= MOST_SPELLINGS || tokens.length >= LONGEST_SPELLING) {
                throw new InputException("choices: expected at most " + MOST_SPELLINGS + " token sequences that spell"
                        + " them, got more, or one of over " + LONGEST_SPELLING + "; give fewer or shorter ones");
            }
            Matcher next = matcher.copy();
            next.accept(token);
            int[] longer = Arrays.copyOf(tokens, tokens.length + 1);
            longer[tokens.length] = token;
            addSpellings(next, longer, spellings);
        }
    }

    /** Ranks texts as continuations of a prompt, with the default options. */
    public Ranking rank(String prompt, List<String> choices) {
        Tokenizer tokenizer = model.requireTokenizer();
        List<int[]> encoded = choices.stream()
                .map(choice -> tokenizer.encodeContinuation(choice, ScoringOptions.DEFAULT.specialTokens()))
                .toList();
        return rank(
                tokenizer.withPrefix(tokenizer.encode(prompt)), encoded, ScoringOptions.DEFAULT, ScoringListener.NONE);
    }

    /**
     * Scores each choice as the continuation of a prompt, which is computed once.
     *
     * @param prompt at least one token; together with a choice at most one more than the context length
     * @param choices each at least one token
     * @throws InputException if prompt or a choice is empty or too long, naming the choice, from 1, or a token is not
     *     in the vocabulary
     * @throws NonFiniteException as {@link #score(List, ScoringOptions, ScoringListener)}
     * @throws CancellationException as {@link #score(List, ScoringOptions, ScoringListener)}
     */
    public Ranking rank(int[] prompt, List<int[]> choices, ScoringOptions options, ScoringListener listener) {
        if (prompt.length == 0) {
            throw new InputException("prompt: expected at least one token, got none");
        }
        model.head().checkTokens(prompt);
        List<ScoringRequest> requests = new ArrayList<>();
        for (int[] choice : choices) {
            int index = requests.size();
            String name = choices.size() == 1 ? "text" : "choice " + (index + 1);
            if (choice.length == 0) {
                throw new InputException(name + ": expected at least one token, got none", index);
            }
            model.head().checkTokens(choice);
            requests.add(new ScoringRequest(prompt, choice));
            checkLength(name, requests.getLast(), "its prompt", index);
        }
        return new Ranking(scoreTrees(List.of(requests), options.alternatives(), listener));
    }

    /** The score of one text; takes its predictions from the iterator. */
    private Score score(ScoringRequest request, Iterator<Prediction> predictions) {
        int[] tokens = request.tokens().clone();
        List<Prediction> own = new ArrayList<>();
        double nll = 0;
        long bytes = 0;
        for (int token : Arrays.copyOfRange(tokens, request.firstScored(), tokens.length)) {
            own.add(predictions.next());
            nll -= own.getLast().logProbability();
            bytes +=
                    known(token).map(tokenizer -> tokenizer.bytes(token).length).orElse(0);
        }
        return new Score(tokens, pieces(tokens), own, new Totals(nll, own.size(), bytes));
    }

    private List<String> pieces(int[] tokens) {
        String[] pieces = new String[tokens.length];
        Arrays.fill(pieces, "");
        model.tokenizer().map(Tokenizer::decoder).ifPresent(decoder -> {
            Arrays.setAll(pieces, i -> known(tokens[i]).isPresent() ? decoder.accept(tokens[i]) : decoder.finish());
            pieces[tokens.length - 1] += decoder.finish();
        });
        return List.of(pieces);
    }

    /** The tokenizer, if it has this token: larger ids belong to a padded vocabulary and have no bytes. */
    private Optional<Tokenizer> known(int token) {
        return model.tokenizer().filter(tokenizer -> token < tokenizer.vocabularySize());
    }
}
