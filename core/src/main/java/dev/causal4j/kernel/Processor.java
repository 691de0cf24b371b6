package dev.causal4j.kernel;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/** What the system tells of the processor, where Java does not. It decides how fast a result comes, never its bits. */
final class Processor {
    private static final String AMD = "AuthenticAMD";

    private Processor() {}

    /** Physical cores this process may use: hyper-threads share the units that multiply, so they would not help. */
    static int physicalCores() {
        int logical = Runtime.getRuntime().availableProcessors();
        Set<String> cores = new HashSet<>();
        try (DirectoryStream<Path> cpus = Files.newDirectoryStream(Path.of("/sys/devices/system/cpu"), "cpu[0-9]*")) {
            for (Path cpu : cpus) {
                cores.add(Files.readString(cpu.resolve("topology/thread_siblings_list")));
            }
        } catch (IOException e) {
            return logical; // not Linux, or hidden from us
        }
        return cores.isEmpty() ? logical : Math.min(logical, cores.size());
    }

    /**
     * Whether the processor itself reads ahead as much as its memory gives, when a single run is read slowly. AMD's do: words
     * read ahead for them cost a third of the speed, while Intel's read half as fast again with them (docs/results/2026-11-26.md).
     */
    static boolean readsAhead() {
        if (Objects.requireNonNullElse(System.getenv("PROCESSOR_IDENTIFIER"), "")
                .contains(AMD)) { // Windows
            return true;
        }
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("vendor_id"))
                    .findFirst()
                    .orElse("")
                    .endsWith(AMD);
        } catch (IOException | RuntimeException e) {
            return false; // not Linux, or hidden from us
        }
    }
}
