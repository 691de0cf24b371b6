/**
 * What the JVM's flight recorder hears of models: {@link dev.causal4j.flight.Work pieces of work} and how long they took.
 */
@NullMarked
package dev.causal4j.flight;

import org.jspecify.annotations.NullMarked;
