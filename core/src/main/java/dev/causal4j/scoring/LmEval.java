package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.StreamingDecoder;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The requests of EleutherAI's lm-evaluation-harness, by its rules: how texts become tokens, where they are cut and what
 * is summed. Immutable and thread-safe.
 *
 * <p>Texts are encoded whole, with the tokens that the model's files put around them, and special tokens in them count.
 * The prefix token, which stands where nothing precedes a text, is BOS, else EOS. Results have the same bits alone and
 * among others, and for every number of threads.
 */
public final class LmEval {
    private final Engine engine;
    private final Scorer scorer;
    private final CausalLM model;
    private final Tokenizer tokenizer;
    private final OptionalInt prefix;
    private final int maxLength;

    /**
     * A greedy text.
     *
     * @param text its own tokens decoded, up to a stop string
     * @param generation its tokens with their predictions; they end with the token that completed a stop string
     */
    public record Answer(String text, Generation generation) {}

    /**
     * Requests to a model, with inputs as long as its context.
     *
     * @throws IllegalStateException if the model has no tokenizer
     */
    public LmEval(CausalLM model) {
        this(Engine.shared(model), model.contextLength());
    }

    /**
     * Requests to the model of an engine.
     *
     * @param maxLength most tokens of an input
     * @throws IllegalArgumentException if it is not in 1 to the context length
     * @throws IllegalStateException if the model has no tokenizer
     */
    public LmEval(Engine engine, int maxLength) {
        this.engine = engine;
        this.scorer = new Scorer(engine);
        this.model = engine.model();
        this.tokenizer = model.requireTokenizer();
        this.prefix = model.bos().isPresent()
                ? model.bos()
                : model.eos().stream().mapToInt(id -> id).min();
        this.maxLength = maxLength;
        if (maxLength < 1 || maxLength > model.contextLength()) {
            throw new IllegalArgumentException(
                    "max-length: expected 1 to the context length " + model.contextLength() + ", got " + maxLength);
        }
    }

    /**
     * Encodes a context and its continuation. Blanks at the end of the context belong to the continuation. Both are
     * encoded as one text. The context has as many of its tokens as the context alone would have, the continuation has
     * the others. A context that is too long is cut from the left.
     *
     * @throws InputException if the continuation has no token or more than an input may have, or an empty context is
     *     not preceded by a prefix token
     */
    public ScoringRequest request(String context, String continuation) {
        return request("continuation", context, continuation);
    }

    /** @param name of the continuation in errors */
    ScoringRequest request(String name, String context, String continuation) {
        int end = context.length();
        while (end > 0 && isBlank(context.codePointBefore(end))) {
            end = context.offsetByCodePoints(end, -1);
        }
        int[] before = encode(context.substring(0, end));
        int[] whole = encode(context + continuation);
        int from = before.length;
        if (context.isEmpty()) {
            whole = tokenizer.encode(continuation, SpecialTokens.PARSE);
            before = new int[] {requirePrefix()};
            from = whole.length > 0 && whole[0] == before[0] ? 1 : 0;
        }
        int scored = Math.max(0, whole.length - from);
        if (scored == 0 || scored > maxLength || before.length == 0) {
            throw new InputException(name + ": expected 1 to " + maxLength + " tokens after at least one, got " + scored
                    + " after " + before.length + "; change it or its context");
        }
        int kept = Math.min(before.length, maxLength + 1 - scored);
        return new ScoringRequest(
                Arrays.copyOfRange(before, before.length - kept, before.length),
                Arrays.copyOfRange(whole, from, whole.length));
    }

    /** Encodes a whole text; one that begins with BOS gets no other. */
    private int[] encode(String text) {
        return tokenizer.whole(tokenizer.encode(text, SpecialTokens.PARSE));
    }

    private int requirePrefix() {
        return prefix.orElseThrow(() ->
                new InputException("prefix token: expected a model with BOS or EOS, got one without; give a context"));
    }

    /** Python's str.isspace, which also separates the words of its regular expressions. */
    static boolean isBlank(int c) {
        return (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= ' ') || c == 0x85 || Character.isSpaceChar(c);
    }

    /**
     * How likely a continuation follows its context, and whether it {@linkplain Score#isGreedy is greedy}.
     *
     * @throws InputException as {@link #request}
     */
    public Score loglikelihood(String context, String continuation) {
        return loglikelihood(List.of(List.of(request(context, continuation))), ScoringListener.NONE)
                .getFirst();
    }

    /**
     * Scores the choices of a question, each with the delimiter before it. {@link Normalization#SUM} puts the choice
     * first that the harness's accuracy counts.
     *
     * @throws InputException as {@link #request}, naming the choice, from 0
     */
    public Ranking multipleChoice(String context, List<String> continuations) {
        List<ScoringRequest> requests = new ArrayList<>();
        for (String each : continuations) {
            requests.add(request("choice " + requests.size(), context, each));
        }
        return new Ranking(loglikelihood(List.of(requests), ScoringListener.NONE));
    }

    /**
     * Scores the requests of several documents. Neighbours in a document with equal contexts are computed as a tree,
     * which does not depend on other documents.
     *
     * @param documents requests from {@link #request}
     * @return the scores of all requests, in their order
     */
    public List<Score> loglikelihood(List<List<ScoringRequest>> documents, ScoringListener listener) {
        return scorer.scoreTrees(documents, 0, listener);
    }

    /**
     * Scores whole texts in windows: each token once, BOS too where the tokenizer adds it. The first window begins with
     * the prefix token; each later one scores as many tokens as it feeds, or those that are left.
     *
     * @return one score for each text, without predictions for one that has no token
     * @throws InputException if the model has no prefix token
     */
    public List<Score> rolling(List<String> texts, ScoringListener listener) {
        int[] before = {requirePrefix()};
        List<int[]> encoded = texts.stream().map(this::encode).toList();
        List<ScoringRequest> requests = encoded.stream()
                .filter(each -> each.length > 0)
                .map(each -> new ScoringRequest(before, each))
                .toList();
        Windows windows = new Windows(maxLength, maxLength);
        Iterator<Score> scores = scorer.score(requests, windows, 0, listener).iterator();
        Score none = new Score(new int[0], List.of(), List.of(), Totals.ZERO);
        return encoded.stream()
                .map(each -> each.length > 0 ? scores.next() : none)
                .toList();
    }

    /**
     * Generates greedily. A text ends at a token that completes a stop string or ends the sequence. It is decoded as a
     * text of its own and cut at the first place of each stop string, one after the other, EOS last.
     *
     * @param maxNewTokens the prompt keeps its last tokens, as many as leave room for these
     * @return one answer for each prompt
     * @throws InputException if no room is left for a prompt
     */
    public List<Answer> generateUntil(List<String> prompts, List<String> until, int maxNewTokens) {
        int room = maxLength - maxNewTokens;
        if (room < 1) {
            throw new InputException("max_gen_toks: expected less than " + maxLength
                    + ", the most tokens of an input, got " + maxNewTokens + "; allow fewer");
        }
        List<String> stops = Stream.concat(
                        until.stream(), model.eos().stream().sorted().limit(1).map(tokenizer::decode))
                .filter(each -> !each.isEmpty())
                .toList();
        GenerationOptions greedy = GenerationOptions.DEFAULT
                .withTemperature(0)
                .withMaxNewTokens(maxNewTokens)
                .withLogProbabilities(0);
        List<GenerationRequest> requests = prompts.stream()
                .map(this::encode)
                .map(ids -> Arrays.copyOfRange(ids, Math.max(0, ids.length - room), ids.length))
                .map(ids -> new GenerationRequest(ids, greedy))
                .toList();
        return new Generator(engine)
                .generate(requests, endingAt(stops, requests.size())).stream()
                        .map(each -> new Answer(cut(tokenizer.decodeWithoutSpecial(each.tokens()), stops), each))
                        .toList();
    }

    /** Ends each sequence at the token that completes a stop string in the text of the new tokens alone. */
    private TokenListener endingAt(List<String> stops, int sequences) {
        List<StringBuilder> texts =
                Stream.generate(StringBuilder::new).limit(sequences).toList();
        List<StreamingDecoder> decoders =
                Stream.generate(tokenizer::decoder).limit(sequences).toList();
        return token -> {
            StringBuilder text = texts.get(token.sequence());
            int before = text.length();
            boolean isSpecial = tokenizer.isSpecial(token.token()); // a stop string may be one
            StreamingDecoder decoder = decoders.get(token.sequence());
            text.append(isSpecial ? tokenizer.decode(token.token()) : decoder.accept(token.token()));
            return stops.stream().noneMatch(stop -> text.indexOf(stop, Math.max(0, before - stop.length() + 1)) >= 0);
        };
    }

    private static String cut(String text, List<String> stops) {
        return stops.stream().reduce(text, (rest, stop) -> rest.split(Pattern.quote(stop), 2)[0]);
    }
}
