package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.util.Map;

/** Phi 3 and 4: Llama with packed projections, partial rotation, LongRoPE and perhaps a window in every layer. */
record Phi3(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.of("qkv", "self_attn.qkv_proj", "gate_up", "mlp.gate_up_proj"));

    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-5));
        int window = keys.window(0);
        int narrower = window < keys.pretrained ? window : 0; // models of 128K have twice their context as window
        return keys.model(this, keys.block(narrower, new RopeKeys(keys, false).read(true), keys.dense()));
    }
}
