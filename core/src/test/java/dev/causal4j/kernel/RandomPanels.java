package dev.causal4j.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;

/** Panels of random finite weights in every format. */
record RandomPanels(RandomGenerator random) {
    /** Memory of random f32 numbers. */
    MemorySegment memory(long bytes) {
        MemorySegment segment = Arena.ofAuto().allocate(bytes, 64);
        for (long i = 0; i + 4 <= bytes; i += 4) {
            segment.set(Panels.FLOAT, i, (float) random.nextGaussian());
        }
        return segment;
    }

    /** All formats that can have this many inputs. */
    static List<WeightFormat> formats(int depth) {
        return Stream.concat(Stream.of(PanelFormat.values()), GroupFormat.all())
                .filter(format -> depth % format.multiple() == 0)
                .toList();
    }

    /** Panels with a gap between them, as the keys of one head among others have. */
    Panels of(WeightFormat format, int count, int depth) {
        long size = format.bytes(depth);
        MemorySegment memory = memory(64 + count * (size + 128));
        for (int p = 0; format instanceof GroupFormat groups && p < count; p++) {
            groups.encodeRandom(random, depth, memory, 64 + p * (size + 128));
        }
        for (long i = 0; format == PanelFormat.F16 && i < memory.byteSize(); i += 4) {
            memory.set(Panels.INT, i, memory.get(Panels.INT, i) & 0xffffbfff); // finite in both halves
        }
        return new Panels(format, memory, 64, size + 128, count, depth);
    }
}
