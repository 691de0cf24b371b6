package dev.causal4j.machine;

import dev.causal4j.kernel.Products;
import java.util.Map;
import java.util.TreeMap;

/** Products of code whatever its digest, for tests of the exam in the kernel's package. */
public final class SpoiledCode {
    private SpoiledCode() {}

    /** The products of each set of this processor, by its label. */
    public static Map<String, Products> sets(byte[] code) {
        MachineCode mapped = new MachineCode(code);
        Map<String, Products> all = new TreeMap<>();
        for (InstructionSet set : InstructionSet.values()) {
            if (set.isIn(mapped.sets()) && (set != InstructionSet.AMX || mapped.permitsTiles())) {
                all.put(set.label(), new MachineProducts(mapped, set));
            }
        }
        return all;
    }
}
