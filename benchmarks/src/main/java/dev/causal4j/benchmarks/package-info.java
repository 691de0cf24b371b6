/**
 * JMH benchmarks of what the library computes, from one kernel to a whole decode step, each beside {@code naive} twins in
 * plain Java. Not published.
 *
 * <p>{@link dev.causal4j.benchmarks.Protocol} says how all are measured. Sizes are parameters whose defaults are those of
 * GPT-2 small; with tiny ones everything runs in a moment, which is what the test does. Weights are
 * {@link dev.causal4j.benchmarks.RandomNumbers}: speed does not depend on their values. The README of the module says how to
 * run the benchmarks and how to read them.
 */
@NullMarked
package dev.causal4j.benchmarks;

import org.jspecify.annotations.NullMarked;
