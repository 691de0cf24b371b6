/**
 * Products by weights in groups, in machine code: {@link dev.causal4j.machine.MachineKernels} is a service that the
 * library finds, {@code MachineProducts} its products, {@code MachineCode} the code.
 *
 * <p>The code is data: a file of position-independent instructions, made of {@code src/main/c} by {@code
 * scripts/blob.sh}, mapped and made executable at start. Nothing is written to a disk, no library is loaded. Java
 * computes the same bits wherever it does not run.
 */
@NullMarked
package dev.causal4j.machine;

import org.jspecify.annotations.NullMarked;
