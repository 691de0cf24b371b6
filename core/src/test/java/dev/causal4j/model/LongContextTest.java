package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Contexts of more than 2,048 positions, in a layer with a window and a layer without. */
class LongContextTest {
    private static final int VOCABULARY = 97;
    private static final int LENGTH = 2_317;
    private static final CausalLM MODEL = CausalLM.create(SmallModels.config("""
                    {"model_type": "gemma3_text", "vocab_size": 97, "hidden_size": 21, "intermediate_size": 35,
                     "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10,
                     "max_position_embeddings": 2400, "sliding_window": 70,
                     "layer_types": ["sliding_attention", "full_attention"]}"""), 20, DType.F32);
    private static final int[] TOKENS = IntStream.range(0, LENGTH)
            .map(i -> (int) (VOCABULARY * CounterRandom.uniform(3, i, 0)))
            .toArray();

    @AfterAll
    static void close() {
        MODEL.close();
    }

    private static float[] logits(KVCache cache, int... tokens) {
        return MODEL.head().logits(MODEL.forward(Batch.of(cache, tokens), new Activations()), tokens.length - 1);
    }

    @Test
    void decodingBeyond2048PositionsAgreesWithTheWholePrompt() {
        float[] whole = logits(MODEL.newCache(), TOKENS);
        KVCache cache = MODEL.newCache();
        logits(cache, Arrays.copyOf(TOKENS, 2_047));
        logits(cache, Arrays.copyOfRange(TOKENS, 2_047, LENGTH - 3));
        logits(cache, TOKENS[LENGTH - 3]);
        logits(cache, TOKENS[LENGTH - 2]);
        assertThat(logits(cache, TOKENS[LENGTH - 1])).containsExactly(whole);
    }

    @Test
    void theFirstTokenIsSeenFromBeyond2048Positions() {
        int[] other = TOKENS.clone();
        other[0] = (other[0] + 1) % VOCABULARY;
        assertThat(logits(MODEL.newCache(), other)).isNotEqualTo(logits(MODEL.newCache(), TOKENS));
    }
}
