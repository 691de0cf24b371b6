package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;

/** Ministral (2024): Mistral with a window in the layers that a list names, or in all. */
record Ministral(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 0, 1e4, 1e-6));
        return keys.model(this, _ -> true, keys.block(keys.window(4096)), keys.block(0));
    }
}
