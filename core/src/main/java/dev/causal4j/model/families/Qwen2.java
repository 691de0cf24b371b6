package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;

/** Qwen 2 and 2.5: Llama with biases of queries, keys and values, and perhaps windows in the upper layers. */
record Qwen2(String type) implements Family {
    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 32, 0, 1e4, 1e-6));
        keys.qkvBias = true;
        keys.outBias = false;
        return model(this, keys);
    }

    static ModelConfig model(Family family, Keys keys) throws FormatException {
        int window = keys.windowIfUsed();
        int first = keys.json.integer("max_window_layers", 28, 0, ModelConfig.MOST_LAYERS);
        return keys.model(family, layer -> layer >= first, keys.block(window), keys.block(0));
    }
}
