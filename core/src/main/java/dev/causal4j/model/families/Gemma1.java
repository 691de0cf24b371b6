package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.json.Json;
import java.util.List;

/**
 * Gemma (2024), the first: Llama with gains 1 + w, a scaled embedding, gates of tanh GELU and heads wider than D / H.
 */
record Gemma1(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 16, 256, 1e4, 1e-6));
        keys.onlyFullAttention();
        keys.tied = true;
        keys.embeddingScale = (float) Math.sqrt(keys.hiddenSize);
        // The first files have gelu, but the model was trained with the tanh form. transformers first ignored the key,
        // later obeyed it.
        String old = json.string("hidden_act", "gelu");
        json.support("hidden_act", List.of("gelu", "gelu_pytorch_tanh").contains(old), "gelu or gelu_pytorch_tanh");
        ActivationFunction activation = keys.activation("hidden_activation", "gelu_pytorch_tanh");
        return keys.model(this, keys.block(0, keys.rope(), keys.dense("intermediate_size", activation, true, false)));
    }
}
