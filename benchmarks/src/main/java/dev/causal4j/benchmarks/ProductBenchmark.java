package dev.causal4j.benchmarks;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * {@code Matrix.multiply}: one row is limited by how fast weights are read, 512 by multiply-adds. The naive twin holds f32
 * and multiplies {@value Naive#ROWS} rows at most.
 */
public class ProductBenchmark extends Protocol {
    /** Sizes of a product [rows, inputs] · [inputs, outputs]. */
    @State(Scope.Benchmark)
    public static class Shape {
        @Param("50257")
        public int outputs;

        @Param("768")
        public int inputs;

        @Param({"1", "8", "512"})
        public int rows;
    }

    /** A matrix in panels. */
    public static class Weights extends Shape {
        @Param({"f32", "bf16", "int8"})
        public String dtype;

        Matrix matrix;
        Rows x;
        Rows y;

        @Setup
        public void create() {
            matrix = Matrix.of(Device.shared(), dtype(dtype), outputs, inputs, RandomNumbers.rows(inputs, 0, 1));
            x = Rows.of(RandomNumbers.array(rows * inputs, 1), inputs, rows);
            y = Rows.of(new float[rows * outputs], outputs, rows);
        }
    }

    /** The numbers of a matrix as an array of rows. */
    public static class NaiveWeights extends Shape {
        float[][] w; // [outputs, inputs]
        float[] x; // [rows, inputs]
        float[] y; // [rows, outputs]

        @Setup
        public void create() {
            rows = Math.min(rows, Naive.ROWS);
            w = RandomNumbers.rowMajor(outputs, inputs, RandomNumbers.rows(inputs, 0, 1));
            x = RandomNumbers.array(rows * inputs, 1);
            y = new float[rows * outputs];
        }
    }

    /** Work counted for JMH's rates: 10⁹ floating-point operations, 10⁹ bytes of weights. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        public double gflop;
        public double gigabytes;

        void add(Shape shape, int bytes) {
            double weights = (double) shape.outputs * shape.inputs;
            gflop += 2 * weights * shape.rows / 1e9;
            gigabytes += weights * bytes / 1e9;
        }
    }

    static DType dtype(String label) {
        return DType.ofLabel(label).orElseThrow();
    }

    @Benchmark
    public float[] multiply(Weights weights, Work work) {
        weights.matrix.multiply(weights.x, null, weights.y);
        work.add(weights, weights.matrix.dtype().bytes());
        return weights.y.data();
    }

    @Benchmark
    public float[] naiveMultiply(NaiveWeights weights, Work work) {
        Naive.multiply(weights.w, weights.x, weights.rows, weights.y);
        work.add(weights, DType.F32.bytes());
        return weights.y;
    }
}
