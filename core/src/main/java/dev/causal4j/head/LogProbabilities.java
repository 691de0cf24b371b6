package dev.causal4j.head;

import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Log-probability of each row's target, in natural logarithms. Thread-safe while the arrays are not modified.
 *
 * @param targets [N] the token of each row
 * @param logProbabilities [N] ln p of each target: its logit minus the row's normaliser; -infinity if the logit is
 * @param ranks [N] number of tokens with a larger logit, or an equal logit and a lower id; 0 is the argmax
 * @param logNormalizers [N] ln of the sum of exp(logit) over the vocabulary
 * @param entropies [N] entropy of each row's distribution, in nats; null unless requested
 * @param alternatives the k best candidates of each row, best first; empty lists for k = 0
 */
public record LogProbabilities(
        int[] targets,
        double[] logProbabilities,
        int[] ranks,
        double[] logNormalizers,
        double @Nullable [] entropies,
        List<List<Candidate>> alternatives) {

    /** The scores as a prediction for each row. */
    public List<Prediction> predictions() {
        return IntStream.range(0, targets.length)
                .mapToObj(i -> new Prediction(targets[i], logProbabilities[i], ranks[i], alternatives.get(i)))
                .toList();
    }
}
