/**
 * Arguments shared by all arithmetic: {@link dev.causal4j.compute.Compute threads} and {@link dev.causal4j.compute.Rows
 * rows of activations}.
 */
@NullMarked
package dev.causal4j.compute;

import org.jspecify.annotations.NullMarked;
