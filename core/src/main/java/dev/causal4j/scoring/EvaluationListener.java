package dev.causal4j.scoring;

import dev.causal4j.scoring.Evaluation.Answer;
import java.util.Optional;

/** Receives the documents of an evaluation, on its thread. */
public interface EvaluationListener {
    /** A listener that ignores them. */
    EvaluationListener NONE = _ -> {};

    /** The answer to a document that an earlier run computed; empty to compute it. Called by task, filter and document. */
    default Optional<Answer> known(String task, String filter, int document) {
        return Optional.empty();
    }

    /** Takes a document, by task, filter and document. */
    void accept(Sample sample);
}
