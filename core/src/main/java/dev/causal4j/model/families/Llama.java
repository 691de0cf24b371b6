package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/**
 * Llama 2 and 3 (Touvron et al. 2023) and all that say so: RMS norms, rotary positions, gated SiLU, query heads in groups
 * that share a key head.
 */
final class Llama implements Family {
    @Override
    public String type() {
        return "llama";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-6));
        keys.onlyFullAttention();
        RopeConfig rope = keys.rope();
        List<BlockConfig> blocks =
                keys.blocks(layer -> keys.block(keys.attention(0, rope, QueryKeyNorm.NONE), keys.dense()));
        return keys.model(this, false, blocks);
    }
}
