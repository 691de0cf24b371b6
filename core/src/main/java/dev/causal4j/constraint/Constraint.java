package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Tokenizer;

/** The texts that a model may write. Immutable and thread-safe; each sequence has a matcher of its own. */
@FunctionalInterface
public interface Constraint {
    /** Returns a matcher of an empty text, for the tokens of a tokenizer. */
    Matcher start(Tokenizer tokenizer);
}
