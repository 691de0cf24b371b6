package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.json.Json;

/** Mistral (Jiang et al. 2023): Llama with a window in every layer. */
record Mistral(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 0, 1e4, 1e-6));
        boolean mixed = json.strings("layer_types").stream().distinct().count() > 1;
        json.support("layer_types", !mixed, "one type for all layers");
        return keys.model(this, keys.block(keys.window(4096)));
    }

    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return Family.isOfImages(name) || Family.super.isBuffer(decoder, name);
    }
}
