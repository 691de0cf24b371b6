package dev.causal4j.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.GPT2Shape;
import dev.causal4j.tensor.DType;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Held to our own model: the peer is made to do the same work. */
class LibTorchGPT2Test {
    @Test
    void prefillAndDecodeAgreeWithOurs() {
        RandomGPT2 random = new RandomGPT2(new GPT2Shape(20, 36, 2, 3), 131);
        CausalLM ours = random.model(DType.F32);
        KVCache ourCache = ours.newCache();
        try (LibTorchGPT2 peer = new LibTorchGPT2(random);
                LibTorchGPT2.Cache cache = peer.newCache();
                NDManager scope = peer.scope()) {
            for (int[] tokens : new int[][] {{5, 130, 7, 7}, {64}, {2, 3}, {0}}) {
                float[] expected = ours.head()
                        .logits(ours.forward(Batch.of(ourCache, tokens), new Activations()), tokens.length - 1);
                float[] actual = peer.logits(peer.forward(scope, tokens, cache))
                        .get("-1")
                        .toFloatArray();
                assertThat(actual).hasSize(131);
                for (int i = 0; i < actual.length; i++) {
                    assertThat(actual[i]).isCloseTo(expected[i], Offset.offset(2e-5f));
                }
            }
            assertThat(cache.length()).isEqualTo(8);
        }
    }
}
