package dev.causal4j.training;

import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Parameter;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.MutableMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * A model that belongs to a trainer: what is trained of it is an f32 copy, what is frozen is shared with the model it came
 * from. Belongs to one caller; not thread-safe.
 */
final class TrainableModel {
    private final CausalLM model;
    private final Device device = Device.shared();
    private final Gradients gradients = new Gradients(device);
    private final List<Supplier<TrainedParameter>> tracked = new ArrayList<>();
    private final List<TrainedParameter> parameters = new ArrayList<>(); // empty until they are asked for
    private long trainedParameters;

    TrainableModel(CausalLM source, Trained trained, long seed) {
        if (source.dtype() == DType.INT8) {
            throw new IllegalArgumentException("training: expected a model in f32 or bf16, got int8; load it in f32");
        }
        int layers = source.decoder().config().blocks().size();
        boolean tied = source.head().tied();
        model = trained.prepare(source, seed)
                .withParameters(parameter -> trained.includes(parameter, layers, tied) ? track(parameter) : parameter);
        if (tracked.isEmpty()) {
            throw new IllegalArgumentException("training: expected parameters to train, got none");
        }
    }

    private Parameter track(Parameter parameter) {
        trainedParameters += parameter.size();
        return switch (parameter) {
            case Parameter.OfMatrix m -> {
                MutableMatrix copy = MutableMatrix.copyOf(device, m.matrix());
                Parameter.OfMatrix mine = m.with(copy.matrix());
                Gradient gradient = gradients.track(copy.matrix());
                tracked.add(() -> TrainedParameter.OfMatrix.of(device, mine, copy, gradient));
                yield mine;
            }
            case Parameter.OfVector v -> {
                Parameter.OfVector mine = v.with(v.numbers().clone());
                float[] gradient = gradients.track(mine.numbers());
                tracked.add(() -> TrainedParameter.OfVector.of(mine, gradient));
                yield mine;
            }
        };
    }

    CausalLM model() {
        return model;
    }

    Gradients gradients() {
        return gradients;
    }

    /**
     * What is trained, with its moments. They are made when they are first asked for, after the memory of the model that was
     * copied is given back if nobody holds that one any more: it lies outside Java's heap, whose collector sees no need.
     */
    List<TrainedParameter> parameters() {
        if (parameters.isEmpty()) {
            System.gc();
            tracked.forEach(made -> parameters.add(made.get()));
            tracked.clear();
        }
        return parameters;
    }

    /** Numbers that are trained. */
    long trainedParameters() {
        return trainedParameters;
    }

    /** The norm of all gradients together, a tied matrix once; in double and in a fixed order. */
    double gradientNorm() {
        double sum = 0;
        for (TrainedParameter parameter : parameters()) {
            sum += parameter.squaredGradientNorm();
        }
        return Math.sqrt(sum);
    }

    /**
     * One step of the optimizer, after which the gradients are 0 again.
     *
     * @param step 1 for the first
     * @param gradientScale what gradients are multiplied by
     */
    void update(AdamW adamW, long step, double rate, double gradientScale) {
        AdamWStep decaying = adamW.step(step, rate, gradientScale, true);
        AdamWStep plain = adamW.step(step, rate, gradientScale, false);
        for (TrainedParameter parameter : parameters()) {
            parameter.update(
                    switch (parameter.parameter().kind()) {
                        case EMBEDDING, MATRIX, ADAPTER -> decaying;
                        case GAIN, BIAS -> plain;
                    });
        }
        gradients.clear();
    }
}
