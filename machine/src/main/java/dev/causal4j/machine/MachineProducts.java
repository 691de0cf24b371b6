package dev.causal4j.machine;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Products;
import dev.causal4j.kernel.RoundedRows;
import java.lang.foreign.MemorySegment;

/** Products in machine code. {@link dev.causal4j.kernel.choice.Kernels} has checked every argument. Thread-safe. */
final class MachineProducts extends Products {
    /** Multiply-adds of a call, which keeps it below a millisecond: a collection waits for it. */
    private static final long MOST = 1 << 24;

    /** Floats of a widened group beside its codes: 64 scales and 64 minimums. */
    private static final int NUMBERS = 2 * Panels.WIDTH;

    /** Floats for two tiles of sums, and to align the room for cache lines. */
    private static final int MORE = 2 * 256 + 16;

    private final MachineCode code;
    private final InstructionSet set;
    private final Compute.Scratch<float[]> rooms = new Compute.Scratch<>(() -> new float[0]);

    MachineProducts(MachineCode code, InstructionSet set) {
        this.code = code;
        this.set = set;
    }

    @Override
    public void round(Rows x, RoundedRows to, int tile) {
        int first = tile * to.height();
        int at = (to.tile() + tile) * to.height();
        code.round(
                MemorySegment.ofArray(x.data()).asSlice(4L * x.start(first)),
                MemorySegment.ofArray(to.codes()).asSlice((long) at * to.depth()),
                MemorySegment.ofArray(to.scales()).asSlice(4L * at * (to.depth() / 32)),
                MemorySegment.ofArray(to.sums()).asSlice(4L * at * (to.depth() / to.group())),
                shape(0, 0, to.depth(), to.height(), Math.min(to.height(), x.count() - first), x.stride(), to.group()));
    }

    /** Fills {@code struct shape}; a rounding leaves the last four fields zero. */
    private MemorySegment shape(
            long stride, int count, int depth, int height, int rows, int next, int group, int... format) {
        long[] fields = {stride, count, depth, height, rows, next, set.bits, group, 0, 0, 0, 0};
        for (int i = 0; i < format.length; i++) {
            fields[8 + i] = format[i];
        }
        return MemorySegment.ofArray(fields);
    }

    @Override
    public void multiply(Panels w, RoundedRows x, Rows y) {
        int height = x.height();
        long tile = (long) height * w.depth() * Panels.WIDTH;
        int rows = height * (int) Math.max(1, MOST / tile);
        int panels = (int) Math.max(1, MOST / (tile * Math.ceilDiv(Math.min(rows, y.count()), height)));
        float[] room = rooms.take();
        int size = w.depth() / x.group() * (16 * x.group() + NUMBERS) + MORE;
        if (room.length < size) {
            room = new float[size];
        }
        for (int p = 0; p < w.count(); p += panels) {
            for (int r = 0; r < y.count(); r += rows) {
                multiply(w, p, Math.min(panels, w.count() - p), x, r, Math.min(rows, y.count() - r), y, room);
            }
        }
        rooms.give(room);
    }

    @Override
    public boolean pack(GroupFormat format, int depth, GroupFormat.Blocks row, byte[] panel, int j) {
        MemorySegment shape = shape(0, row.type(), depth, 0, j, 0, 0);
        return code.pack(row.data(), MemorySegment.ofArray(panel), shape);
    }

    /** Some panels and rows: one call. */
    private void multiply(Panels w, int panel, int count, RoundedRows x, int first, int rows, Rows y, float[] room) {
        GroupFormat f = (GroupFormat) w.format();
        long at = (long) x.tile() * x.height() + first;
        code.multiply(
                w.memory().asSlice(w.offset() + panel * w.stride()),
                MemorySegment.ofArray(x.codes()).asSlice(at * x.depth()),
                MemorySegment.ofArray(x.scales()).asSlice(4 * at * (x.depth() / 32)),
                MemorySegment.ofArray(x.sums()).asSlice(4 * at * (x.depth() / x.group())),
                MemorySegment.ofArray(y.data()).asSlice(4L * (y.start(first) + panel * Panels.WIDTH)),
                MemorySegment.ofArray(room),
                shape(
                        w.stride(),
                        count,
                        w.depth(),
                        x.height(),
                        rows,
                        y.stride(),
                        f.group(),
                        f.bits(),
                        f.bits() == 4 && f.signed() ? 8 : 0,
                        f.minimum() ? 1 : 0,
                        scales(f)));
    }

    /** The kind of scales as the code has it. */
    private static int scales(GroupFormat format) {
        return switch (format.scales()) {
            case HALVES -> 0;
            case FLOATS -> 1;
            case LEVELS -> 2;
        };
    }
}
