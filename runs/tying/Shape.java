import java.util.Locale;

/** A model's shape: of the family llama, with heads of 32, and as many of keys as of queries. */
record Shape(int vocabulary, int length, int hidden, int layers, int inner) {
    private static final int HEAD = 32;

    /**
     * Its config.json. Granite is Llama with factors; with an embedding's alone it is Gemma's old scale.
     *
     * @param scale of the embedding, 1 for none
     */
    String config(boolean tied, double scale) {
        String factors = scale == 1
                ? ""
                : ", \"embedding_multiplier\": " + scale + ", \"attention_multiplier\": " + 1 / Math.sqrt(HEAD)
                        + ", \"residual_multiplier\": 1.0, \"logits_scaling\": 1.0";
        return String.format(
                Locale.ROOT,
                """
                {"model_type": "%s", "vocab_size": %d, "max_position_embeddings": %d, "hidden_size": %d,
                 "intermediate_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d, "num_key_value_heads": %d,
                 "head_dim": %d, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000,
                 "tie_word_embeddings": %s%s}
                """,
                scale == 1 ? "llama" : "granite",
                vocabulary,
                length,
                hidden,
                inner,
                layers,
                hidden / HEAD,
                hidden / HEAD,
                HEAD,
                tied,
                factors);
    }
}
