package dev.causal4j.springai;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;

/**
 * Writes small models of random weights, with a token for nearly each byte, a template with tools, and room for long prompts.
 * They know nothing; no test depends on that.
 */
public final class SmallModel {
    private static final Path TEMPLATES = Path.of("../text/src/test/resources/dev/causal4j/chat");

    private static final String CONFIG = """
            {"model_type": "qwen3", "vocab_size": %d, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 96, "head_dim": 16, "hidden_act": "silu",
            "max_position_embeddings": 16384, "rms_norm_eps": 1e-6, "attention_bias": false, "rope_theta": 1000000,
            "tie_word_embeddings": true, "initializer_range": 0.25, "eos_token_id": %d}""";

    private SmallModel() {}

    /** The folder of a model, which is written if it is not there. */
    public static Path folder(String name, String template, long seed) {
        try {
            Path folder = Path.of("target/models").resolve(name);
            if (!Files.exists(folder.resolve("model.safetensors"))) { // it is written last
                write(Files.createDirectories(folder), TEMPLATES.resolve(template + ".jinja"), seed);
            }
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void write(Path folder, Path template, long seed) throws IOException {
        ChatTemplate.parse(template.toString(), Files.readString(template), Map.of())
                .save(folder);
        Tokenizer tokenizer = tokenizer();
        int end = tokenizer.id("<|im_end|>").orElseThrow();
        ModelConfig config = ModelConfig.parse(CONFIG.formatted(tokenizer.vocabularySize(), end));
        try (CausalLM model = CausalLM.create(config, seed, DType.F32, tokenizer)) {
            model.save(folder, DType.F32);
        }
    }

    private static Tokenizer tokenizer() throws IOException {
        try (InputStream in = SmallModel.class.getResourceAsStream("/tokenizer.json")) {
            return Tokenizer.fromJson(
                    "tokenizer.json", Objects.requireNonNull(in).readAllBytes());
        }
    }
}
