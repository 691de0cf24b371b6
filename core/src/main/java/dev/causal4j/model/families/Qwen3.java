package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;

/** Qwen 3: Llama with norms of each head's queries and keys, and perhaps windows in the upper layers. */
record Qwen3(String type) implements Family {
    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 32, 128, 1e4, 1e-6));
        keys.queryKeyNorm = QueryKeyNorm.HEAD;
        return Qwen2.model(this, keys);
    }
}
