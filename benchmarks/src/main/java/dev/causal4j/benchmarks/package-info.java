/**
 * JMH benchmarks, from one kernel to a whole decode step, each beside {@code naive} twins in plain Java. Not published.
 *
 * <p>{@link dev.causal4j.benchmarks.Protocol} has the settings. Sizes are parameters; their defaults are those of GPT-2
 * small, and the test uses tiny ones. Weights are {@link dev.causal4j.benchmarks.RandomNumbers}. The module's README
 * explains how to run and read the benchmarks.
 */
@NullMarked
package dev.causal4j.benchmarks;

import org.jspecify.annotations.NullMarked;
