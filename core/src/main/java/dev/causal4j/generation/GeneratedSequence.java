package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.flight.Work;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A sequence that is continued. */
final class GeneratedSequence extends Sequence<Generation> {
    /** New tokens that there is room for before any is chosen: most sequences that wait for long need no more yet. */
    private static final int FIRST_TOKENS = 64;

    private final Work.Prefill prefill = new Work.Prefill();
    private final Work.Decode decode = new Work.Decode();
    private final String model; // its name
    private final int index;
    private final TokenListener listener;
    private final GenerationOptions options;
    private final int promptLength;
    private final int mostNewTokens;
    private final Sampler sampler;
    private final @Nullable StreamingDecoder decoder;
    private final StopStrings stop;
    private final List<String> pieces = new ArrayList<>();
    private final List<Prediction> predictions = new ArrayList<>();
    private int[] tokens; // the first length are the prompt and those chosen so far
    private int length;
    private @Nullable FinishReason finish;
    private boolean firstTokenIsThere;
    private int prefillTokens;
    private double prefillSeconds;
    private int decodedTokens;
    private double decodeSeconds;

    /** @param index of its request, for the listener */
    GeneratedSequence(
            Engine engine,
            Requester requester,
            int index,
            GenerationRequest request,
            TokenListener listener,
            Candidates candidates) {
        super(engine, requester, request.options().cacheSalt());
        prefill.begin();
        CausalLM model = engine.model();
        this.model = model.name();
        this.index = index;
        this.listener = Objects.requireNonNull(listener, "listener");
        this.options = request.options();
        int[] prompt = prompt(model, request.prompt());
        this.promptLength = prompt.length;
        this.length = promptLength;
        // The last token of a full context can still be predicted; it is not fed back.
        int room = model.decoder().config().contextLength() - promptLength + 1;
        this.mostNewTokens = Math.min(options.maxNewTokens(), room);
        this.tokens = Arrays.copyOf(prompt, promptLength + Math.min(mostNewTokens, FIRST_TOKENS));
        this.sampler = new Sampler(request.options(), model.eos(), promptLength, candidates);
        if (!options.stop().isEmpty()) {
            model.requireTokenizer();
        }
        this.decoder = model.tokenizer()
                .map(tokenizer -> tokenizer.decoderBehind(prompt))
                .orElse(null);
        this.stop = new StopStrings(options.stop());
        if (mostNewTokens == 0) {
            finish = FinishReason.LENGTH;
        }
    }

    /** A prompt that can be fed. */
    private int[] prompt(CausalLM model, int[] prompt) {
        if (prompt.length == 0) {
            int bos = model.bos()
                    .orElseThrow(() -> new InputException("prompt: expected at least one token, got none;"
                            + " this model has no BOS token to start from"));
            return new int[] {bos};
        }
        model.head().checkTokens(prompt);
        int contextLength = model.decoder().config().contextLength();
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
    int[] tokens() {
        return tokens;
    }

    @Override
    int known() {
        return length;
    }

    @Override
    int positions() {
        return promptLength + mostNewTokens - 1;
    }

    @Override
    boolean decodes() {
        return length > promptLength && left() == 1; // more are left where it was set back
    }

    @Override
    int wanted(int from, int to) {
        return to < length ? 0 : 1;
    }

    @Override
    void cached(int tokens) {
        if (length == promptLength) {
            super.cached(tokens);
            prefillTokens = 0; // it was set back before its first token
        }
    }

    @Override
    boolean ready() {
        try {
            return listener.ready();
        } catch (RuntimeException | Error e) {
            fail(e);
            return false;
        }
    }

    @Override
    boolean finished() {
        return finish != null;
    }

    @Override
    void took(double seconds) {
        if (firstTokenIsThere) { // computing tokens again is a part of decoding
            decodedTokens += wanted;
            decodeSeconds += seconds;
            return;
        }
        prefillTokens += promptRows;
        prefillSeconds += seconds;
        firstTokenIsThere = length > promptLength;
        if (firstTokenIsThere) {
            prefill.did(model, prefillTokens, prefillSeconds);
            prefill.commit();
            decode.begin();
        }
    }

    /** Adds the next token, chosen from logits [1, V], calls the listener, and ends the sequence if it is finished. */
    void choose(CausalLMHead head, Rows logits) {
        int token = sampler.next(logits.data(), logits.offset(), tokens, length);
        Optional<Prediction> prediction = options.logProbabilities()
                .map(alternatives -> head.logProbabilitiesOf(logits, new int[] {token}, alternatives)
                        .predictions()
                        .getFirst());
        prediction.ifPresent(predictions::add);
        tokens = length < tokens.length
                ? tokens
                : Arrays.copyOf(tokens, Math.min(2 * length, promptLength + mostNewTokens));
        tokens[length++] = token;
        if (sampler.eos().contains(token)) {
            finish = FinishReason.EOS;
        } else if (length - promptLength >= mostNewTokens) {
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
        if (!listener.accept(new GeneratedToken(index, token, piece, prediction)) && finish == null) {
            finish = FinishReason.CANCELLED;
            pieces.add(pieces.removeLast() + rest());
        }
    }

    /** Releases the held-back text. */
    private String rest() {
        return decoder == null ? "" : stop.accept(decoder.finish()) + stop.finish();
    }

    @Override
    Generation outcome() {
        if (decodedTokens > 0) {
            decode.did(model, decodedTokens, decodeSeconds);
            decode.commit();
        }
        return new Generation(
                Arrays.copyOf(tokens, promptLength),
                Arrays.copyOfRange(tokens, promptLength, length),
                pieces,
                predictions,
                Objects.requireNonNull(finish),
                options.seed(),
                new Generation.Timing(cachedTokens, prefillTokens, prefillSeconds, decodedTokens, decodeSeconds));
    }
}
