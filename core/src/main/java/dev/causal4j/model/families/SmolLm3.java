package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.function.IntPredicate;

/** SmolLM 3: Llama whose every fourth layer has no positions. */
record SmolLm3(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 4, 0, 2e6, 1e-6));
        keys.tied = true;
        int window = keys.windowIfUsed();
        int interval = json.integer("no_rope_layer_interval", 4, 1, Architecture.MOST_LAYERS);
        List<Integer> given = json.integers("no_rope_layers"); // 1 where a layer rotates
        json.check("no_rope_layers", given.isEmpty() || given.size() == keys.layers, keys.layers + " values");
        IntPredicate turns = layer -> given.isEmpty() ? (layer + 1) % interval != 0 : given.get(layer) != 0;
        List<Boolean> local = keys.local(turns.negate());
        RopeConfig rope = keys.rope();
        Dense dense = keys.dense();
        return keys.model(
                this, json, layer -> keys.block(local.get(layer) ? window : 0, turns.test(layer) ? rope : null, dense));
    }
}
