package dev.causal4j.generation;

import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.generation.LogitRule.TokensSoFar;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;

/** The rules of {@link GenerationOptions} that read the tokens so far, in the order of Hugging Face transformers. */
final class ContextRules {
    private static final List<LogitRule> OFF = List.of(
            new LogitBias(Map.of()),
            new RepetitionPenalty(1),
            new NoRepeatNgram(0),
            new MinNewTokens(0),
            new Penalties(0, 0));

    private ContextRules() {}

    /** The rules that have an effect, the user's last. */
    static List<LogitRule> of(GenerationOptions options) {
        List<LogitRule> rules = new ArrayList<>(List.of(
                new LogitBias(options.logitBias()),
                new RepetitionPenalty(options.number(Setting.REPETITION_PENALTY).doubleValue()),
                new NoRepeatNgram(options.number(Setting.NO_REPEAT_NGRAM_SIZE).intValue()),
                new MinNewTokens(options.minNewTokens()),
                new Penalties(
                        options.number(Setting.FREQUENCY_PENALTY).doubleValue(),
                        options.number(Setting.PRESENCE_PENALTY).doubleValue())));
        rules.removeAll(OFF);
        rules.addAll(options.rules());
        return rules;
    }

    /** x[i] += bias(i); -infinity bans a token. */
    record LogitBias(Map<Integer, Double> biases) implements LogitRule {
        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            biases.forEach((token, bias) -> logits[token] = saturated(logits[token] + bias));
        }
    }

    /**
     * x[i] *= penalty where x[i] is negative, x[i] /= penalty elsewhere, once for each distinct token i so far, the
     * prompt included (Keskar et al. 2019, "CTRL").
     */
    record RepetitionPenalty(double penalty) implements LogitRule {
        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            BitSet seen = new BitSet(logits.length);
            for (int i = 0; i < soFar.length(); i++) {
                seen.set(soFar.token(i));
            }
            // A prompt may have ids without a logit.
            for (int i = seen.nextSetBit(0); i >= 0 && i < logits.length; i = seen.nextSetBit(i + 1)) {
                double x = logits[i];
                logits[i] = saturated(x < 0 ? x * penalty : x / penalty);
            }
        }
    }

    /**
     * Bans each token that would repeat an n-gram of the tokens so far (Paulus et al. 2017); 1 bans every token seen.
     * For each prefix of the tokens it finds the length of the longest suffix that is also a suffix of the whole, in
     * linear time: the Z algorithm (Gusfield 1997) on the reversed tokens.
     */
    record NoRepeatNgram(int size) implements LogitRule {
        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            int last = soFar.length() - 1;
            int[] common = new int[soFar.length() + 1]; // by how many tokens the prefix leaves out
            int from = 0; // the prefix, by tokens left out, whose comparison reached farthest back
            for (int out = 1; out + size - 1 <= soFar.length(); out++) {
                int reached = from + common[from];
                int equal = out < reached ? Math.min(common[out - from], reached - out) : 0;
                while (out + equal <= last && soFar.token(last - equal) == soFar.token(last - out - equal)) {
                    equal++;
                }
                common[out] = equal;
                from = out + equal > reached ? out : from;
                int token = soFar.token(last + 1 - out);
                if (equal >= size - 1 && token < logits.length) {
                    logits[token] = Float.NEGATIVE_INFINITY;
                }
            }
        }
    }

    /** Bans the end-of-sequence tokens until there are this many new tokens. */
    record MinNewTokens(int count) implements LogitRule {
        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            if (soFar.length() - soFar.promptLength() < count) {
                soFar.eos().forEach(token -> logits[token] = Float.NEGATIVE_INFINITY);
            }
        }
    }

    /**
     * x[i] -= frequency · c + presence · [c > 0], where c is how often token i was generated, not counting the prompt
     * (OpenAI's API).
     */
    record Penalties(double frequency, double presence) implements LogitRule {
        @Override
        public void apply(float[] logits, TokensSoFar soFar) {
            int[] made = Arrays.copyOfRange(soFar.tokens(), soFar.promptLength(), soFar.length());
            Arrays.sort(made);
            for (int from = 0, to; from < made.length; from = to) {
                to = from + 1;
                while (to < made.length && made[to] == made[from]) {
                    to++;
                }
                int token = made[from];
                logits[token] = saturated(logits[token] - (frequency * (to - from) + presence));
            }
        }
    }

    /** Rounds to a float, at most the largest finite one: an infinite logit would turn the softmax to NaN. */
    private static float saturated(double x) {
        return x == Double.NEGATIVE_INFINITY
                ? Float.NEGATIVE_INFINITY
                : (float) Math.clamp(x, -Float.MAX_VALUE, Float.MAX_VALUE);
    }
}
