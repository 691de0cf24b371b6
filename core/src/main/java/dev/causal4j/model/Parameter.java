package dev.causal4j.model;

import dev.causal4j.tensor.Matrix;
import java.util.List;

/** A parameter of a model, by the name a Hugging Face checkpoint has for it without the prefix {@code transformer.} */
public sealed interface Parameter {
    /** What a parameter is for. */
    enum Kind {
        /** Token or position embedding, or a head's own projection. */
        EMBEDDING,
        /** Weights of a linear layer. */
        MATRIX,
        /** A low-rank addition to a linear layer; never stored in a model's file, which holds the sum. */
        ADAPTER,
        /** Gain of a layer norm. */
        GAIN,
        /** Bias of a linear layer or a layer norm. */
        BIAS
    }

    /** For instance {@code h.0.attn.c_attn.weight}. */
    String name();

    /** What it is for. */
    Kind kind();

    /** How many numbers it has. */
    long size();

    /** Its dimensions in a checkpoint. */
    List<Long> shape();

    /**
     * One with two dimensions.
     *
     * @param transposed whether a checkpoint stores [in, out], as Hugging Face's Conv1D does
     */
    record OfMatrix(String name, Kind kind, Matrix matrix, boolean transposed) implements Parameter {
        /** The same parameter with another matrix. */
        public OfMatrix with(Matrix other) {
            return new OfMatrix(name, kind, other, transposed);
        }

        @Override
        public long size() {
            return matrix.parameters();
        }

        @Override
        public List<Long> shape() {
            long rows = matrix.rows();
            long cols = matrix.cols();
            return transposed ? List.of(cols, rows) : List.of(rows, cols);
        }
    }

    /**
     * One with one dimension.
     *
     * @param numbers the model's own array
     */
    record OfVector(String name, Kind kind, float[] numbers) implements Parameter {
        /** The same parameter with another array. */
        public OfVector with(float[] other) {
            return new OfVector(name, kind, other);
        }

        @Override
        public long size() {
            return numbers.length;
        }

        @Override
        public List<Long> shape() {
            return List.of((long) numbers.length);
        }
    }
}
