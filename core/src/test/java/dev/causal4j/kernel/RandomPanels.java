package dev.causal4j.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

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

    /** All formats that can have so many inputs. */
    static List<WeightFormat> formats(int depth) {
        List<WeightFormat> formats = new ArrayList<>(List.of(PanelFormat.values()));
        for (int group : new int[] {16, 32}) {
            for (boolean minimum : new boolean[] {false, true}) {
                for (boolean wide : group == 16 ? new boolean[] {true} : new boolean[] {false, true}) { // as files have
                    if (depth % group == 0) {
                        formats.add(new GroupFormat(8, true, group, minimum, wide));
                        formats.add(new GroupFormat(4, !minimum, group, minimum, wide));
                    }
                }
            }
        }
        return formats;
    }

    private int[] words(GroupFormat format, int depth) {
        int[] words = new int[(int) format.bytes(depth) / 4];
        byte[] codes = new byte[64 * depth];
        float[] scales = new float[format.groups(depth)];
        float[] minimums = new float[scales.length];
        for (int j = 0; j < 64; j++) {
            for (int k = 0; k < depth; k++) {
                codes[j * depth + k] = (byte)
                        (format.bits() == 8
                                ? random.nextInt(256) - 128
                                : random.nextInt(16) - (format.signed() ? 8 : 0));
            }
            for (int g = 0; g < scales.length; g++) {
                scales[g] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
                minimums[g] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
            }
            format.putNumbers(j, depth, scales, minimums, words);
        }
        format.putCodes(codes, depth, words);
        return words;
    }

    /** Panels with a gap between them, as the keys of one head among others have. */
    Panels of(WeightFormat format, int count, int depth) {
        long size = format.bytes(depth);
        MemorySegment memory = memory(64 + count * (size + 128));
        if (format instanceof GroupFormat groups) {
            for (int p = 0; p < count; p++) {
                int[] words = words(groups, depth);
                MemorySegment.copy(words, 0, memory, Panels.INT, 64 + p * (size + 128), words.length);
            }
        }
        for (long i = 0; format == PanelFormat.F16 && i < memory.byteSize(); i += 4) {
            memory.set(Panels.INT, i, memory.get(Panels.INT, i) & 0xffffbfff); // finite in both halves
        }
        return new Panels(format, memory, 64, size + 128, count, depth);
    }
}
