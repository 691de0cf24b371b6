/**
 * The arithmetic.
 *
 * <p>{@link dev.causal4j.kernel.Kernels} checks arguments and calls a specification in plain Java or its twin on the
 * Vector API, which extends it; tests hold both to equal bits. A JVM starts with plain Java and changes to vectors when
 * a background warm-up has compiled them. A choice forced by the property runs from the first call. A {@link
 * dev.causal4j.kernel.KernelProvider} may multiply with instructions that Java does not have. A {@link
 * dev.causal4j.kernel.WeightFormat} knows how weights are stored.
 *
 * <p>Four rules give the same bits on every machine:
 * <ul>
 * <li>lanes run over outputs: each output of a matrix product is one chain of fused multiply-adds, in the order of k,
 * or for weights in groups, in the order of the groups: each group adds a sum of whole numbers, which is exact in any
 * order;
 *   <li>a sum that must be split is split into 16 virtual lanes (element i belongs to lane i mod 16) that are then
 *       added as a fixed tree (lane j + 8 onto j, then 4, 2, 1), whatever the width of the machine;
 *   <li>exp and tanh are fixed sequences of additions, multiplications and fused multiply-adds;
 *   <li>threads divide outputs, never a sum.
 * </ul>
 */
@NullMarked
package dev.causal4j.kernel;

import org.jspecify.annotations.NullMarked;
