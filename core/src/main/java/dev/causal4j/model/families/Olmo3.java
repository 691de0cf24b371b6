package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;

/**
 * OLMo 3 (2025): OLMo 2 with windows in three of four layers. Only layers without a window have scaled positions, as
 * the models were trained; the first releases of transformers 5 scale all.
 */
record Olmo3(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Json parameters = json.section("rope_parameters"); // for all layers, or a section for each kind
        double theta = parameters.number("rope_theta", json.number("rope_theta", 1e4, 1e-9, 1e300), 1e-9, 1e300);
        Keys keys = new Keys(json.with(Map.of("rope_local_base_freq", theta)), new Keys.Absent(0, 0, 0, 1e4, 1e-5));
        keys.places = NormPlaces.AFTER;
        keys.queryKeyNorm = QueryKeyNorm.ALL;
        Dense dense = keys.dense();
        BlockConfig windowed = keys.block(keys.window(4096), keys.rope(true), dense);
        BlockConfig full = keys.block(0, keys.rope(), dense);
        List<Boolean> isLocal = keys.local(layer -> (layer + 1) % 4 != 0);
        return keys.model(this, json, layer -> isLocal.get(layer) ? windowed : full);
    }
}
