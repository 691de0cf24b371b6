/**
 * The choice of kernels.
 *
 * <p>{@link dev.causal4j.kernel.choice.Kernels} is the entry to all arithmetic: it checks arguments and calls the
 * specification or its twin on the Vector API. A JVM starts with plain Java and changes to vectors when a background
 * warm-up has compiled them. A choice forced by the property runs from the first call. A {@link
 * dev.causal4j.kernel.choice.KernelProvider} may multiply with instructions that Java does not have, after it has
 * passed an exam.
 */
@NullMarked
package dev.causal4j.kernel.choice;

import org.jspecify.annotations.NullMarked;
