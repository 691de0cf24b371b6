package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.json.Json;
import java.util.Map;

/** Mixtral (Jiang et al. 2024): Mistral with experts in every layer. */
record Mixtral(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.of(
            "router", "block_sparse_moe.gate",
            "gate", "block_sparse_moe.#w1",
            "up", "block_sparse_moe.#w3",
            "down", "block_sparse_moe.#w2"));

    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 0, 1e6, 1e-5));
        Experts experts = keys.experts("num_local_experts", 8, 2, keys.dense(), Routing.SOFTMAX_OF_CHOSEN, false);
        return keys.model(this, keys.block(keys.window(0), keys.rope(), experts));
    }
}
