package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;

/**
 * Llama 2 and 3 (Touvron et al. 2023) and all models of type llama: RMS norms, rotary positions, gated SiLU, query
 * heads in groups that share a key head.
 */
record Llama(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-6));
        keys.onlyFullAttention();
        return keys.model(this, keys.block(0));
    }
}
