package dev.causal4j.generation;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * A rule that the tokens so far, or their number, may bring into play. Applies to greedy and sampled choice alike.
 * Banned stays banned: no rule lifts a logit of -infinity, except {@link ForcedBos}, {@link ForcedEos} and
 * {@link ReplaceNonFinite}, which say so.
 */
public sealed interface ContextRule extends LogitRule {
    /** Changes {@code logits} [V] in place. Only a {@link Sampler} calls it. */
    void apply(float[] logits, TokensSoFar soFar);

    /** The largest token id that the rule writes to, or -1; a sampler refuses one outside its vocabulary. */
    default int largestToken() {
        return -1;
    }

    /**
     * x[i] += bias(i). A bias of -infinity bans the token, which is also how single tokens are suppressed.
     *
     * @param biases finite numbers or -infinity, by token id
     */
    record LogitBias(Map<Integer, Double> biases) implements ContextRule {
        public LogitBias {
            biases = Map.copyOf(biases);
            Expectation.tokens("logit-bias", biases.keySet());
            biases.values().forEach(bias -> requireBias("logit-bias", bias));
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            for (Map.Entry<Integer, Double> entry : biases.entrySet()) {
                add(logits, entry.getKey(), entry.getValue());
            }
        }

        @Override
        public int largestToken() {
            return biases.isEmpty() ? -1 : Collections.max(biases.keySet());
        }
    }

    /**
     * x[i] += bias of each sequence that token i would complete now. Hugging Face's rule skips a sequence as long as the
     * tokens so far plus one; ours does not, so that a banned pair is banned after a prompt of one token too.
     */
    record SequenceBias(List<BiasedSequence> sequences) implements ContextRule {
        public SequenceBias {
            sequences = List.copyOf(sequences);
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            for (int s = 0; s < sequences.size(); s++) {
                BiasedSequence sequence = sequences.get(s);
                if (soFar.isOneTokenShortOf(sequence.tokens())) {
                    add(logits, sequence.tokens().getLast(), sequence.bias());
                }
            }
        }

        @Override
        public int largestToken() {
            return sequences.stream()
                    .mapToInt(sequence -> sequence.tokens().getLast())
                    .max()
                    .orElse(-1);
        }
    }

    /**
     * One entry of {@link SequenceBias}.
     *
     * @param tokens at least one
     * @param bias a finite number, or -infinity to ban the sequence
     */
    record BiasedSequence(List<Integer> tokens, double bias) {
        public BiasedSequence {
            tokens = requireSequence("sequence-bias", tokens);
            requireBias("sequence-bias", bias);
        }
    }

    /**
     * x[i] *= penalty where x[i] is negative, x[i] /= penalty elsewhere, once for each distinct token i so far, the
     * prompt included (Keskar et al. 2019, "CTRL").
     *
     * @param penalty finite and above 0; above 1 discourages repetition, below 1 encourages it
     */
    record RepetitionPenalty(double penalty) implements ContextRule {
        public RepetitionPenalty {
            if (!(penalty > 0 && penalty < Double.POSITIVE_INFINITY)) {
                throw Expectation.failed("repetition-penalty", "a finite number > 0", penalty);
            }
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            for (int i = 0; i < soFar.length; i++) {
                soFar.seen.set(soFar.tokens[i]);
            }
            // A prompt may hold ids beyond those that can be chosen.
            for (int i = soFar.seen.nextSetBit(0); i >= 0 && i < logits.length; i = soFar.seen.nextSetBit(i + 1)) {
                double x = logits[i];
                logits[i] = saturated(x < 0 ? x * penalty : x / penalty);
            }
            soFar.seen.clear();
        }
    }

    /**
     * Bans each token that would repeat an n-gram of the tokens so far (Paulus et al. 2017).
     *
     * @param size n, at least 1; 1 bans every token seen
     */
    record NoRepeatNgram(int size) implements ContextRule {
        public NoRepeatNgram {
            Expectation.atLeast(1, "no-repeat-ngram-size", size);
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            int[] tokens = soFar.tokens;
            int prefix = size - 1;
            int suffix = soFar.length - prefix; // where the last n - 1 tokens begin
            for (int i = 0; i < suffix; i++) {
                int token = tokens[i + prefix];
                if (token < logits.length && Arrays.equals(tokens, i, i + prefix, tokens, suffix, soFar.length)) {
                    logits[token] = Float.NEGATIVE_INFINITY;
                }
            }
        }
    }

    /**
     * Bans each token that would complete one of the sequences. A sequence that is a single end-of-sequence token is
     * passed over, since a model that cannot end would run on.
     */
    record BadWords(List<List<Integer>> words) implements ContextRule {
        public BadWords {
            words = words.stream()
                    .map(word -> requireSequence("bad-words", word))
                    .toList();
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            for (int w = 0; w < words.size(); w++) {
                List<Integer> word = words.get(w);
                int last = word.getLast();
                boolean eosAlone = word.size() == 1 && Arrays.binarySearch(soFar.eos, last) >= 0;
                if (!eosAlone && soFar.isOneTokenShortOf(word)) {
                    logits[last] = Float.NEGATIVE_INFINITY;
                }
            }
        }

        @Override
        public int largestToken() {
            return words.stream().mapToInt(List::getLast).max().orElse(-1);
        }
    }

    /** Bans the end-of-sequence tokens while n &lt; length, the prompt included in n. */
    record MinLength(int length) implements ContextRule {
        public MinLength {
            Expectation.atLeast(0, "min-length", length);
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            if (soFar.length < length) {
                banEos(logits, soFar);
            }
        }
    }

    /** Bans the end-of-sequence tokens while n - promptLength &lt; count. */
    record MinNewTokens(int count) implements ContextRule {
        public MinNewTokens {
            Expectation.atLeast(0, "min-new-tokens", count);
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            if (soFar.length - soFar.promptLength < count) {
                banEos(logits, soFar);
            }
        }
    }

    /** At n = 1, after a lone start token, {@code token} is the only choice, even if banned before. */
    record ForcedBos(int token) implements ContextRule {
        public ForcedBos {
            Expectation.tokens("forced-bos", List.of(token));
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            if (soFar.length == 1) {
                force(logits, token);
            }
        }

        @Override
        public int largestToken() {
            return token;
        }
    }

    /**
     * At n = promptLength + maxNewTokens - 1, the last position that is asked for, {@code token} is the only choice,
     * even if banned before.
     */
    record ForcedEos(int token) implements ContextRule {
        public ForcedEos {
            Expectation.tokens("forced-eos", List.of(token));
        }

        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            if (soFar.length == soFar.maxLength - 1) {
                force(logits, token);
            }
        }

        @Override
        public int largestToken() {
            return token;
        }
    }

    /**
     * NaN becomes 0, +infinity the largest float, -infinity its negative. With this rule a sampler lets non-finite
     * logits pass instead of refusing them. Mind that it makes a banned token merely hopeless: should all be banned,
     * one of them is chosen.
     */
    record ReplaceNonFinite() implements ContextRule {
        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            for (int i = 0; i < logits.length; i++) {
                float x = logits[i];
                logits[i] = Float.isNaN(x) ? 0 : Math.clamp(x, -Float.MAX_VALUE, Float.MAX_VALUE);
            }
        }
    }

    private static List<Integer> requireSequence(String subject, List<Integer> tokens) {
        if (tokens.isEmpty()) {
            throw Expectation.failed(subject, "sequences of one token or more", "an empty one");
        }
        Expectation.tokens(subject, tokens);
        return List.copyOf(tokens);
    }

    private static void requireBias(String subject, double bias) {
        if (!(bias < Double.POSITIVE_INFINITY)) {
            throw Expectation.failed(subject, "finite numbers, or -Infinity to ban", bias);
        }
    }

    private static void add(float[] logits, int token, double bias) {
        logits[token] = saturated(logits[token] + bias);
    }

    /** As a float, with overflow held at the largest one: an infinite logit would turn the softmax to NaN. */
    private static float saturated(double x) {
        return x == Double.NEGATIVE_INFINITY
                ? Float.NEGATIVE_INFINITY
                : (float) Math.clamp(x, -Float.MAX_VALUE, Float.MAX_VALUE);
    }

    private static void banEos(float[] logits, TokensSoFar soFar) {
        for (int token : soFar.eos) {
            logits[token] = Float.NEGATIVE_INFINITY;
        }
    }

    private static void force(float[] logits, int token) {
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        logits[token] = 0;
    }
}
