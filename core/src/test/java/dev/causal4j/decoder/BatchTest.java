package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.decoder.Batch.Chunk;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

class BatchTest {
    private final Decoder decoder =
            CausalLM.create(SmallModels.gpt2(31, 100, 12, 2, 3), 1, DType.F32).decoder();

    @Test
    void rowsAreTheTokensOfAllChunksInOrder() {
        Batch batch = new Batch(List.of(
                new Chunk(decoder.pool().newCache(), new int[] {1, 2, 3}, 2),
                new Chunk(decoder.pool().newCache(), new int[] {4}, 0),
                new Chunk(decoder.pool().newCache(), new int[] {5, 6})));
        assertThat(batch.rows()).isEqualTo(6);
        assertThat(batch.tokens()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(batch.wanted()).isEqualTo(4);
    }

    @Test
    void aBatchThatMakesNoSenseIsRefused() {
        KVCache cache = decoder.pool().newCache();
        assertThatThrownBy(() -> new Batch(List.of())).hasMessage("batch: expected at least one sequence, got none");
        assertThatThrownBy(() -> Batch.of(cache))
                .hasMessage("batch: expected at least one token for each sequence, got none");
        assertThatThrownBy(() -> new Batch(List.of(new Chunk(cache, new int[] {1}), new Chunk(cache, new int[] {2}))))
                .hasMessage("batch: expected a cache for each sequence, got one cache twice");
        assertThatThrownBy(() -> new Chunk(cache, new int[] {1, 2}, 3))
                .hasMessage("wanted rows: expected 0 to 2, got 3");
    }

    @Test
    void outgrowingTheContextIsRefusedWithBothNumbers() {
        KVCache cache = decoder.pool().newCache();
        assertThatThrownBy(() -> Batch.of(cache, new int[101]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "context: expected at most 100 tokens, got 101; shorten the prompt or ask for fewer new tokens");
        cache.advance(98);
        assertThatThrownBy(() -> Batch.of(cache, new int[3]))
                .hasMessageStartingWith("context: expected at most 100 tokens, got 101 (98 of them cached)");
    }
}
