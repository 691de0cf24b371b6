package dev.causal4j.tensor;

import com.sun.management.OperatingSystemMXBean;
import dev.causal4j.MemoryLimitException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;

/**
 * Memory of one lifetime that counts against a limit of the process, since the JDK does not limit arenas. Mapped files do not count:
 * the system can drop their pages. Thread-safe.
 */
sealed class OffHeap implements Arena permits Slabs {
    /** The property that sets the limit in bytes, or in {@code k}, {@code m} or {@code g}. */
    static final String PROPERTY = "causal4j.memory";

    private static long limit; // 0 until it is asked for; guarded by the class
    private static long used; // by all; guarded by the class

    private final Arena arena = Arena.ofShared();
    private long taken; // of what is used; guarded by the class

    @Override
    public MemorySegment allocate(long bytes, long alignment) {
        long all = bytes + alignment - 1; // as Java takes them
        take(all);
        try {
            return arena.allocate(bytes, alignment);
        } catch (Throwable failure) {
            take(-all);
            throw failure;
        }
    }

    private void take(long bytes) {
        synchronized (OffHeap.class) {
            check(bytes);
            used += bytes;
            taken += bytes;
        }
    }

    /** @throws MemoryLimitException unless so many bytes are free */
    static synchronized void check(long bytes) {
        if (bytes > free()) {
            throw new MemoryLimitException(limit, used, bytes);
        }
    }

    /** Bytes that may still be taken. */
    static synchronized long free() {
        if (limit == 0) {
            limit = limit(System.getProperty(PROPERTY, ""));
        }
        return limit - used;
    }

    /** Unless it is set, seven eighths of what the machine or its container has; the rest is for Java itself. */
    static long limit(String set) {
        if (set.isEmpty()) {
            return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class)
                            .getTotalMemorySize()
                    / 8
                    * 7;
        }
        if (!set.matches("[1-9][0-9]{0,8}[kmg]|[1-9][0-9]{0,17}")) {
            throw new IllegalArgumentException("-D" + PROPERTY + ": expected bytes, such as 8g or 512m, got " + set);
        }
        int unit = "kmg".indexOf(set.charAt(set.length() - 1)) + 1;
        return Long.parseLong(unit == 0 ? set : set.substring(0, set.length() - 1)) << (10 * unit);
    }

    @Override
    public MemorySegment.Scope scope() {
        return arena.scope();
    }

    @Override
    public void close() {
        arena.close();
        synchronized (OffHeap.class) {
            used -= taken;
            taken = 0;
        }
    }
}
