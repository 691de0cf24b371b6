package dev.causal4j.machine;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.KernelProvider;
import dev.causal4j.kernel.Products;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Products in machine code for Linux, on x86-64 from AVX2 on, on AArch64 with SDOT. The property {@value #PROPERTY}
 * restricts them to {@code amx}, {@code avx512}, {@code avxvnni}, {@code avx2} or {@code dotprod}, for tests and
 * comparisons; all have the same bits. Thread-safe.
 */
public final class MachineKernels implements KernelProvider {
    /** The system property that restricts the instructions. */
    public static final String PROPERTY = "causal4j.machine";

    private volatile String name = "machine";

    /** Made by {@link java.util.ServiceLoader}. */
    public MachineKernels() {}

    @Override
    public String name() {
        return name;
    }

    @Override
    public boolean isUsable() {
        return MachineCode.ARCHITECTURE != null;
    }

    @Override
    public boolean multiplies(GroupFormat format) {
        return true;
    }

    /**
     * Maps the code and chooses the instructions.
     *
     * @throws IllegalStateException if the system refuses, or the processor lacks what the property names
     * @throws IllegalCallerException if the JDK denies native access
     */
    @Override
    public Products products() {
        MachineCode code = new MachineCode();
        InstructionSet chosen = choose(code, System.getProperty(PROPERTY));
        name = "machine-" + chosen.label();
        return new MachineProducts(code, chosen);
    }

    private static InstructionSet choose(MachineCode code, @Nullable String wanted) {
        List<InstructionSet> present = Arrays.stream(InstructionSet.values())
                .filter(set -> set.isIn(code.sets()))
                .toList();
        return present.stream()
                .filter(set -> wanted == null || wanted.equals(set.label()))
                .filter(set -> set != InstructionSet.AMX || code.permitsTiles())
                .reduce((_, faster) -> faster)
                .orElseThrow(() -> {
                    String labels = present.stream().map(InstructionSet::label).collect(Collectors.joining(", "));
                    return new IllegalStateException("-D" + PROPERTY + ": expected instructions of this processor ("
                            + (labels.isEmpty() ? "none" : labels) + "), got " + (wanted == null ? "none" : wanted));
                });
    }
}
