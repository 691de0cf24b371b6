package dev.causal4j.generation;

import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.StreamingDecoder;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One sequence while it is generated; not thread-safe. */
final class Sequence {
    private final int index;
    private final GenerationOptions options;
    private final int promptLength;
    private final StopRule stopRule;
    private final KVCache cache;
    private final Sampler sampler;
    private final @Nullable StreamingDecoder decoder;
    private final StopStrings stop;
    private final StringBuilder text = new StringBuilder();
    private final List<Prediction> predictions = new ArrayList<>();
    private int[] tokens;
    private int length;
    private @Nullable FinishReason finish;

    Sequence(CausalLM model, int index, int[] prompt, GenerationOptions options) {
        this.index = index;
        this.options = options;
        this.promptLength = prompt.length;
        this.tokens = prompt;
        this.length = prompt.length;
        // The last token of a full context can still be predicted; it is not fed back.
        int room = model.decoder().config().contextLength() - prompt.length + 1;
        this.stopRule = new StopRule(options.eosOr(model.eos()), Math.min(options.maxNewTokens(), room));
        this.cache = model.newCache();
        this.sampler = new Sampler(options, model.eos(), prompt.length, knownTokens(model));
        if (!options.stop().isEmpty()) {
            model.requireTokenizer();
        }
        this.decoder = model.tokenizer().isPresent() ? model.tokenizer().get().decoder() : null;
        this.stop = new StopStrings(options.stop());
        if (options.maxNewTokens() == 0) {
            finish = FinishReason.LENGTH;
        }
    }

    /** A vocabulary padded beyond its tokenizer has ids that mean nothing; they are never chosen. */
    private static int knownTokens(CausalLM model) {
        return model.tokenizer()
                .map(Tokenizer::vocabularySize)
                .orElse(model.head().vocabularySize());
    }

    boolean running() {
        return finish == null;
    }

    /** Prompt tokens that are not cached yet, at most {@code room} of them; the prompt's last predicts the next token. */
    Batch.Chunk nextPromptTokens(int room) {
        int from = cache.length();
        int to = Math.min(promptLength, from + room);
        return new Batch.Chunk(cache, Arrays.copyOfRange(tokens, from, to), to == promptLength ? 1 : 0);
    }

    /** Prompt tokens that are cached. */
    int cachedPrompt() {
        return Math.min(cache.length(), promptLength);
    }

    boolean promptIsCached() {
        return cachedPrompt() == promptLength;
    }

    KVCache cache() {
        return cache;
    }

    int lastToken() {
        return tokens[length - 1];
    }

    void cancel() {
        if (finish == null) {
            finish = FinishReason.CANCELLED;
            text.append(rest());
        }
    }

    /** The next token, from a row of logits. */
    int choose(float[] logits, int offset) {
        return sampler.next(logits, offset, tokens, length);
    }

    /** How many alternatives its predictions are to have; -1 if it wants no predictions. */
    int alternatives() {
        return options.logProbabilities().orElse(-1);
    }

    /** Takes the chosen token, tells the listener, and ends the sequence where it is to end. */
    void accept(int token, Optional<Prediction> prediction, TokenListener listener) {
        prediction.ifPresent(predictions::add);
        if (length == tokens.length) {
            tokens = Arrays.copyOf(
                    tokens, promptLength + Math.min(stopRule.maxNewTokens(), 2 * (length - promptLength) + 16));
        }
        tokens[length++] = token;
        finish = stopRule.after(token, length - promptLength).orElse(null);
        String piece = "";
        if (decoder != null && finish != FinishReason.EOS) {
            piece = stop.accept(decoder.accept(token));
            if (stop.stopped()) {
                finish = FinishReason.STOP;
            }
        }
        if (finish != null) {
            piece += rest();
            if (stop.stopped()) { // by what was held back until now
                finish = FinishReason.STOP;
            }
        }
        text.append(piece);
        if (!listener.accept(new GeneratedToken(index, token, piece, prediction))) {
            cancel();
        }
    }

    /** Text that was held back and now will not change any more. */
    private String rest() {
        if (decoder == null || stop.stopped()) {
            return "";
        }
        String last = stop.accept(decoder.finish());
        return stop.stopped() ? last : last + stop.finish();
    }

    Generation result(Generation.Timing timing) {
        return new Generation(
                Arrays.copyOf(tokens, promptLength),
                Arrays.copyOfRange(tokens, promptLength, length),
                text.toString(),
                predictions,
                finish == null ? FinishReason.CANCELLED : finish,
                options.seed(),
                timing);
    }
}
