package dev.causal4j.server;

import dev.causal4j.generation.LogitRule;
import java.util.Arrays;

/**
 * logit -= frequency · c + presence · [c > 0] for each token, c being how often it was generated; the prompt does not
 * count. Immutable.
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
            logits[made[from]] -= (float) (frequency * (to - from) + presence);
        }
    }
}
