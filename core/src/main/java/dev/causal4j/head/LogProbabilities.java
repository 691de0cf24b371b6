package dev.causal4j.head;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How likely a head finds the target of each of N rows. Natural logarithms. Thread-safe as long as nobody writes to the
 * arrays.
 *
 * @param logProbabilities [N] ln p of each target, which is its logit minus the row's normaliser; -infinity if the logit is
 * @param ranks [N] how many tokens come before the target when they are sorted by logit, the lower id first among equal
 *     ones; 0 is the argmax
 * @param logNormalizers [N] ln of the sum of exp(logit) over the vocabulary
 * @param entropies [N] of each row's distribution, in nats; null unless asked for
 * @param alternatives for each row its k best candidates, best first; empty lists for k = 0
 */
public record LogProbabilities(
        double[] logProbabilities,
        int[] ranks,
        double[] logNormalizers,
        double @Nullable [] entropies,
        List<List<Candidate>> alternatives) {}
