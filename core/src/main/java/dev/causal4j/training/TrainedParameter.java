package dev.causal4j.training;

import dev.causal4j.kernel.Panels;
import dev.causal4j.model.Parameter;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.MutableMatrix;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A parameter with its gradient and the two moments AdamW keeps. Belongs to one caller; not thread-safe. */
sealed interface TrainedParameter {
    /** The parameter, whose numbers the updates change. */
    Parameter parameter();

    /** The sum of the squares of the gradient, in double and in a fixed order. */
    double squaredGradientNorm();

    /** Changes the numbers and the moments. */
    void update(MutableMatrix.Update update);

    /** The moments, not copied: what a checkpoint stores, and restores by writing to it. */
    List<TensorView> moments();

    private static TensorView moment(Parameter parameter, String name, List<Long> shape, MemorySegment data) {
        return new TensorView(parameter.name() + name, DType.F32, shape, data);
    }

    /** Names of PyTorch. */
    String FIRST = ".exp_avg";

    /** See {@link #FIRST}. */
    String SECOND = ".exp_avg_sq";

    /** Moments lie in panels as the matrix does, so that nothing is transposed. */
    record OfMatrix(
            Parameter.OfMatrix parameter,
            MutableMatrix weights,
            Gradient gradient,
            MutableMatrix first,
            MutableMatrix second)
            implements TrainedParameter {
        static OfMatrix of(Parameter.OfMatrix source, MutableMatrix weights, Gradient gradient) {
            int rows = gradient.rows();
            int cols = gradient.cols();
            return new OfMatrix(
                    source.with(weights.matrix()),
                    weights,
                    gradient,
                    MutableMatrix.zeros(rows, cols),
                    MutableMatrix.zeros(rows, cols));
        }

        @Override
        public double squaredGradientNorm() {
            return gradient.squaredNorm();
        }

        @Override
        public void update(MutableMatrix.Update update) {
            weights.update(gradient, first, second, update);
        }

        @Override
        public List<TensorView> moments() {
            List<Long> shape =
                    List.of((long) Panels.needed(gradient.rows()), (long) gradient.cols(), (long) Panels.WIDTH);
            return List.of(
                    moment(parameter, FIRST, shape, first.panels()), moment(parameter, SECOND, shape, second.panels()));
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
        public void update(MutableMatrix.Update update) {
            update.apply(parameter.numbers(), gradient, first, second, gradient.length);
        }

        @Override
        public List<TensorView> moments() {
            return List.of(
                    moment(parameter, FIRST, parameter.shape(), MemorySegment.ofArray(first)),
                    moment(parameter, SECOND, parameter.shape(), MemorySegment.ofArray(second)));
        }
    }
}
