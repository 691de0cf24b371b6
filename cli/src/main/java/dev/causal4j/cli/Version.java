package dev.causal4j.cli;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.Kernels;
import java.util.List;
import java.util.Objects;

/** Prints {@code --version}. */
final class Version {
    private Version() {}

    static List<String> lines() {
        String version = Main.class.getPackage().getImplementationVersion();
        return List.of(
                "causal4j " + Objects.requireNonNullElse(version, "(not packaged)"),
                "JDK " + Runtime.version(),
                "kernels " + Kernels.name() + ", " + Compute.shared().threads() + " threads");
    }
}
