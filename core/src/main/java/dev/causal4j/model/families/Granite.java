package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;

/** Granite 3: Llama with multipliers of embedding, attention, residual and logits. */
record Granite(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-6));
        keys.onlyFullAttention();
        multiply(keys);
        return keys.model(this, keys.block(0));
    }

    static void multiply(Keys keys) throws FormatException {
        Json json = keys.json;
        keys.scale = (float) json.number("attention_multiplier", 1, -1e9, 1e9);
        keys.residualScale = (float) json.number("residual_multiplier", 1, -1e9, 1e9);
        keys.embeddingScale = (float) json.number("embedding_multiplier", 1, -1e9, 1e9);
        keys.hiddenScale = (float) (1 / json.number("logits_scaling", 1, 1e-9, 1e9));
    }
}
