package dev.causal4j.model;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.head.LossOptions;
import dev.causal4j.head.LossScratch;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * A forward and a backward over some sequences, for tests.
 *
 * @param gradients by the names of the parameters, in the layout of a checkpoint
 */
record Pass(double loss, Map<String, float[]> gradients) {
    static Pass of(CausalLM model, List<int[]> tokens, int[] targets) {
        return of(model, tokens, targets, Activations.forTraining(0, Activations.Keep.BLOCKS), Dropout.NONE);
    }

    static Pass of(CausalLM model, List<int[]> tokens, int[] targets, Activations activations, Dropout dropout) {
        Gradients gradients = new Gradients(Device.shared());
        for (Parameter parameter : model.namedParameters()) {
            switch (parameter) {
                case Parameter.OfMatrix m -> gradients.track(m.matrix());
                case Parameter.OfVector v -> gradients.track(v.numbers());
            }
        }
        double loss = add(model, tokens, targets, activations, dropout, LossOptions.DEFAULT, gradients);
        Map<String, float[]> named = new TreeMap<>();
        for (Parameter parameter : model.namedParameters()) {
            named.put(parameter.name(), numbers(parameter, gradients));
        }
        return new Pass(loss, named);
    }

    static double add(
            CausalLM model,
            List<int[]> tokens,
            int[] targets,
            Activations activations,
            Dropout dropout,
            LossOptions options,
            Gradients gradients) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int[] sequence : tokens) {
            chunks.add(new Batch.Chunk(model.newCache(), sequence));
        }
        Batch batch = new Batch(chunks);
        int d = model.head().hiddenSize();
        activations.use(dropout);
        Rows hidden = model.forward(batch, activations);
        Rows dHidden = Rows.of(new float[batch.rows() * d], d, batch.rows());
        Gradient dProjection = Objects.requireNonNull(gradients.of(model.head().projection()));
        double loss = model.head()
                .lossAndGradients(hidden, targets, options, dHidden, dProjection, new LossScratch())
                .loss();
        model.decoder().backward(batch, activations, dHidden, true, gradients);
        Gradient dEmbedding = Objects.requireNonNull(gradients.of(model.head().embedding()));
        model.head().embedBackward(batch.tokens(), dHidden, dEmbedding);
        return loss;
    }

    float[] gradient(String name) {
        return Objects.requireNonNull(gradients.get(name));
    }

    private static float[] numbers(Parameter parameter, Gradients gradients) {
        return switch (parameter) {
            case Parameter.OfVector v ->
                Arrays.copyOf(Objects.requireNonNull(gradients.of(v.numbers())), v.numbers().length);
            case Parameter.OfMatrix m -> {
                Gradient gradient = Objects.requireNonNull(gradients.of(m.matrix()));
                int rows = gradient.rows();
                int cols = gradient.cols();
                float[] numbers = new float[rows * cols];
                float[] row = new float[cols];
                for (int n = 0; n < rows; n++) {
                    gradient.row(n, row, 0);
                    for (int k = 0; k < cols; k++) {
                        numbers[m.transposed() ? k * rows + n : n * cols + k] = row[k];
                    }
                }
                yield numbers;
            }
        };
    }
}
