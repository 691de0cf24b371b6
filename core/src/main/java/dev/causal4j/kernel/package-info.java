/**
 * The arithmetic, and the threads that share it.
 *
 * <p>{@link dev.causal4j.kernel.Kernels} is the only front door to it. Behind it stand a scalar specification, written in
 * plain Java, and its twin on the Vector API; a test holds the two to equal bits. Where the JVM has vectors, each kernel of
 * a first token begins as plain Java and goes over to its twin once that is compiled and the faster one; with a choice
 * forced by the property, the kernels chosen run from the first call.
 *
 * <p>The promise of the project (the same bits on every machine) is kept here, by four rules:
 * <ul>
 *   <li>lanes run over outputs: each output of a matrix product is one chain of fused multiply-adds in the order of k;
 *   <li>a sum that must be split is split into 16 virtual lanes (element i belongs to lane i mod 16) that are then added
 *       as a fixed tree (lane j + 8 onto j, then 4, 2, 1), whatever the width of the machine;
 *   <li>exp and tanh are our own sequence of additions, multiplications and fused multiply-adds;
 *   <li>threads divide outputs, never a sum.
 * </ul>
 */
@NullMarked
package dev.causal4j.kernel;

import org.jspecify.annotations.NullMarked;
