package dev.causal4j.kernel;

import dev.causal4j.kernel.GroupFormat.Blocks;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Packs codes, scales and minimums of rows into panels, in reused memory. Not thread-safe. */
public final class GroupPacker {
    /** Packs rows in blocks, see {@link Products#pack}. */
    @FunctionalInterface
    public interface OfBlocks {
        /**
         * Adds a row as output j of a panel, whose bytes for it are zeros. Returns false if it does not pack such rows.
         */
        boolean pack(Blocks row, byte[] panel, int j);
    }

    private static final VarHandle FOUR = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private final GroupFormat format;
    private final int depth;
    private final OfBlocks provided;
    private final byte[] row;
    private final float[] scales; // the scales of a row, exact in the format
    private final float[] minimums;
    private final byte[] panel;

    /** Packs all rows in Java. */
    public GroupPacker(GroupFormat format, int depth) {
        this(format, depth, (_, _, _) -> false);
    }

    /** Packs rows in Java that {@code provided} does not pack. */
    public GroupPacker(GroupFormat format, int depth, OfBlocks provided) {
        this.format = format;
        this.depth = depth;
        this.provided = provided;
        this.row = new byte[depth];
        this.scales = new float[format.scales(depth)];
        this.minimums = new float[scales.length];
        this.panel = new byte[Math.toIntExact(format.bytes(depth))];
    }

    /**
     * Stores the panel of rows {@code from} to {@code to - 1}, and scales of zero for the others.
     *
     * @throws IllegalArgumentException if a scale or minimum is not finite, where kernels differ
     */
    public void pack(int from, int to, MemorySegment panels, long at, GroupFormat.Codes source) {
        Arrays.fill(panel, (byte) 0);
        for (int n = from; n < to; n++) {
            Blocks blocks = source.blocks(n);
            if (blocks == null || !provided.pack(blocks, panel, n - from)) {
                source.row(n, row, scales, minimums);
                put(n, n - from);
            }
        }
        MemorySegment.copy(panel, 0, panels, ValueLayout.JAVA_BYTE, at, panel.length);
    }

    /** The panel that was packed last. */
    public byte[] panel() {
        return panel;
    }

    /** Puts a row in blocks as output j, whose bytes are zeros. Returns false if a scale is not finite. */
    public boolean put(Blocks blocks, int j) {
        blocks.decoder().decode(blocks.data(), row, scales, minimums);
        try {
            put(0, j);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private void put(int n, int j) {
        putNumbers(n, j);
        putCodes(j);
    }

    private void putNumbers(int n, int j) {
        int groups = format.groups(depth);
        for (int i = 0; i < scales.length; i++) {
            if (!Float.isFinite(scales[i]) || !Float.isFinite(minimums[i])) {
                throw new IllegalArgumentException(format.label() + ": expected finite scales and minimums, got "
                        + scales[i] + " and " + minimums[i] + " in row " + n);
            }
            GroupFormat.Scales stored = i < groups ? format.scales() : GroupFormat.Scales.HALVES;
            long at = i < groups
                    ? format.numbersAt(i)
                    : format.headAt((i - groups) * (GroupFormat.BLOCK / format.group()));
            put(stored, scales[i], (int) at, j);
            if (format.minimum()) {
                put(stored, minimums[i], (int) at + (i < groups ? format.scaleBytes() : GroupFormat.HALVES_BYTES), j);
            }
        }
    }

    private void put(GroupFormat.Scales stored, float number, int at, int j) {
        switch (stored) {
            case LEVELS -> panel[at + j] = (byte) number;
            case FLOATS -> FOUR.set(panel, at + 4 * j, Float.floatToRawIntBits(number));
            case HALVES -> {
                short half = Float.floatToFloat16(number);
                panel[at + 2 * j] = (byte) half;
                panel[at + 2 * j + 1] = (byte) (half >> 8);
            }
        }
    }

    private void putCodes(int j) {
        int zeros = format.zero() * 0x01010101;
        int held = format.bits() == 8 ? Panels.WIDTH : Panels.WIDTH / 2; // words of four inputs
        int shift = j / held * 4;
        for (int g = 0; g < depth / format.group(); g++) {
            int to = (int) format.codesAt(g) + j % held * 4;
            for (int k = g * format.group(); k < (g + 1) * format.group(); k += 4, to += held * 4) {
                int four = (int) FOUR.get(row, k) ^ zeros; // adds 128, or 8 to 4 bits
                if (format.bits() == 8) {
                    FOUR.set(panel, to, four);
                } else {
                    FOUR.set(panel, to, (int) FOUR.get(panel, to) | (four & 0x0f0f0f0f) << shift);
                }
            }
        }
    }
}
