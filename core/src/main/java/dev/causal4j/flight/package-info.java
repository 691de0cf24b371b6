/**
 * Flight Recorder events for model work: each {@link dev.causal4j.flight.Work piece of work} and its duration.
 */
@NullMarked
package dev.causal4j.flight;

import org.jspecify.annotations.NullMarked;
