package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Vocabulary;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The source of a constraint, from which its grammar is made. */
@FunctionalInterface
interface GrammarSource {
    /**
     * Returns the grammar of its texts.
     *
     * @param terms make the regular parts, of characters that the vocabulary can write
     * @param vocabulary null to find only errors and what is ignored
     * @param ignored receives what has no effect
     * @throws ConstraintException if it cannot be held exactly
     */
    Grammar compile(Terms terms, @Nullable Vocabulary vocabulary, List<String> ignored);
}
