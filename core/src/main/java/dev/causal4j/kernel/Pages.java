package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * Keys and values of one head in pages of {@value Panels#WIDTH} positions: in each page the keys are a panel
 * [headSize][64], the values rows [64][headSize], of f32 or bf16. Rows of bf16 are padded to whole words of a step of a
 * panel.
 *
 * @param format of keys and values
 * @param memory the pages in the order of their positions; there may be more than are read
 * @param keys bytes from the start of a page to the head's keys
 * @param values bytes from the start of a page to the head's values
 */
public record Pages(PanelFormat format, MemorySegment[] memory, long keys, long values, int headSize) {
    /** The keys of some pages. */
    Panels keys(int first, int count) {
        MemorySegment[] some = first == 0 ? memory : Arrays.copyOfRange(memory, first, first + count);
        return new Panels(format, some, keys, 0, count, headSize);
    }

    /** Throws unless keys and values of the positions {@code from} to {@code to - 1} lie inside the pages. */
    void check(int from, int to) {
        int count = Objects.checkIndex(Panels.needed(to), memory.length + 1);
        for (int page = from / Panels.WIDTH; page < count; page++) {
            Objects.checkFromIndexSize(keys, format.bytes(headSize), memory[page].byteSize());
            Objects.checkFromIndexSize(values, Panels.WIDTH * format.rowBytes(headSize), memory[page].byteSize());
        }
    }
}
