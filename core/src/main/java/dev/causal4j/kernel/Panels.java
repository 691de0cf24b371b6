package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * A run of panels: the layout of every matrix a product reads. A panel holds {@value #WIDTH} outputs as
 * {@code [depth][64]}, so that the lanes of a vector are neighbouring outputs and one step of k is one read in order.
 *
 * <p>In an f32 panel output j of a step is float j. In a bf16 panel a step is 32 words of 32 bits: word w holds output
 * {@code w / 16 * 32 + w % 16} in its low half and the output 16 further on in its high half, so that a shift and a mask
 * widen a whole vector at any width. In an int8 panel a step is 16 words: word w holds outputs w, w + 16, w + 32 and
 * w + 48, from its lowest byte up.
 *
 * @param offset bytes from the start of {@code data} to the first panel
 * @param stride bytes from one panel to the next
 * @param count how many panels
 * @param depth steps of k in a panel
 */
public record Panels(MemorySegment data, long offset, long stride, int count, int depth) {
    /** Outputs in a panel. */
    public static final int WIDTH = 64;

    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** How many panels hold {@code outputs} outputs. */
    public static int needed(int outputs) {
        return Math.ceilDiv(outputs, WIDTH);
    }

    /** Bytes from the start of {@code data} to a panel. */
    long start(int panel) {
        return offset + panel * stride;
    }

    /** Throws unless all panels, with numbers of {@code bytes} bytes, lie inside the memory. */
    void check(int bytes) {
        if (count > 0) {
            long last = Math.addExact(offset, Math.multiplyExact(stride, (long) count - 1));
            Objects.checkIndex(offset, data.byteSize() + 1);
            Objects.checkFromIndexSize(last, (long) depth * WIDTH * bytes, data.byteSize());
        }
    }
}
