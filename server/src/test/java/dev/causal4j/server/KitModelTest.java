package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Writes a model for {@code scripts/conformance.sh}: a template with tools, and room for what agents send, which the embedded
 * model does not have. It knows nothing; no check depends on that.
 */
class KitModelTest {
    private static final int SEED = 2; // ends calls in few tokens; others write white space, which is free

    private static final String CONFIG = """
            {"model_type": "qwen3", "vocab_size": %d, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 96, "head_dim": 16, "hidden_act": "silu",
            "max_position_embeddings": 16384, "rms_norm_eps": 1e-6, "attention_bias": false, "rope_theta": 1000000,
            "tie_word_embeddings": true, "initializer_range": 0.2, "eos_token_id": %d}""";

    @Test
    void aModelWithToolsAndRoomIsWritten() throws Exception {
        Path template = Recorded.RESOURCES.resolve("chat/qwen3-instruct-2507.jinja");
        Path file = Recorded.RESOURCES.resolve("tokenizer/golden/qwen3-small/tokenizer.json");
        Tokenizer tokenizer = Tokenizer.fromJson(file.toString(), Files.readAllBytes(file));
        int end = tokenizer.id("<|im_end|>").orElseThrow();
        ModelConfig config = ModelConfig.parse(CONFIG.formatted(tokenizer.vocabularySize(), end));
        Path folder = Files.createDirectories(Path.of("target/kit-model"));
        ChatTemplate chat = ChatTemplate.parse("kit-model", Files.readString(template), Map.of());
        try (CausalLM model = CausalLM.create(config, SEED, DType.F32, tokenizer)) {
            model.save(folder, DType.F32);
            chat.save(folder);
            assertThat(Chat.Format.of(model, chat).toolFormat()).isEqualTo(ToolFormat.HERMES);
        }
    }
}
