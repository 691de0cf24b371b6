package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.JavaProcess;
import dev.causal4j.Whole;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.HeadDigest;
import dev.causal4j.kernel.choice.Kernels;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Every machine's kernels give the same bits: this JVM's own, and the others, each in a JVM of its own, since a JVM
 * chooses once.
 */
class EqualKernelsTest {
    private static final int WIDEST = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    private static final List<String> OWN = Digest.lines();

    @Test
    void aJvmWithoutTheVectorModuleAgrees() throws IOException, InterruptedException {
        assertAgrees("scalar", JavaProcess.BRIEF, "-Dcausal4j.kernels=scalar");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void vectorsOf128BitsAgree() throws IOException, InterruptedException {
        assertAgrees("vector128", JavaProcess.VECTORS, "-Dcausal4j.kernels=vector128");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aMachineWithAvx2OnlyAgrees() throws IOException, InterruptedException {
        assumeTrue(System.getProperty("os.arch").equals("amd64") && WIDEST >= 256);
        assertAgrees("vector256", JavaProcess.VECTORS, "-XX:UseAVX=2", "-Dcausal4j.kernels=vector256");
    }

    private static void assertAgrees(String kernels, String... flags) throws IOException, InterruptedException {
        assertThat(Kernels.state()).isEqualTo("vector" + Math.min(WIDEST, 512));
        List<String> all = new ArrayList<>(List.of(flags));
        all.add("-XX:+UseSerialGC");
        List<String> lines = JavaProcess.run(0, all, Digest.class);
        assertThat(lines).contains("ran on " + kernels).containsAll(OWN);
    }

    /**
     * Prints digests of a head's results, of logits for prompts of several lengths, whole, in pieces and in a batch,
     * and of a training step's loss and gradients with dropout; then the kernels that ran.
     */
    static final class Digest {
        private Digest() {}

        public static void main(String[] args) {
            lines().forEach(System.out::println);
            System.out.println("ran on " + Kernels.state());
        }

        static List<String> lines() {
            List<String> lines = new ArrayList<>();
            int second = Whole.or(66, 5);
            lines.add(HeadDigest.ofAll());
            QuantisedBitsTest.names().forEach(name -> lines.add(name + " " + QuantisedBitsTest.digest(name)));
            for (EqualBitsTest.Case each : EqualBitsTest.cases()) {
                CausalLM model = each.model();
                for (int length : new int[] {1, 2, 6, 13, 131}) {
                    int[] tokens = EqualBitsTest.tokens(length, length);
                    lines.add(each + " all of " + length + " " + crc(EqualBitsTest.logits(model, tokens)));
                    if (length > 64 && !Whole.RUN) {
                        continue; // its pages are those of all rows
                    }
                    Batch batch = Batch.last(model.newCache(), tokens);
                    float[] last = model.head().logits(model.forward(batch, new Activations()), 0);
                    lines.add(each + " last of " + length + " " + crc(last));
                    lines.add(each + " normalizer " + CausalLMHead.logNormalizer(last, 0, last.length - length % 5));
                }
                lines.add(each + " in pieces " + crc(EqualBitsTest.inPieces(model, 64, 1, 7)));
                lines.add(each + " in a batch " + crc(EqualBitsTest.inABatch(model, 7, 1, 65)));
                Pass pass = Pass.of(
                        model,
                        List.of(EqualBitsTest.tokens(1, 71), EqualBitsTest.tokens(2, second)),
                        EqualBitsTest.tokens(3, 71 + second),
                        Activations.forTraining(0, Activations.Keep.BLOCKS),
                        new Dropout(0.1, 0.2, 0.3, 0xfedcba9876543210L, 11, 5));
                lines.add(each + " loss " + pass.loss());
                pass.gradients().forEach((name, gradient) -> lines.add(each + " " + name + " " + crc(gradient)));
            }
            return lines;
        }

        private static long crc(float... numbers) {
            CRC32 crc = new CRC32();
            for (float number : numbers) {
                crc.update(HexFormat.of()
                        .toHexDigits(Float.floatToRawIntBits(number))
                        .getBytes(StandardCharsets.US_ASCII));
            }
            return crc.getValue();
        }
    }
}
