package dev.causal4j.head;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;

/** Digest of a head's results, which two processes can compare. */
public final class HeadDigest {
    private HeadDigest() {}

    /** The digest of scores, entropies, candidates, a loss and its gradients. */
    public static String ofAll() {
        CRC32 crc = new CRC32();
        for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.INT8}) {
            int width = dtype.isQuantised() ? 96 : 71;
            CausalLMHead head = Fixture.head(dtype, 1100, width, 1).withSoftCap(6);
            Rows hidden = Fixture.rows(139, width, 2);
            int[] targets = Fixture.tokens(139, 1100, 3);
            LogProbabilities scores = head.logProbabilities(hidden, targets, true, 3);
            Rows dHidden = Fixture.rows(139, width, 4);
            Gradient gradient = Gradient.of(Device.shared(), head.projection());
            LossOptions options = LossOptions.DEFAULT.withLabelSmoothing(0.1).withZLoss(1e-3);
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
        return "head " + crc.getValue();
    }
}
