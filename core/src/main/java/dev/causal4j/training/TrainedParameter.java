package dev.causal4j.training;

import dev.causal4j.format.TensorView;
import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.MutableMatrix;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/**
 * A parameter with its gradient and AdamW's two moments. Not thread-safe.
 *
 * @param decays whether the weights decay, as in matrices and convolutions
 * @param squaredNorm the sum of the squares of the gradient, in double and in a fixed order
 * @param update updates the parameter and the moments
 * @param state views that a checkpoint stores and restores: the moments, and the numbers of an adapter, since the
 *     model's file has them only merged
 */
record TrainedParameter(
        boolean decays, DoubleSupplier squaredNorm, Consumer<AdamWStep> update, List<TensorView> state) {
    /**
     * A matrix. Gradient and moments are in panels as the matrix is, so nothing is transposed.
     *
     * @param name of the tensors in a checkpoint
     * @param adapter whether its numbers are part of the state
     */
    static TrainedParameter of(Device device, String name, boolean adapter, MutableMatrix weights, Gradient gradient) {
        MutableMatrix first = MutableMatrix.zeros(device, gradient.rows(), gradient.cols());
        MutableMatrix second = MutableMatrix.zeros(device, gradient.rows(), gradient.cols());
        List<Long> shape = List.of((long) Panels.needed(gradient.rows()), (long) gradient.cols(), (long) Panels.WIDTH);
        List<TensorView> state = new ArrayList<>(moments(name, shape, first.panels(), second.panels()));
        if (adapter) {
            state.add(f32(name, shape, weights.panels()));
        }
        int panel = Math.multiplyExact(gradient.cols(), Panels.WIDTH);
        Consumer<AdamWStep> update = step -> { // padding is updated, too: its numbers are 0 and stay 0
            MemorySegment sums = gradient.panels();
            device.compute().each(Panels.needed(gradient.rows()), p -> {
                long at = (long) p * panel * Float.BYTES;
                Kernels.adamW(
                        step,
                        new AdamWStep.Numbers(weights.panels(), sums, first.panels(), second.panels(), at, panel));
            });
        };
        return new TrainedParameter(true, gradient::squaredNorm, update, state);
    }

    /**
     * A vector: a bias, gain, convolution or rates of decay. Trained in the form in which a checkpoint stores it, so that a
     * resumed run reads the same numbers; the gradient is by that form. Only convolutions decay.
     */
    static TrainedParameter of(String name, boolean decays, Origin.Form form, float[] numbers, float[] gradient) {
        float[] stored = new float[numbers.length];
        float[] first = new float[numbers.length];
        float[] second = new float[numbers.length];
        List<Long> shape = List.of((long) numbers.length);
        Consumer<AdamWStep> update = step -> {
            for (int i = 0; i < stored.length; i++) {
                stored[i] = form.write(numbers[i]);
            }
            step.apply(stored, gradient, first, second, stored.length);
            for (int i = 0; i < stored.length; i++) {
                numbers[i] = form.read(stored[i]);
            }
        };
        List<TensorView> moments = moments(name, shape, MemorySegment.ofArray(first), MemorySegment.ofArray(second));
        return new TrainedParameter(decays, () -> squaredNorm(gradient), update, moments);
    }

    private static double squaredNorm(float[] gradient) {
        double sum = 0;
        for (float value : gradient) {
            sum += (double) value * value;
        }
        return sum;
    }

    /** The moments, under PyTorch's names. */
    private static List<TensorView> moments(String name, List<Long> shape, MemorySegment first, MemorySegment second) {
        return List.of(f32(name + ".exp_avg", shape, first), f32(name + ".exp_avg_sq", shape, second));
    }

    private static TensorView f32(String name, List<Long> shape, MemorySegment data) {
        return new TensorView(name, DType.F32, shape, data);
    }
}
