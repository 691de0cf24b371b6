package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * Keys and values of one head in pages of {@value Panels#WIDTH} positions: in each page the keys are an f32 panel
 * [headSize][64], the values f32 rows [64][headSize].
 *
 * @param memory the pages in the order of their positions; there may be more than are read
 * @param keys bytes from the start of a page to the head's keys
 * @param values the same to its values
 */
public record Pages(MemorySegment[] memory, long keys, long values, int headSize) {
    /** The keys of some pages. */
    Panels keys(int first, int count) {
        MemorySegment[] some = first == 0 ? memory : Arrays.copyOfRange(memory, first, first + count);
        return new Panels(PanelFormat.F32, some, keys, 0, count, headSize);
    }

    /** Throws unless keys and values of {@code positions} positions lie inside the pages. */
    void check(int positions) {
        int count = Objects.checkIndex(Panels.needed(positions), memory.length + 1);
        long bytes = 4L * headSize * Panels.WIDTH;
        for (int page = 0; page < count; page++) {
            Objects.checkFromIndexSize(keys, bytes, memory[page].byteSize());
            Objects.checkFromIndexSize(values, bytes, memory[page].byteSize());
        }
    }
}
