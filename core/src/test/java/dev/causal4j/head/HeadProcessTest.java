package dev.causal4j.head;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.JavaProcess;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.CRC32;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

/** What a JVM of its own shows: equal bits under every choice of kernels, and how little memory is enough. */
class HeadProcessTest {
    @Test
    void scalarAndEveryVectorWidthGiveTheSameScoresLossAndGradients() throws IOException, InterruptedException {
        String expected = Digest.ofAll();
        assertThat(digest("scalar")).isEqualTo(expected);
        int widest = Math.min(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 512);
        assertThat(Kernels.state()).isEqualTo("vector" + widest);
        for (int bits = 128; bits < widest; bits *= 2) {
            assertThat(digest("vector" + bits)).as("%d bits", bits).isEqualTo(expected);
        }
    }

    private static String digest(String kernels) throws IOException, InterruptedException {
        List<String> flags = List.of(JavaProcess.VECTORS, "-Dcausal4j.kernels=" + kernels);
        List<String> lines = JavaProcess.run(0, flags, Digest.class);
        assertThat(lines).contains("kernels " + kernels);
        return lines.getLast();
    }

    /** Prints which kernels run and a digest of everything the head computes. */
    static final class Digest {
        private Digest() {}

        public static void main(String[] args) {
            String digest = ofAll();
            System.out.println("kernels " + Kernels.state());
            System.out.println(digest);
        }

        static String ofAll() {
            CRC32 crc = new CRC32();
            for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.INT8}) {
                int width = dtype.isQuantised() ? 96 : 71;
                CausalLMHead head = Fixture.head(dtype, 1100, width, 1).withSoftCap(6);
                Rows hidden = Fixture.rows(139, width, 2);
                int[] targets = Fixture.tokens(139, 1100, 3);
                LogProbabilities scores = head.logProbabilities(hidden, targets, true, 3);
                Rows dHidden = Fixture.rows(139, width, 4);
                Gradient gradient = Gradient.of(Device.shared(), head.projection());
                LossOptions options = new LossOptions(0.1, 1e-3, LossOptions.MEAN);
                Loss loss = head.lossAndGradients(hidden, targets, options, dHidden, gradient, new Loss.Scratch());
                StringBuilder all = new StringBuilder().append(loss).append(scores.alternatives());
                for (int r = 0; r < 139; r++) {
                    all.append(scores.logProbabilities()[r]).append(scores.ranks()[r]);
                    all.append(scores.entropies() == null ? "none" : scores.entropies()[r]);
                }
                float[] row = new float[width];
                for (int n = 0; n < 1100; n++) {
                    gradient.row(n, row, 0);
                    for (float number : row) {
                        all.append(number);
                    }
                }
                for (float number : dHidden.data()) {
                    all.append(number);
                }
                crc.update(all.toString().getBytes(StandardCharsets.US_ASCII));
            }
            return "digest " + crc.getValue();
        }
    }

    /** The logits of all rows would be 206 MB. */
    @Test
    void aSmallHeapIsEnoughForManyRows() throws IOException, InterruptedException {
        List<String> flags = List.of(
                JavaProcess.VECTORS,
                "-Dcausal4j.kernels=vector",
                "-XX:+UseSerialGC",
                "-Xmx100m",
                "-Dcausal4j.memory=16m");
        assertThat(JavaProcess.run(0, flags, ManyRows.class)).contains("scored 1024, trained 1024");
    }

    static final class ManyRows {
        private ManyRows() {}

        public static void main(String[] args) {
            Device device = Device.open(Compute.shared()); // its memory counts
            Matrix weights = Fixture.head(DType.F32, 50_257, 2, 1).projection().widened(device);
            CausalLMHead head = CausalLMHead.tied(weights);
            Rows hidden = Fixture.rows(1024, 2, 2);
            int[] targets = Fixture.tokens(1024, 50_257, 3);
            LogProbabilities scores = head.logProbabilities(hidden, targets, true, 5);
            Rows dHidden = Rows.of(new float[1024 * 2], 2, 1024);
            Gradient gradient = Gradient.of(device, weights);
            Loss loss =
                    head.lossAndGradients(hidden, targets, LossOptions.DEFAULT, dHidden, gradient, new Loss.Scratch());
            System.out.println("scored " + scores.ranks().length + ", trained " + loss.targets());
        }
    }
}
