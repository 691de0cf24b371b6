package dev.causal4j.machine;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Products;
import dev.causal4j.kernel.choice.KernelProvider;
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
    private @Nullable MachineCode code; // guarded by this

    /** Made by {@link java.util.ServiceLoader}. */
    public MachineKernels() {}

    @Override
    public String name() {
        return name;
    }

    /**
     * Whether the processor has one of the sets, for which the code is mapped. One that the property names is looked for on any
     * processor, so that its lack is told.
     *
     * @throws IllegalStateException if the system refuses the code
     * @throws IllegalCallerException if the JDK denies native access
     */
    @Override
    public boolean isUsable() {
        return MachineCode.ARCHITECTURE != null && isUsable(code().sets(), System.getProperty(PROPERTY));
    }

    static boolean isUsable(long sets, @Nullable String wanted) {
        return sets != 0 || wanted != null;
    }

    private synchronized MachineCode code() {
        if (code == null) {
            code = new MachineCode();
        }
        return code;
    }

    @Override
    public boolean multiplies(GroupFormat format) {
        return true;
    }

    /**
     * Chooses the instructions.
     *
     * @throws IllegalStateException if the system refuses the code, or the processor lacks what the property names
     * @throws IllegalCallerException if the JDK denies native access
     */
    @Override
    public Products products() {
        InstructionSet chosen = choose(code(), System.getProperty(PROPERTY));
        name = "machine-" + chosen.label();
        return new MachineProducts(code(), chosen);
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
