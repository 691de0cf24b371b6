package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;

/**
 * A run of panels, the layout of all matrices. A panel holds {@value #WIDTH} outputs in a {@link WeightFormat}.
 *
 * @param memory one segment for all panels, or one for each
 * @param offset bytes from the start of the segment to the first panel
 * @param stride bytes from one panel to the next; 0 with a segment for each
 * @param count how many panels
 * @param depth steps of k in a panel
 */
public record Panels(WeightFormat format, MemorySegment[] memory, long offset, long stride, int count, int depth) {
    /** Outputs in a panel. */
    public static final int WIDTH = 64;

    /** A float of a panel or a file. */
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Two bytes of a panel or a file. */
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Panels in one segment. */
    public Panels(WeightFormat format, MemorySegment data, long offset, long stride, int count, int depth) {
        this(format, new MemorySegment[] {data}, offset, stride, count, depth);
    }

    /** Panels of f32 in one segment. */
    public Panels(MemorySegment data, long offset, long stride, int count, int depth) {
        this(PanelFormat.F32, data, offset, stride, count, depth);
    }

    /** The segment of a panel. */
    MemorySegment data(int panel) {
        return memory.length == 1 ? memory[0] : memory[panel];
    }

    /** How many panels hold {@code outputs} outputs. */
    public static int needed(int outputs) {
        return Math.ceilDiv(outputs, WIDTH);
    }

    /** A part of the run. */
    Panels from(int panel, int count) {
        MemorySegment[] some = memory.length == 1 ? memory : Arrays.copyOfRange(memory, panel, panel + count);
        return new Panels(format, some, start(panel), stride, count, depth);
    }

    /** Bytes from the start of its segment to a panel. */
    long start(int panel) {
        return offset + panel * stride;
    }

    /** The format of panels that are not in groups. */
    PanelFormat plain() {
        return (PanelFormat) format;
    }

    /** Throws unless all panels lie inside the memory. */
    void check() {
        if (count > 0) {
            long last = Math.addExact(offset, Math.multiplyExact(stride, (long) count - 1));
            Objects.checkIndex(offset, data(0).byteSize() + 1);
            for (int panel = memory.length == 1 ? count - 1 : 0; panel < count; panel++) {
                Objects.checkFromIndexSize(
                        last, format.bytes(depth), data(panel).byteSize());
            }
        }
    }
}
