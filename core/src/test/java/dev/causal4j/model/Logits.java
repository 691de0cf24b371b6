package dev.causal4j.model;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;

/** Logits of a whole sequence, which tests compare bit for bit. */
final class Logits {
    private Logits() {}

    /** [T, V] from an empty cache. */
    static float[] of(CausalLM model, int... tokens) {
        Rows hidden = model.forward(Batch.of(model.newCache(), tokens), new Activations());
        int vocabularySize = model.head().vocabularySize();
        float[] logits = new float[tokens.length * vocabularySize];
        model.head().logits(hidden, Rows.of(logits, vocabularySize, tokens.length));
        return logits;
    }
}
