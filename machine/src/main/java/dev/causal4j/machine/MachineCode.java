package dev.causal4j.machine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * The mapped code and its entries, for the life of the process. The system's {@code mmap}, {@code mprotect}, {@code prctl} and
 * {@code getauxval} are the only symbols it needs; memory is never writable and executable at once. Arguments may be arrays
 * of the heap: a collection waits for the end of a call. Thread-safe.
 */
final class MachineCode {
    /** The architecture that the blob is for, or null if there is none. */
    static final @Nullable String ARCHITECTURE = "Linux".equals(System.getProperty("os.name"))
            ? Map.of("amd64", "x86_64", "aarch64", "aarch64").get(System.getProperty("os.arch"))
            : null;

    /** The CRC-32 of each blob, as {@code scripts/blob.sh} prints it. Code that has another is damaged or foreign, and never run. */
    static final Map<String, Long> DIGESTS = Map.of("x86_64", 0x55564b62L, "aarch64", 0xa7428facL);

    /** Bytes from an entry of the table at the start of the code to the next, in the order of {@code table.S}. */
    private static final int ENTRY = 8;

    private static final int READ_WRITE = 1 | 2;
    private static final int READ_EXECUTE = 1 | 4;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final int PAGE = 4096;

    /** What {@code prctl} is asked for: to name a mapping, for crash files and profilers. Older systems refuse, which does no harm. */
    private static final long SET_VMA = 0x53564d41;

    /** What {@code getauxval} is asked for: what Linux knows of the processor. */
    private static final long HWCAP = 16;

    /** Calls a function of whole numbers. */
    private final MethodHandle numbers = handle(JAVA_LONG, 6);

    private final long sets;
    private final MemorySegment permit;
    private final MemorySegment round;
    private final MemorySegment multiply;
    private final MemorySegment pack;

    /** A constant, so that the compiler makes plain calls of it; apart, because the JDK may deny it. */
    private static final class Calls {
        /** Calls a function of memory, which ends soon. */
        static final MethodHandle MEMORY = handle(ADDRESS, 7, Linker.Option.critical(true));
    }

    /**
     * A downcall handle. Two serve all functions, which ignore surplus arguments: each more takes Java 15 ms to make.
     */
    private static MethodHandle handle(MemoryLayout each, int count, Linker.Option... options) {
        MemoryLayout[] all = Collections.nCopies(count, each).toArray(MemoryLayout[]::new);
        return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(JAVA_LONG, all), options);
    }

    /**
     * Maps the code.
     *
     * @throws IllegalStateException if the system refuses, or the code is not that of this class
     * @throws IllegalCallerException if the JDK refuses: it was started with native access denied
     */
    MachineCode() {
        this(checked(blob()));
    }

    /** Maps code whatever its digest. */
    MachineCode(byte[] code) {
        long size = Math.ceilDiv(code.length, PAGE) * (long) PAGE;
        long at = call(system("mmap"), 0, size, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
        if (at == -1) {
            throw new IllegalStateException("mmap: expected " + size + " bytes, got a refusal");
        }
        MemorySegment mapped = MemorySegment.ofAddress(at).reinterpret(size);
        MemorySegment.copy(code, 0, mapped, JAVA_BYTE, 0, code.length);
        if ((int) call(system("mprotect"), at, size, READ_EXECUTE, 0, 0, 0) != 0) {
            throw new IllegalStateException("mprotect: expected memory that executes, got a refusal");
        }
        MemorySegment name = Arena.global().allocateFrom("causal4j-machine");
        call(system("prctl"), SET_VMA, 0, at, size, name.address(), 0);
        sets = call(mapped, call(system("getauxval"), HWCAP, 0, 0, 0, 0, 0), 0, 0, 0, 0, 0);
        permit = mapped.asSlice(ENTRY);
        round = mapped.asSlice(2 * ENTRY);
        multiply = mapped.asSlice(3 * ENTRY);
        pack = mapped.asSlice(4 * ENTRY);
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

    /** The code, if it is that of this class. */
    static byte[] checked(byte[] code) {
        CRC32 digest = new CRC32();
        digest.update(code);
        long expected = Objects.requireNonNull(DIGESTS.get(ARCHITECTURE));
        if (digest.getValue() != expected) {
            throw new IllegalStateException("machine code for " + ARCHITECTURE + ": expected the digest "
                    + Long.toHexString(expected) + ", got " + Long.toHexString(digest.getValue())
                    + "; install causal4j-machine's jar again");
        }
        return code;
    }

    private static MemorySegment system(String name) {
        return Linker.nativeLinker().defaultLookup().findOrThrow(name);
    }

    private long call(MemorySegment function, long a, long b, long c, long d, long e, long f) {
        try {
            return (long) numbers.invokeExact(function, a, b, c, d, e, f);
        } catch (Throwable failure) {
            throw failure(failure);
        }
    }

    private static long call(
            MemorySegment function,
            MemorySegment a,
            MemorySegment b,
            MemorySegment c,
            MemorySegment d,
            MemorySegment e,
            MemorySegment f,
            MemorySegment g) {
        try {
            return (long) Calls.MEMORY.invokeExact(function, a, b, c, d, e, f, g);
        } catch (Throwable failure) {
            throw failure(failure);
        }
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
        return call(permit, 0, 0, 0, 0, 0, 0) == 0;
    }

    /** Rounds rows of numbers to a tile of codes, scales and sums. */
    void round(MemorySegment x, MemorySegment codes, MemorySegment scales, MemorySegment sums, MemorySegment shape) {
        call(round, x, codes, scales, sums, shape, shape, shape);
    }

    /** Packs a row of blocks; whether it did. */
    boolean pack(MemorySegment blocks, MemorySegment panel, MemorySegment shape) {
        return call(pack, blocks, panel, shape, shape, shape, shape, shape) != 0;
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
        call(multiply, panels, codes, scales, sums, y, scratch, shape);
    }
}
