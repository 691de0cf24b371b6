package dev.causal4j.training;

import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.MutableMatrix;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A parameter with its gradient and AdamW's two moments. Not thread-safe. */
sealed interface TrainedParameter {
    /** The sum of the squares of the gradient, in double and in a fixed order. */
    double squaredGradientNorm();

    /** Updates the parameter and the moments. */
    void update(AdamWStep step);

    /**
     * Views that a checkpoint stores and restores: the moments, and an adapter's numbers, which the model's file has
     * only merged.
     */
    List<TensorView> state();

    private static TensorView tensor(String name, List<Long> shape, MemorySegment data) {
        return new TensorView(name, DType.F32, shape, data);
    }

    /** Names of PyTorch. */
    String FIRST = ".exp_avg";

    /** See {@link #FIRST}. */
    String SECOND = ".exp_avg_sq";

    /**
     * All in panels like the matrix, so nothing is transposed.
     *
     * @param name of the tensors in a checkpoint
     * @param adapter whether its numbers are part of the state
     */
    record OfMatrix(
            String name,
            boolean adapter,
            MutableMatrix weights,
            Gradient gradient,
            MutableMatrix first,
            MutableMatrix second)
            implements TrainedParameter {
        @Override
        public double squaredGradientNorm() {
            return gradient.squaredNorm();
        }

        @Override
        public void update(AdamWStep step) {
            weights.update(gradient, first, second, step);
        }

        @Override
        public List<TensorView> state() {
            List<Long> shape =
                    List.of((long) Panels.needed(gradient.rows()), (long) gradient.cols(), (long) Panels.WIDTH);
            List<TensorView> state = new ArrayList<>();
            state.add(tensor(name + FIRST, shape, first.panels()));
            state.add(tensor(name + SECOND, shape, second.panels()));
            if (adapter) {
                state.add(tensor(name, shape, weights.panels()));
            }
            return state;
        }
    }

    /** A bias or a gain. */
    record OfVector(String name, float[] numbers, float[] gradient, float[] first, float[] second)
            implements TrainedParameter {
        @Override
        public double squaredGradientNorm() {
            double sum = 0;
            for (float value : gradient) {
                sum += (double) value * value;
            }
            return sum;
        }

        @Override
        public void update(AdamWStep step) {
            step.apply(numbers, gradient, first, second, gradient.length);
        }

        @Override
        public List<TensorView> state() {
            List<Long> shape = List.of((long) numbers.length);
            return List.of(
                    tensor(name + FIRST, shape, MemorySegment.ofArray(first)),
                    tensor(name + SECOND, shape, MemorySegment.ofArray(second)));
        }
    }
}
