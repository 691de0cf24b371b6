package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/** Phi 3 and 4: Llama with packed projections, partial rotation, LongRoPE and perhaps a window in every layer. */
final class Phi3 implements Family {
    @Override
    public String type() {
        return "phi3";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-5));
        int window = keys.window(0);
        RopeConfig rope = new RopeKeys(keys, false).readPhi();
        List<BlockConfig> blocks =
                keys.blocks(layer -> keys.block(keys.attention(window, rope, QueryKeyNorm.NONE), keys.dense()));
        return keys.model(this, false, blocks);
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        return switch (spec.module()) {
            case "qkv" -> Origin.tensor(LlamaNames.block(spec, root) + "self_attn.qkv_proj.weight", spec);
            case "up" -> Origin.tensor(LlamaNames.block(spec, root) + "mlp.gate_up_proj.weight", spec);
            default -> LlamaNames.OWN.origin(config, spec, root);
        };
    }
}
