package dev.causal4j.training;

import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.Panels;
import dev.causal4j.model.Parameter;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.MutableMatrix;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A parameter with its gradient and AdamW's two moments. Not thread-safe. */
sealed interface TrainedParameter {
    /** The parameter, changed by updates. */
    Parameter parameter();

    /** The sum of the squares of the gradient, in double and in a fixed order. */
    double squaredGradientNorm();

    /** Updates the parameter and the moments. */
    void update(AdamWStep step);

    /**
     * Views that a checkpoint stores and restores: the moments, and an adapter's numbers, which the model's file has
     * only merged.
     */
    List<TensorView> state();

    private static TensorView tensor(Parameter parameter, String name, List<Long> shape, MemorySegment data) {
        return new TensorView(parameter.name() + name, DType.F32, shape, data);
    }

    /** Names of PyTorch. */
    String FIRST = ".exp_avg";

    /** See {@link #FIRST}. */
    String SECOND = ".exp_avg_sq";

    /** All in panels like the matrix, so nothing is transposed. */
    record OfMatrix(
            Parameter.OfMatrix parameter,
            MutableMatrix weights,
            Gradient gradient,
            MutableMatrix first,
            MutableMatrix second)
            implements TrainedParameter {
        static OfMatrix of(Device device, Parameter.OfMatrix parameter, MutableMatrix weights, Gradient gradient) {
            int rows = gradient.rows();
            int cols = gradient.cols();
            return new OfMatrix(
                    parameter,
                    weights,
                    gradient,
                    MutableMatrix.zeros(device, rows, cols),
                    MutableMatrix.zeros(device, rows, cols));
        }

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
            state.add(tensor(parameter, FIRST, shape, first.panels()));
            state.add(tensor(parameter, SECOND, shape, second.panels()));
            if (parameter.kind() == Parameter.Kind.ADAPTER) {
                state.add(tensor(parameter, "", shape, weights.panels()));
            }
            return state;
        }
    }

    /** A bias or a gain. */
    record OfVector(Parameter.OfVector parameter, float[] gradient, float[] first, float[] second)
            implements TrainedParameter {
        static OfVector of(Parameter.OfVector parameter, float[] gradient) {
            return new OfVector(parameter, gradient, new float[gradient.length], new float[gradient.length]);
        }

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
            step.apply(parameter.numbers(), gradient, first, second, gradient.length);
        }

        @Override
        public List<TensorView> state() {
            return List.of(
                    tensor(parameter, FIRST, parameter.shape(), MemorySegment.ofArray(first)),
                    tensor(parameter, SECOND, parameter.shape(), MemorySegment.ofArray(second)));
        }
    }
}
