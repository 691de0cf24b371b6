package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.decoder.Batch.Chunk;
import java.util.List;
import org.junit.jupiter.api.Test;

class BatchTest {
    private static final GPT2Shape SHAPE = GPT2Shape.of(100, 12, 2, 3);

    @Test
    void rowsAreTheTokensOfAllChunksInOrder() {
        Batch batch = new Batch(List.of(
                new Chunk(new KVCache(SHAPE, this), new int[] {1, 2, 3}),
                new Chunk(new KVCache(SHAPE, this), new int[] {4}),
                new Chunk(new KVCache(SHAPE, this), new int[] {5, 6})));
        assertThat(batch.rows()).isEqualTo(6);
        assertThat(batch.tokens()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(batch.lastRow(0)).isEqualTo(2);
        assertThat(batch.lastRow(1)).isEqualTo(3);
        assertThat(batch.lastRow(2)).isEqualTo(5);
    }

    @Test
    void aBatchThatMakesNoSenseIsRefused() {
        KVCache cache = new KVCache(SHAPE, this);
        assertThatThrownBy(() -> new Batch(List.of())).hasMessage("batch: expected at least one sequence, got none");
        assertThatThrownBy(() -> Batch.of(cache))
                .hasMessage("batch: expected at least one token for each sequence, got none");
        assertThatThrownBy(() -> new Batch(List.of(new Chunk(cache, new int[] {1}), new Chunk(cache, new int[] {2}))))
                .hasMessage("batch: expected a cache for each sequence, got one cache twice");
    }

    @Test
    void outgrowingTheContextIsRefusedWithBothNumbers() {
        KVCache cache = new KVCache(SHAPE, this);
        assertThatThrownBy(() -> Batch.of(cache, new int[101]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "context: expected at most 100 tokens, got 101; shorten the prompt or ask for fewer new tokens");
        cache.advance(98);
        assertThatThrownBy(() -> Batch.of(cache, new int[3]))
                .hasMessageStartingWith("context: expected at most 100 tokens, got 101 (98 of them cached)");
    }
}
