package dev.causal4j.benchmarks;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * {@code CausalLMHead}: logits of many hidden vectors, log-probabilities of their targets, as scoring needs them, and
 * the top candidates of one. Naive twins hold f32, compute at most {@value Naive#ROWS} rows, and sort the whole
 * vocabulary.
 */
public class HeadBenchmark extends Protocol {
    /** Sizes of a head and of what it is given. */
    @State(Scope.Benchmark)
    public static class Shape {
        @Param("50257")
        public int vocabularySize;

        @Param("768")
        public int hiddenSize;

        @Param("512")
        public int rows;

        @Param("50")
        public int k;
    }

    /** A tied head in panels. */
    public static class Head extends Shape {
        @Param({"f32", "bf16", "int8"})
        public String dtype;

        CausalLMHead head;
        Rows hidden;
        Rows logits;
        int[] targets;

        @Setup
        public void create() {
            Matrix.Source source = RandomNumbers.rows(hiddenSize, 0, 1);
            head = CausalLMHead.tied(
                    Matrix.of(Device.shared(), ProductBenchmark.dtype(dtype), vocabularySize, hiddenSize, source));
            hidden = Rows.of(RandomNumbers.array(rows * hiddenSize, 1), hiddenSize, rows);
            logits = Rows.of(new float[rows * vocabularySize], vocabularySize, rows);
            targets = IntStream.range(0, rows).map(row -> row % vocabularySize).toArray();
        }
    }

    /** The numbers of a matrix as an array of rows. */
    public static class NaiveHead extends Shape {
        float[][] embedding; // [V, D]
        float[] hidden; // [rows, D]
        float[] logits; // [rows, V]

        @Setup
        public void create() {
            rows = Math.min(rows, Naive.ROWS);
            embedding = RandomNumbers.rowMajor(vocabularySize, hiddenSize, RandomNumbers.rows(hiddenSize, 0, 1));
            hidden = RandomNumbers.array(rows * hiddenSize, 1);
            logits = new float[rows * vocabularySize];
        }
    }

    /** Hidden vectors turned into logits, which JMH turns into a rate. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        public long positions;
    }

    @Benchmark
    public float[] logits(Head head, Work work) {
        head.head.logits(head.hidden, head.logits);
        work.positions += head.rows;
        return head.logits.data();
    }

    @Benchmark
    public float[] naiveLogits(NaiveHead head, Work work) {
        Naive.multiply(head.embedding, head.hidden, head.rows, head.logits);
        work.positions += head.rows;
        return head.logits;
    }

    @Benchmark
    public double[] logProbabilities(Head head, Work work) {
        work.positions += head.rows;
        return head.head.logProbabilities(head.hidden, head.targets).logProbabilities();
    }

    @Benchmark
    public double[] naiveLogProbabilities(NaiveHead head, Work work) {
        Naive.multiply(head.embedding, head.hidden, head.rows, head.logits);
        double[] logProbabilities = new double[head.rows];
        for (int r = 0; r < head.rows; r++) {
            int row = r * head.vocabularySize;
            double sum = 0;
            for (int token = 0; token < head.vocabularySize; token++) {
                sum += Math.exp(head.logits[row + token]);
            }
            logProbabilities[r] = head.logits[row + r] - Math.log(sum); // row r's target is token r
        }
        work.positions += head.rows;
        return logProbabilities;
    }

    @Benchmark
    public List<Candidate> topK(Head head) {
        return head.head.topK(head.hidden, 0, head.k);
    }

    @Benchmark
    public List<Candidate> naiveTopK(NaiveHead head) {
        Naive.multiply(head.embedding, head.hidden, 1, head.logits);
        return IntStream.range(0, head.vocabularySize)
                .mapToObj(token -> new Candidate(token, head.logits[token], 0))
                .sorted(Comparator.comparingDouble(Candidate::logit).reversed())
                .limit(head.k)
                .toList();
    }
}
