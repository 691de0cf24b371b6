package dev.causal4j.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What the system tells of the machine, where Java does not. It decides how soon a result comes, never its bits. */
final class Hardware {
    private static final String AMD = "AuthenticAMD";

    private Hardware() {}

    /**
     * Whether the processor reads ahead well enough by itself. A Zen 5 loses a fifth to a third of its speed to words that are
     * read ahead for it (docs/results/zen5.md), which is assumed of all of AMD's; Intel's Emerald Rapids gains up to half
     * (docs/results/emerald-rapids.md).
     */
    static boolean readsAhead() {
        return readsAhead(System.getenv().getOrDefault("PROCESSOR_IDENTIFIER", ""), Path.of("/proc/cpuinfo"));
    }

    /**
     * @param identifier what Windows calls the processor; empty on other systems
     * @param cpuinfo what Linux tells of it
     */
    static boolean readsAhead(String identifier, Path cpuinfo) {
        if (identifier.contains(AMD)) {
            return true;
        }
        try (Stream<String> lines = Files.lines(cpuinfo)) {
            return lines.filter(line -> line.startsWith("vendor_id")).limit(1).anyMatch(line -> line.endsWith(AMD));
        } catch (IOException | UncheckedIOException e) {
            return false; // not Linux, or hidden from us
        }
    }
}
