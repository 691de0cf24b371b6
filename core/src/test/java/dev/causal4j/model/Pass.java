package dev.causal4j.model;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.head.Loss;
import dev.causal4j.head.LossOptions;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A forward and a backward over some sequences, for tests.
 *
 * @param gradients by the names of the parameters, row by row
 */
record Pass(double loss, Map<String, float[]> gradients) {
    static Pass of(CausalLM model, List<int[]> tokens, int[] targets) {
        return of(model, tokens, targets, Activations.forTraining(0, Activations.Keep.BLOCKS), Dropout.NONE);
    }

    static Pass of(CausalLM model, List<int[]> tokens, int[] targets, Activations activations, Dropout dropout) {
        Gradients gradients = new Gradients(Device.shared());
        parts(model).values().forEach(part -> {
            if (part instanceof Matrix matrix) {
                gradients.track(matrix);
            } else {
                gradients.track((float[]) part);
            }
        });
        double loss = add(model, tokens, targets, activations, dropout, LossOptions.DEFAULT, gradients);
        Map<String, float[]> named = new LinkedHashMap<>();
        parts(model).forEach((name, part) -> named.put(name, numbers(part, gradients)));
        return new Pass(loss, named);
    }

    /** Every matrix and vector of a model by its name, those of adapters after their layer's weight. */
    static Map<String, Object> parts(CausalLM model) {
        Map<String, Object> parts = new LinkedHashMap<>();
        for (ParameterSpec spec : model.config().specs()) {
            if (spec.role() == Role.BUFFER) {
                continue; // it has no gradient
            }
            parts.put(spec.name(), spec.role().isVector() ? model.vector(spec) : model.matrix(spec));
            LowRank adapter = model.adapter(spec);
            if (adapter != null) {
                parts.put(spec.name() + ".down", adapter.down());
                parts.put(spec.name() + ".up", adapter.up());
            }
        }
        return parts;
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
                .lossAndGradients(hidden, targets, options, dHidden, dProjection, new Loss.Scratch())
                .loss();
        model.decoder().backward(batch, activations, dHidden, true, gradients);
        Gradient dEmbedding = Objects.requireNonNull(gradients.of(model.head().embedding()));
        model.head().embedBackward(batch.tokens(), dHidden, dEmbedding);
        chunks.forEach(chunk -> chunk.cache().close());
        return loss;
    }

    float[] gradient(String name) {
        return Objects.requireNonNull(gradients.get(name));
    }

    private static float[] numbers(Object part, Gradients gradients) {
        if (part instanceof float[] vector) {
            return Arrays.copyOf(Objects.requireNonNull(gradients.of(vector)), vector.length);
        }
        Gradient gradient = Objects.requireNonNull(gradients.of((Matrix) part));
        float[] numbers = new float[gradient.rows() * gradient.cols()];
        for (int n = 0; n < gradient.rows(); n++) {
            gradient.row(n, numbers, n * gradient.cols());
        }
        return numbers;
    }
}
