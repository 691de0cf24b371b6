package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * A run of panels, the layout of all matrices. A panel holds {@value #WIDTH} outputs in a {@link WeightFormat}.
 *
 * @param offset bytes from the start of the memory to the first panel
 * @param stride bytes from one panel to the next
 * @param count how many panels
 * @param depth steps of k in a panel
 */
public record Panels(WeightFormat format, MemorySegment memory, long offset, long stride, int count, int depth) {
    /** Outputs in a panel. */
    public static final int WIDTH = 64;

    /** A float of a panel or a file. */
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Two bytes of a panel or a file. */
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Panels of f32. */
    public Panels(MemorySegment data, long offset, long stride, int count, int depth) {
        this(PanelFormat.F32, data, offset, stride, count, depth);
    }

    /** How many panels hold {@code outputs} outputs. */
    public static int needed(int outputs) {
        return Math.ceilDiv(outputs, WIDTH);
    }

    /** A part of the run. */
    Panels from(int panel, int count) {
        return new Panels(format, memory, start(panel), stride, count, depth);
    }

    /** Bytes from the start of the memory to a panel. */
    long start(int panel) {
        return offset + panel * stride;
    }

    /** The format of panels that are not in groups. */
    PanelFormat plain() {
        return (PanelFormat) format;
    }

    /** Throws unless all panels lie inside the memory. */
    public void check() {
        if (count > 0) {
            long last = Math.addExact(offset, Math.multiplyExact(stride, (long) count - 1));
            Objects.checkIndex(offset, memory.byteSize() + 1);
            Objects.checkFromIndexSize(last, format.bytes(depth), memory.byteSize());
        }
    }
}
