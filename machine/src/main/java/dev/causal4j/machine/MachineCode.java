package dev.causal4j.machine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The mapped code and its entries, for the life of the process. The system's {@code mmap}, {@code mprotect} and {@code
 * getauxval} are the only symbols it needs; memory is never writable and executable at once. Arguments may be arrays of
 * the heap: a collection waits for the end of a call. Thread-safe.
 */
final class MachineCode {
    /** The architecture that the blob is for, or null if there is none. */
    static final @Nullable String ARCHITECTURE = "Linux".equals(System.getProperty("os.name"))
            ? Map.of("amd64", "x86_64", "aarch64", "aarch64").get(System.getProperty("os.arch"))
            : null;

    /** Bytes from an entry of the table at the start of the code to the next, in the order of {@code table.S}. */
    private static final int ENTRY = 8;

    private static final int READ_WRITE = 1 | 2;
    private static final int READ_EXECUTE = 1 | 4;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final int PAGE = 4096;

    /** What {@code getauxval} is asked for: what Linux knows of the processor. */
    private static final long HWCAP = 16;

    private final long sets;
    private final MethodHandle permit;
    private final MemorySegment round;
    private final MemorySegment multiply;

    /** Constants, so that the compiler makes them plain calls of an entry; apart, because the JDK may deny them. */
    private static final class Calls {
        static final MethodHandle ROUND = critical(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
        static final MethodHandle MULTIPLY = critical(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);

        private static MethodHandle critical(MemoryLayout... args) {
            return Linker.nativeLinker().downcallHandle(FunctionDescriptor.ofVoid(args), Linker.Option.critical(true));
        }
    }

    /**
     * Maps the code.
     *
     * @throws IllegalStateException if the system refuses
     * @throws IllegalCallerException if the JDK does: it was started with native access denied
     */
    MachineCode() {
        byte[] code = blob();
        Linker linker = Linker.nativeLinker();
        MethodHandle mmap =
                symbol(linker, "mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
        MethodHandle mprotect = symbol(linker, "mprotect", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
        long size = Math.ceilDiv(code.length, PAGE) * (long) PAGE;
        try {
            MemorySegment at =
                    (MemorySegment) mmap.invokeExact(MemorySegment.NULL, size, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            if (at.address() == -1) {
                throw new IllegalStateException("mmap: expected " + size + " bytes, got a refusal");
            }
            MemorySegment mapped = at.reinterpret(size);
            MemorySegment.copy(code, 0, mapped, JAVA_BYTE, 0, code.length);
            if ((int) mprotect.invokeExact(at, size, READ_EXECUTE) != 0) {
                throw new IllegalStateException("mprotect: expected memory that executes, got a refusal");
            }
            long known =
                    (long) symbol(linker, "getauxval", JAVA_LONG, JAVA_LONG).invokeExact(HWCAP);
            FunctionDescriptor ask = FunctionDescriptor.of(JAVA_LONG, JAVA_LONG);
            sets = (long) linker.downcallHandle(mapped, ask).invokeExact(known);
            permit = linker.downcallHandle(mapped.asSlice(ENTRY), FunctionDescriptor.of(JAVA_LONG));
            round = mapped.asSlice(2 * ENTRY);
            multiply = mapped.asSlice(3 * ENTRY);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    private static byte[] blob() {
        String name = "kernels-" + ARCHITECTURE + ".bin";
        try (InputStream in = MachineCode.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("causal4j-machine: expected " + name + ", got a jar without it");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static MethodHandle symbol(Linker linker, String name, MemoryLayout result, MemoryLayout... args) {
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(result, args));
    }

    private static RuntimeException failure(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException known ? known : new IllegalStateException(e);
    }

    /** What this processor has and the system lets programs use, as bits of {@link InstructionSet}. */
    long sets() {
        return sets;
    }

    /** Asks the system for this process's use of tiles, the registers of AMX. */
    boolean permitsTiles() {
        try {
            return (long) permit.invokeExact() == 0;
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** Rounds rows of numbers to a tile of codes, scales and sums. */
    void round(MemorySegment x, MemorySegment codes, MemorySegment scales, MemorySegment sums, MemorySegment shape) {
        try {
            Calls.ROUND.invokeExact(round, x, codes, scales, sums, shape);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** Multiplies rounded rows by panels. */
    void multiply(
            MemorySegment panels,
            MemorySegment codes,
            MemorySegment scales,
            MemorySegment sums,
            MemorySegment y,
            MemorySegment scratch,
            MemorySegment shape) {
        try {
            Calls.MULTIPLY.invokeExact(multiply, panels, codes, scales, sums, y, scratch, shape);
        } catch (Throwable e) {
            throw failure(e);
        }
    }
}
