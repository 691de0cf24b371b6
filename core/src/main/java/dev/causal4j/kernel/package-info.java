/**
 * The arithmetic.
 *
 * <p>{@link dev.causal4j.kernel.Products}, {@link dev.causal4j.kernel.Reductions}, {@link
 * dev.causal4j.kernel.Elementwise} and {@link dev.causal4j.kernel.Recurrences} are the specification in plain Java.
 * Their twins on the Vector API extend them; tests hold both to equal bits. {@link dev.causal4j.kernel.JavaKernels} has
 * either. {@code kernel.choice} checks arguments and chooses the kernels. A {@link dev.causal4j.kernel.WeightFormat}
 * knows how weights are stored.
 *
 * <p>Four rules give the same bits on every machine:
 * <ul>
 *   <li>lanes run over outputs: each output of a matrix product is one chain of fused multiply-adds, in the order of k,
 *       or for weights in groups, in the order of the groups: each group adds a sum of whole numbers, which is exact in
 *       any order;
 *   <li>a sum that must be split is split into 16 virtual lanes (element i belongs to lane i mod 16) that are then
 *       added as a fixed tree (lane j + 8 onto j, then 4, 2, 1), whatever the width of the machine;
 *   <li>exp and tanh are fixed sequences of additions, multiplications and fused multiply-adds;
 *   <li>threads divide outputs, never a sum.
 * </ul>
 */
@NullMarked
package dev.causal4j.kernel;

import org.jspecify.annotations.NullMarked;
