/**
 * Limits the texts that a model may write. A {@link dev.causal4j.constraint.Constraint} starts a {@link
 * dev.causal4j.constraint.Matcher} for each sequence; before each token the matcher says which tokens can follow.
 */
@NullMarked
package dev.causal4j.constraint;

import org.jspecify.annotations.NullMarked;
