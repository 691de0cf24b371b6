package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.flight.Work;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A sequence that a model continues. */
final class GeneratedSequence extends Sequence<Generation> {
    /** Initial capacity for new tokens; it grows. */
    private static final int FIRST_TOKENS = 64;

    private static final Logger LOG = System.getLogger(GeneratedSequence.class.getName());

    private final Work prefill = Work.of(Work.Prefill::new);
    private final Work decode = Work.of(Work.Decode::new);
    private final long submitted;
    private final long mostNanos; // until it ends
    private final int index;
    private final TokenListener listener;
    private final GenerationOptions options;
    private final int[] prompt;
    private final Sampler sampler;
    private final int choosable; // only tokens below it can be chosen
    final @Nullable Mask mask;
    private final boolean takesForced; // skips the head: the token is certain
    private final @Nullable StreamingDecoder decoder;
    private final StopStrings stop;
    private final List<String> pieces = new ArrayList<>();
    // the chosen token and the tokens forced after it, not yet known
    private final List<Integer> next = new ArrayList<>();
    private int begun; // known tokens before this step
    private Draft.@Nullable Source source; // started in the first step
    int matched; // tokens that speak for the guesses after the forced ones
    int forced; // first guesses that the constraint forces
    private int mostClaimed = KVCache.STEP; // claimed tokens of the next step
    final boolean hasOwnDraft;
    private int draftSteps;
    private int proposed;
    private int accepted;
    private @Nullable FinishReason finish;
    private int prefillTokens;
    private double prefillSeconds;
    private int decodedTokens;
    private double decodeSeconds;
    private @Nullable CompletableFuture<@Nullable Void> making; // makes the mask that is not ready

    /** @param index the index of its request, for the listener */
    GeneratedSequence(
            Engine engine,
            Requester requester,
            int index,
            GenerationRequest request,
            TokenListener listener,
            FilteredTokens candidates) {
        super(engine, requester, request.options().cacheSalt(), null);
        prefill.begin();
        CausalLM model = engine.model();
        this.index = index;
        this.listener = Objects.requireNonNull(listener, "listener");
        this.options = request.options();
        this.submitted = engine.clock.getAsLong();
        this.mostNanos = options.deadline().map(TimeUnit.NANOSECONDS::convert).orElse(Long.MAX_VALUE);
        this.prompt = prompt(model, request.prompt());
        this.known = prompt.length;
        // The last token of a full context can still be predicted; it is not fed back.
        int room = model.contextLength() - prompt.length + 1;
        int mostNewTokens = Math.min(options.maxNewTokens(), room);
        this.positions = prompt.length + mostNewTokens - 1;
        this.tokens = prompt; // shared until the first choice
        this.sampler = new Sampler(request.options(), model.eos(), prompt.length, candidates);
        this.choosable = candidates.logits.length;
        this.hasOwnDraft = options.draft().isPresent();
        this.mask = options.constraint()
                .map(each -> new Mask(each.start(model.requireTokenizer()), sampler.eos(), choosable))
                .orElse(null);
        if (!options.stop().isEmpty()) {
            model.requireTokenizer();
        }
        this.decoder = model.tokenizer() // a constraint reads the text without the prompt
                .map(tokenizer -> mask == null ? tokenizer.decoderBehind(prompt) : tokenizer.decoder())
                .orElse(null);
        this.stop = new StopStrings(options.stop());
        finish = mostNewTokens == 0 ? FinishReason.LENGTH : null;
        if (mask != null) {
            sampler.first(mask);
            sitsOut = !mask.make(false);
            finish = !sitsOut && mask.isComplete() ? FinishReason.STOP : finish;
        }
        takesForced = mask != null
                && sampler.hasOneRule()
                && options.logProbabilities().isEmpty();
    }

    /**
     * Checks the prompt and returns the tokens to feed: BOS for an empty prompt, the end of one that is too long and
     * may be cut.
     */
    private int[] prompt(CausalLM model, int[] prompt) {
        if (prompt.length == 0) {
            int bos = model.bos()
                    .orElseThrow(() -> new InputException("prompt: expected at least one token, got none;"
                            + " this model has no BOS token to start from"));
            return new int[] {bos};
        }
        model.head().checkTokens(prompt);
        int contextLength = model.contextLength();
        if (prompt.length <= contextLength) {
            return prompt;
        }
        if (!options.truncatePrompt()) {
            throw new InputException("prompt: expected at most " + contextLength + " tokens, the context length, got "
                    + prompt.length + "; shorten it");
        }
        int kept = Math.max(contextLength - options.maxNewTokens(), Math.ceilDiv(contextLength, 2));
        return Arrays.copyOfRange(prompt, prompt.length - kept, prompt.length);
    }

    @Override
    boolean decodes() {
        return known > prompt.length && left() <= 1 + engine.mostDrafted; // more tokens are left after it was set back
    }

    @Override
    boolean claims() {
        return source() instanceof GivenTokens given && given.isClaim();
    }

    /** The source of its guesses, started in its first step. Throws nothing. */
    private Draft.Source source() {
        try {
            if (source == null) {
                source = options.draft().orElse(engine.draft).start(prompt.clone());
                matched = source.matched();
            }
            return source;
        } catch (Throwable e) {
            return withoutGuesses(e);
        }
    }

    private Draft.Source withoutGuesses(Throwable failure) {
        LOG.log(Level.WARNING, "draft source: expected tokens; it is not asked again for this sequence", failure);
        matched = 0;
        source = Draft.OFF.start(prompt);
        return source;
    }

    @Override
    int wanted(int from, int to) {
        return to < known ? 0 : 1;
    }

    @Override
    void sitOut() {
        if (sitsOut && making == null && mask != null) {
            making = engine.model().head().compute().shortly(requester.caller(), () -> mask.make(true));
            var _ = making.whenComplete((_, _) -> engine.wake());
        } else if (making != null && making.isDone()) {
            sitsOut = false;
            attempt(this::goOn);
            making = null;
        }
    }

    /** Continues when the mask is ready: with the chosen tokens, or at the beginning. */
    private void goOn() {
        if (making != null && making.isCompletedExceptionally()) {
            fail(making.exceptionNow());
        } else if (next.isEmpty() && mask != null && mask.isComplete()) {
            finish = FinishReason.STOP;
        } else {
            int counted = known + next.size();
            add();
            decodedTokens -= counted - known; // tokens after a stop string
        }
    }

    @Override
    void endLate() {
        if (finish == null && mostNanos < Long.MAX_VALUE && engine.clock.getAsLong() - submitted >= mostNanos) {
            attempt(() -> {
                int counted = known + next.size();
                for (int i = 0; sitsOut && i < next.size() && finish == null; i++) {
                    add(next.get(i), false); // these are chosen; only the mask after them is missing
                }
                decodedTokens -= sitsOut ? counted - known : 0;
                end(FinishReason.DEADLINE);
            });
        }
    }

    /** Ends it, unless it has ended, and releases the held-back text. */
    private void end(FinishReason reason) {
        if (finish == null) {
            finish = reason;
            if (!pieces.isEmpty()) {
                pieces.add(pieces.removeLast() + rest());
            }
        }
    }

    @Override
    void cached(int tokens) {
        if (known == prompt.length && !sitsOut) {
            super.cached(tokens);
            prefillTokens = 0; // it was set back before its first token
        }
    }

    @Override
    boolean ready() {
        try {
            return listener.ready();
        } catch (Throwable e) {
            fail(e);
            return false;
        }
    }

    @Override
    boolean finished() {
        return finish != null;
    }

    @Override
    void guess() {
        begun = known;
        boolean feedsAll = knownRows() == left();
        int most = isRecurrent() ? Math.min(mostRows(), KVCache.REPLAYED) : KVCache.STEP;
        int room = Math.min(positions - known, most - left());
        draft = new int
                [feedsAll ? Math.clamp(room, 0, Math.max(Math.min(claimedRows, mostClaimed), engine.mostDrafted)) : 0];
        forced = mask == null || takesForced || isCertain() ? 0 : mask.forced(draft);
        int[] guesses = new int[draft.length - forced];
        int count = 0;
        try {
            count = guesses.length == 0 ? 0 : source().propose(withForced(), known + forced, guesses.length, guesses);
            matched = source().matched();
        } catch (Throwable e) {
            Draft.Source _ = withoutGuesses(e);
        }
        int right = 0;
        while (right < Math.min(count, guesses.length) && guesses[right] >= 0 && guesses[right] < choosable) {
            right++;
        }
        System.arraycopy(guesses, 0, draft, forced, right);
        draft = Arrays.copyOf(draft, forced + right);
    }

    /** The known tokens with the forced ones after them. */
    private int[] withForced() {
        if (forced == 0) {
            return tokens;
        }
        int[] all = Arrays.copyOf(tokens, known + forced);
        System.arraycopy(draft, 0, all, known, forced);
        return all;
    }

    /** Whether the source knows the tokens, so that no cost can speak against them. */
    boolean isCertain() {
        return matched == Draft.Source.CERTAIN;
    }

    /** Whether this step has taken the tokens before one of its wanted rows. Only such rows are read. */
    boolean reaches(int row) {
        return !over() && !sitsOut && Arrays.equals(tokens, begun, known, draft, 0, row);
    }

    @Override
    void took(double seconds) {
        int differs = Arrays.mismatch(tokens, begun, known, draft, 0, draft.length);
        int right = sitsOut ? known : Math.min(begun + (differs < 0 ? draft.length : differs), known - 1);
        if (draft.length > 0) {
            cache.truncate(right); // drops rows that were not reached, and the kept state
            // Masks that are not ready end steps: few rows are then computed in vain.
            mostClaimed = cache.length() == begun + draft.length ? Math.min(2 * mostClaimed, KVCache.STEP) : Draft.MOST;
        }
        int taken = known - begun + (sitsOut ? next.size() : 0);
        count(differs < 0 ? draft.length : differs);
        if (begun > prompt.length) { // computing tokens again is a part of decoding
            decodedTokens += taken;
            decodeSeconds += seconds;
            return;
        }
        prefillTokens += promptRows;
        prefillSeconds += seconds;
        if (taken > 0) {
            decodedTokens += taken - 1;
            prefill.end(engine.model().name(), prefillTokens, prefillSeconds);
            decode.begin();
        }
    }

    /** @param equal the first guesses that equal the tokens of this step */
    private void count(int equal) {
        int right = Math.min(equal, known - begun);
        if (draft.length > forced && right >= forced) {
            draftSteps++;
            proposed += draft.length - forced;
            accepted += right - forced;
            if (!isCertain()) {
                engine.lengths.learn(this, right, right < Math.min(draft.length, known - begun));
            }
        }
    }

    /** Chooses the next token from logits [1, V]. */
    void choose(CausalLMHead head, Rows logits) {
        next.clear();
        int token = sampler.next(logits.data(), logits.offset(), tokens, known);
        next.add(token);
        options.logProbabilities()
                .ifPresent(alternatives ->
                        predictions.addAll(head.logProbabilitiesOf(logits, new int[] {token}, alternatives)
                                .predictions()));
    }

    /**
     * Computes the tokens that the constraint allows after the chosen one. Several sequences may do this at once.
     *
     * @param logits the row from which it was chosen
     */
    void follow(Rows logits) {
        if (mask == null) {
            return;
        }
        if (options.logProbabilities().isPresent()) {
            mask.measure(logits);
        }
        if (sampler.eos().contains(next.getFirst())) {
            return;
        }
        sitsOut = !mask.tryAccept(next.getFirst());
        int most = Math.min(Draft.MOST, positions - known); // each may cost a mask, for which others wait
        while (!sitsOut && takesForced && mask.isForced() && next.size() <= most) {
            next.add(mask.only());
            sitsOut = !mask.tryAccept(next.getLast());
        }
    }

    /**
     * Adds the next tokens once the mask after them is ready, calls the listener for each, and ends the sequence if it
     * is finished.
     */
    void add() {
        for (int i = 0; i < next.size() && finish == null && !sitsOut; i++) {
            add(next.get(i), i == next.size() - 1);
        }
    }

    private void add(int token, boolean last) {
        tokens = known < tokens.length
                ? tokens
                : Arrays.copyOf(tokens, Math.min(2 * known - prompt.length + FIRST_TOKENS, positions + 1));
        tokens[known++] = token;
        if (sampler.eos().contains(token)) {
            finish = FinishReason.EOS;
        } else if (last && mask != null && mask.isComplete()) {
            finish = FinishReason.STOP;
        } else if (known > positions) {
            finish = FinishReason.LENGTH;
        }
        String piece = decoder == null || finish == FinishReason.EOS ? "" : stop.accept(decoder.accept(token));
        if (finish != null && !stop.stopped()) {
            piece += rest();
        }
        if (stop.stopped()) {
            finish = FinishReason.STOP;
        }
        pieces.add(piece);
        Optional<Prediction> prediction = predictions.isEmpty() ? Optional.empty() : Optional.of(predictions.getLast());
        long bytes = mask == null ? 0 : mask.bytes();
        if (!listener.accept(new GeneratedToken(index, token, piece, prediction, bytes))) {
            end(FinishReason.CANCELLED);
        }
    }

    /** Releases and returns the held-back text. */
    private String rest() {
        return decoder == null ? "" : stop.accept(decoder.finish()) + stop.finish();
    }

    @Override
    void close() {
        if (making != null) {
            making.cancel(false);
        }
        super.close();
    }

    @Override
    Generation outcome() {
        if (decodedTokens > 0) {
            decode.end(engine.model().name(), decodedTokens, decodeSeconds);
        }
        boolean endedByItself = finish == FinishReason.EOS || (finish == FinishReason.STOP && !stop.stopped());
        return new Generation(
                prompt,
                Arrays.copyOfRange(tokens, prompt.length, known),
                pieces,
                predictions,
                Objects.requireNonNull(finish),
                options.seed(),
                new Generation.Timing(
                        cachedTokens,
                        prefillTokens,
                        prefillSeconds,
                        decodedTokens,
                        decodeSeconds,
                        new Generation.Drafted(draftSteps, proposed, accepted)),
                Optional.ofNullable(mask)
                        .map(each -> new Generation.Constrained(
                                endedByItself, options.logProbabilities().map(_ -> each.logMasses), each.nanos)));
    }
}
