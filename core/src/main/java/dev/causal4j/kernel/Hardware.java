package dev.causal4j.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Facts about the machine that the JDK does not report. They change speed, never bits. */
final class Hardware {
    private static final String AMD = "AuthenticAMD";

    private Hardware() {}

    /**
     * Whether the processor's own prefetching suffices. Touching the next panel slows a Zen 5 (docs/results/zen5.md)
     * and, we assume, all AMD processors; it speeds up an Emerald Rapids (docs/results/emerald-rapids.md).
     */
    static boolean readsAhead() {
        return readsAhead(System.getenv().getOrDefault("PROCESSOR_IDENTIFIER", ""), Path.of("/proc/cpuinfo"));
    }

    /** Whether the kernels in Java have 32 registers for vectors, as with 512 bits and on ARM. */
    static boolean hasManyRegisters() {
        return VectorWidth.chosen() == 512 || System.getProperty("os.arch", "").equals("aarch64");
    }

    /**
     * @param identifier the processor's name on Windows; empty on other systems
     * @param cpuinfo the content of Linux's /proc/cpuinfo
     */
    static boolean readsAhead(String identifier, Path cpuinfo) {
        if (identifier.contains(AMD)) {
            return true;
        }
        try (Stream<String> lines = Files.lines(cpuinfo)) {
            return lines.filter(line -> line.startsWith("vendor_id")).limit(1).anyMatch(line -> line.endsWith(AMD));
        } catch (IOException | UncheckedIOException e) {
            return false; // not Linux, or not readable
        }
    }
}
