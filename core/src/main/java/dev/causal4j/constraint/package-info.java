/**
 * What a model may write: a {@link dev.causal4j.constraint.Constraint} starts a {@link dev.causal4j.constraint.Matcher} for
 * each sequence, which says before each token which ones can follow.
 */
@NullMarked
package dev.causal4j.constraint;

import org.jspecify.annotations.NullMarked;
