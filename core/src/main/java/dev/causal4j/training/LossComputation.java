package dev.causal4j.training;

import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.HeadReport;
import dev.causal4j.head.Loss;
import dev.causal4j.head.LossOptions;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleConsumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Computes the loss of batches and its gradients, some sequences at a time. Both have the same bits however a batch is
 * cut. Owns the scratch of a step. Not thread-safe.
 */
final class LossComputation {
    private final CausalLM model;
    private final Gradients gradients;
    private final int partSize;
    private final boolean trainsEmbedding;
    private final Activations kept;
    private final Activations forgotten = new Activations();
    private final Loss.Scratch lossScratch = new Loss.Scratch();
    private final HeadOptions headOptions;
    private final long reportInterval;
    private Optional<HeadReport> report = Optional.empty();
    private final List<KVCache> caches; // one for each sequence of a part
    private float[] dHidden = {}; // [N, D]

    /**
     * Gradients of a step's looked-up tokens, summed for each token in the order of rows. They are added to the
     * embedding's gradient after all parts of a batch: a tied matrix gets the head's part first however the batch is
     * cut.
     */
    private final Map<Integer, float[]> lookups = new LinkedHashMap<>();

    LossComputation(TrainableModel trainable, TrainingOptions options) {
        this.model = trainable.model;
        this.gradients = trainable.gradients;
        this.partSize = Math.min(options.microBatchSize, options.batchSize);
        this.headOptions = options.head;
        this.reportInterval = options.headReportInterval;
        this.trainsEmbedding = gradients.of(model.head().embedding()) != null;
        this.kept = Activations.forTraining(model.decoder().lowestTrained(trainsEmbedding, gradients), options.keep);
        PagePool pool = model.decoder().newPool();
        this.caches = Stream.generate(pool::newCache).limit(partSize).toList();
    }

    /**
     * Adds the gradients of the mean loss over all targets of a batch, and of the other losses of the head.
     *
     * @return that loss
     * @throws NonFiniteException if the logits of a row have no softmax
     */
    double addGradients(List<Example> batch, Dropout rates, long seed, long step) {
        long counted = Arrays.stream(targets(batch))
                .filter(target -> target != CausalLMHead.IGNORED)
                .count();
        long targets = Math.max(1, counted);
        LossOptions options = LossOptions.DEFAULT.withDenominator(targets).withZLoss(headOptions.zLoss());
        double sum = 0;
        for (int from = 0; from < batch.size(); from += partSize) {
            kept.use(rates.at(seed, step, from));
            List<Example> part = batch.subList(from, Math.min(batch.size(), from + partSize));
            sum = addGradients(part, options.after(sum)).sum();
        }
        boolean reports = reportInterval > 0 && (step == 0 || (step + 1) % reportInterval == 0);
        report = reports ? Optional.of(measure(batch)) : Optional.empty();
        Gradient dEmbedding = gradients.of(model.head().embedding());
        if (dEmbedding != null) {
            addLookups(dEmbedding);
        }
        return sum / targets + addMuLoss();
    }

    /** The report on the head of the last batch, if one was due. */
    Optional<HeadReport> report() {
        return report;
    }

    /** Reports on the first sequence of a batch, before the two halves of the gradient are added up. */
    private HeadReport measure(List<Example> batch) {
        List<Example> part = batch.subList(0, 1);
        Gradient dProjection = gradients.of(model.head().projection());
        double output = dProjection == null ? 0 : dProjection.squaredNorm();
        double input = 0;
        for (float[] row : lookups.values()) {
            for (float number : row) {
                input += headOptions.inputGradientScale() * headOptions.inputGradientScale() * number * number;
            }
        }
        Rows hidden = model.forward(batch(part), forgotten);
        return HeadReport.of(model.head(), hidden, targets(part), input / (input + output));
    }

    /**
     * Adds the gradient of muLoss |mean|², with the mean row of the projection: the same 2 muLoss mean / V for each row.
     *
     * @return that loss
     */
    private double addMuLoss() {
        Gradient dProjection = gradients.of(model.head().projection());
        if (headOptions.muLoss() == 0 || dProjection == null) {
            return 0;
        }
        int v = model.head().vocabularySize();
        float[] row = new float[model.head().hiddenSize()];
        double[] sums = new double[row.length];
        for (int n = 0; n < v; n++) {
            model.head().projection().row(n, row, 0);
            for (int k = 0; k < row.length; k++) {
                sums[k] += row[k];
            }
        }
        double squares = 0;
        for (int k = 0; k < row.length; k++) {
            squares += sums[k] / v * (sums[k] / v);
            row[k] = (float) (2 * headOptions.muLoss() * sums[k] / v / v);
        }
        dProjection.addRows(IntStream.range(0, v).toArray(), Rows.of(row, 0, v));
        return headOptions.muLoss() * squares;
    }

    private Loss addGradients(List<Example> part, LossOptions options) {
        CausalLMHead head = model.head();
        Batch batch = batch(part);
        int rows = batch.rows();
        int d = head.hiddenSize();
        Rows hidden = model.forward(batch, kept);
        dHidden = dHidden.length >= rows * d ? dHidden : new float[rows * d];
        Rows gradient = Rows.of(dHidden, d, rows);
        Loss loss = head.lossAndGradients(
                hidden, targets(part), options, gradient, gradients.of(head.projection()), lossScratch);
        model.decoder().backward(batch, kept, gradient, trainsEmbedding, gradients);
        if (trainsEmbedding) {
            int[] tokens = batch.tokens();
            for (int r = 0; r < rows; r++) {
                float[] sum = lookups.computeIfAbsent(tokens[r], _ -> new float[d]);
                Kernels.add(dHidden, gradient.start(r), sum, 0, d);
            }
        }
        return loss;
    }

    private void addLookups(Gradient dEmbedding) {
        int d = model.head().hiddenSize();
        int[] tokens = lookups.keySet().stream().mapToInt(Integer::intValue).toArray();
        float[] sums = new float[Math.multiplyExact(tokens.length, d)];
        for (int i = 0; i < tokens.length; i++) {
            System.arraycopy(lookups.get(tokens[i]), 0, sums, i * d, d);
        }
        float scale = (float) headOptions.inputGradientScale();
        for (int i = 0; i < sums.length; i++) {
            sums[i] *= scale;
        }
        model.head().embedBackward(tokens, Rows.of(sums, d, tokens.length), dEmbedding);
        lookups.clear();
    }

    /**
     * The loss of examples without dropout, weighted by targets: the sum over all of them divided by their number.
     *
     * @param count how many examples, from the first on
     * @param progress receives the completed share, up to 1
     */
    double evaluate(Examples examples, long count, DoubleConsumer progress) {
        double sum = 0;
        long targets = 0;
        for (long from = 0; from < count; from += partSize) {
            List<Example> part = LongStream.range(from, Math.min(count, from + partSize))
                    .mapToObj(examples::example)
                    .toList();
            Rows hidden = model.forward(batch(part), forgotten);
            Loss loss = model.head().loss(hidden, targets(part), LossOptions.DEFAULT.after(sum));
            sum = loss.sum();
            targets += loss.targets();
            progress.accept(Math.min(count, from + partSize) / (double) count);
        }
        return sum / Math.max(1, targets);
    }

    private Batch batch(List<Example> part) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (Example example : part) {
            KVCache cache = caches.get(chunks.size());
            cache.truncate(0);
            chunks.add(new Batch.Chunk(cache, example.tokens()));
        }
        return new Batch(chunks);
    }

    private static int[] targets(List<Example> part) {
        return part.stream()
                .flatMapToInt(example -> Arrays.stream(example.targets()))
                .toArray();
    }
}
