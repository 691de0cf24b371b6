package dev.causal4j.machine;

import java.util.Locale;

/** The sets of instructions that the code has kernels for, the fastest of an architecture last. */
enum InstructionSet {
    DOTPROD(16),
    AVX2(1),
    AVXVNNI(2),
    AVX512(4),
    AMX(8 | 4);

    /** The mask passed to the C code. AMX implies AVX-512, which takes fewer than 32 rows and some formats. */
    final long bits;

    InstructionSet(long bits) {
        this.bits = bits;
    }

    boolean isIn(long sets) {
        return (sets & bits) == bits;
    }

    /** Its name in the property and in messages. */
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
