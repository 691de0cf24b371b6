/**
 * Limits the texts that a model may write. A {@link dev.causal4j.constraint.Constraint} starts a {@link
 * dev.causal4j.constraint.Matcher} for each sequence; before each token the matcher says which tokens can follow. Tokens
 * are those of a {@link dev.causal4j.tokenizer.Vocabulary}.
 */
@NullMarked
package dev.causal4j.constraint;

import org.jspecify.annotations.NullMarked;
