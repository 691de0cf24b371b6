package dev.causal4j.training;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Loss;
import dev.causal4j.head.LossOptions;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The loss of batches and its gradients, some sequences at a time. However a batch is cut, the gradients have the same
 * bits. Owns the scratch of a step. Not thread-safe.
 */
final class LossComputation {
    private final CausalLM model;
    private final Gradients gradients;
    private final int partSize;
    private final boolean trainsEmbedding;
    private final Activations kept;
    private final Activations forgotten = new Activations();
    private final LookupGradients lookups;
    private final Loss.Scratch lossScratch = new Loss.Scratch();
    private final PagePool pool;
    private final List<KVCache> caches = new ArrayList<>();
    private float[] dHidden = {}; // [N, D]

    /** @param partSize sequences computed at once */
    LossComputation(CausalLM model, Gradients gradients, int partSize, Activations.Keep keep) {
        this.model = model;
        this.gradients = gradients;
        this.partSize = partSize;
        this.trainsEmbedding = gradients.of(model.head().embedding()) != null;
        this.kept = Activations.forTraining(model.decoder().lowestTrained(trainsEmbedding, gradients), keep);
        int pages = PagePool.needed(model.decoder().config().contextLength());
        this.pool = model.decoder().newPool(Math.multiplyExact(partSize, pages));
        this.lookups = new LookupGradients(model.head().hiddenSize());
    }

    /**
     * Adds the gradients of the mean loss over all targets of a batch.
     *
     * @return that loss
     * @throws ArithmeticException if the logits of a row have no softmax
     */
    double addGradients(TrainingBatch batch, Dropout rates, long seed, long step) {
        int targets = batch.targetCount();
        LossOptions options = LossOptions.DEFAULT.withDenominator(Math.max(1, targets));
        double sum = 0;
        for (int from = 0; from < batch.sequences(); from += partSize) {
            Part part = part(batch, from);
            kept.use(rates.at(seed, step, from));
            sum += addGradients(part, options).sum();
        }
        Gradient dEmbedding = gradients.of(model.head().embedding());
        if (dEmbedding != null) {
            lookups.addTo(model.head(), dEmbedding);
        }
        return sum / Math.max(1, targets);
    }

    private Loss addGradients(Part part, LossOptions options) {
        CausalLMHead head = model.head();
        int rows = part.batch.rows();
        int d = head.hiddenSize();
        Rows hidden = model.forward(part.batch, kept);
        dHidden = dHidden.length >= rows * d ? dHidden : new float[rows * d];
        Rows gradient = Rows.of(dHidden, d, rows);
        Loss loss = head.lossAndGradients(
                hidden, part.targets, options, gradient, gradients.of(head.projection()), lossScratch);
        model.decoder().backward(part.batch, kept, gradient, trainsEmbedding, gradients);
        if (trainsEmbedding) {
            lookups.add(part.batch.tokens(), gradient);
        }
        return loss;
    }

    /**
     * The loss of examples without dropout, weighted by targets: the sum over all of them divided by their number.
     *
     * @param count how many examples, from the first on
     */
    double evaluate(Examples examples, long count) {
        double sum = 0;
        long targets = 0;
        for (long from = 0; from < count; from += partSize) {
            List<Example> some = new ArrayList<>();
            for (long i = from; i < Math.min(count, from + partSize); i++) {
                some.add(examples.example(i));
            }
            Part part = part(TrainingBatch.of(some), 0);
            Rows hidden = model.forward(part.batch, forgotten);
            Loss loss = model.head().loss(hidden, part.targets, LossOptions.DEFAULT);
            sum += loss.sum();
            targets += loss.targets();
        }
        return sum / Math.max(1, targets);
    }

    private record Part(Batch batch, int[] targets) {}

    private Part part(TrainingBatch batch, int from) {
        int to = Math.min(batch.sequences(), from + partSize);
        int length = batch.length();
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int sequence = from; sequence < to; sequence++) {
            if (caches.size() == chunks.size()) {
                caches.add(pool.newCache());
            }
            KVCache cache = caches.get(chunks.size());
            cache.truncate(0);
            chunks.add(new Batch.Chunk(
                    cache, Arrays.copyOfRange(batch.ids(), sequence * length, (sequence + 1) * length)));
        }
        return new Part(new Batch(chunks), Arrays.copyOfRange(batch.targets(), from * length, to * length));
    }
}
