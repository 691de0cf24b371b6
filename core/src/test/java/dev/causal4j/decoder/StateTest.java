package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.kernel.Panels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The state of recurrent layers, which a sequence has beside its pages. */
class StateTest {
    private static final long PAGE = 2 * 6 * 64 * 4; // a layer with one key head of 6 numbers
    private static final long STATE = 2 * 192; // 2 layers of 2 inputs of 18 channels, in whole cache lines

    private final CausalLM model = CausalLM.create(SmallModels.config("""
            {"model_type": "lfm2", "vocab_size": 31, "max_position_embeddings": 300, "hidden_size": 18, "num_hidden_layers": 3,
             "num_attention_heads": 3, "num_key_value_heads": 1, "block_ff_dim": 30, "block_multiple_of": 1,
             "layer_types": ["conv", "full_attention", "conv"]}"""), 1, DType.F32);
    private final Decoder decoder = model.decoder();
    private final PagePool pool = new PagePool(decoder, DType.F32, Arena.ofAuto(), 8 * PAGE + 2 * STATE);

    private float[] hidden(KVCache cache, int... tokens) {
        return Arrays.copyOf(
                model.forward(Batch.of(cache, tokens), new Activations()).data(), tokens.length * 18);
    }

    @Test
    void itComesWithTheFirstPageAndGoesWithTheLast() {
        assertThat(pool.stateBytes()).isEqualTo(STATE);
        assertThat(pool.pageBytes()).isEqualTo(PAGE);
        assertThat(pool.freePages()).isEqualTo(8);
        KVCache first = pool.newCache();
        KVCache second = pool.newCache();
        first.prepare(decoder, 1);
        first.advance(1);
        second.prepare(decoder, 1);
        second.advance(1);
        assertThat(pool.freePages()).isEqualTo(6);
        KVCache third = pool.newCache();
        third.prepare(decoder, 1);
        assertThat(pool.freePages()).as("a state takes the room of a page").isEqualTo(4);
        third.close();
        first.truncate(0);
        second.close();
        assertThat(pool.freePages()).isEqualTo(8);
        assertThat(first.reserve(300)).isTrue();
        assertThat(second.reserve(192)).as("3 pages and a state").isTrue();
        assertThat(pool.newCache().reserve(1)).isFalse();
        first.close();
        assertThat(pool.freePages()).isEqualTo(5);
        second.close();
        assertThat(pool.freePages()).isEqualTo(8);
    }

    @Test
    void aSequenceBeginsWithZerosInMemoryThatAnotherUsed() {
        KVCache first = model.newCache();
        float[] expected = hidden(first, 3, 1, 4);
        hidden(first, 1, 5, 9, 2, 6);
        first.close();
        try (KVCache second = model.newCache()) {
            assertThat(hidden(second, 3, 1, 4)).containsExactly(expected);
            second.truncate(0);
            assertThat(hidden(second, 3, 1, 4)).containsExactly(expected);
        }
    }

    @Test
    void aCopyHasItsOwn() {
        try (KVCache cache = model.newCache()) {
            hidden(cache, 3, 1, 4, 1);
            try (KVCache copy = cache.copy()) {
                float[] expected = hidden(copy, 5, 9);
                hidden(copy, 2, 6);
                assertThat(hidden(cache, 5, 9)).containsExactly(expected);
            }
        }
    }

    @Test
    void onlyTheLastPositionsHaveOne() {
        try (KVCache cache = model.newCache()) {
            hidden(cache, 3, 1, 4, 1);
            cache.truncate(4);
            assertThatThrownBy(() -> cache.truncate(3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "cache: expected to keep at least 4 positions, whose state recurrent layers have, got 3;"
                                    + " begin again");
            hidden(cache, 5);
        }
    }

    @Test
    void seventeenPositionsBehindOneThatIsKeptCanBeTakenBackOnce() {
        int free = model.decoder().pool().freePages();
        int[] tokens = IntStream.range(0, 30).map(i -> i * i % 31).toArray();
        float[] expected;
        try (KVCache whole = model.newCache()) {
            expected = hidden(whole, tokens);
        }
        for (int back = 0; back <= KVCache.REPLAYED; back++) {
            try (KVCache cache = model.newCache()) {
                hidden(cache, Arrays.copyOf(tokens, 4));
                assertThat(cache.keepState()).isTrue();
                hidden(cache, Arrays.copyOfRange(tokens, 4, 9));
                hidden(cache, Arrays.copyOfRange(tokens, 9, 21));
                int length = 21 - back;
                assertThatThrownBy(() -> cache.truncate(3)).hasMessageContaining("at least 4 positions");
                cache.truncate(length);
                assertThatThrownBy(() -> cache.truncate(length - 1)).hasMessageContaining("whose state");
                assertThat(hidden(cache, Arrays.copyOfRange(tokens, length, 30)))
                        .containsExactly(Arrays.copyOfRange(expected, length * 18, 30 * 18));
            }
        }
        assertThat(model.decoder().pool().freePages()).isEqualTo(free);
    }

    @Test
    void aStateIsKeptWhereThereIsRoomAndForSoManyPositions() {
        KVCache cache = pool.newCache();
        assertThat(cache.keepState()).as("nothing is cached").isFalse();
        cache.prepare(decoder, 4);
        cache.advance(4);
        int free = pool.freePages();
        assertThat(cache.keepState()).isTrue();
        assertThat(cache.keepState()).as("another, in its place").isTrue();
        assertThat(pool.freePages()).isLessThan(free);
        cache.prepare(decoder, KVCache.REPLAYED + 1);
        assertThat(pool.freePages()).isEqualTo(free);
        cache.advance(KVCache.REPLAYED + 1);
        assertThatThrownBy(() -> cache.truncate(5)).hasMessageContaining("at least 22 positions");
        KVCache other = pool.newCache();
        assertThat(other.reserve(64 * pool.freePages())).isTrue();
        assertThat(cache.keepState()).isFalse();
        other.close();
        assertThat(cache.keepState()).isTrue();
        cache.close();
        assertThat(pool.freePages()).isEqualTo(8);
    }

    @Test
    void thatOfAForwardThatFailedIsNotUsed() {
        KVCache cache = pool.newCache();
        cache.prepare(decoder, 2);
        MemorySegment state = cache.state().of(2);
        assertThat(state.byteSize()).isEqualTo(2 * 18 * Float.BYTES);
        state.set(Panels.FLOAT, 8, 5f);
        cache.prepare(decoder, 2); // at the beginning nothing is lost
        assertThat(cache.state().of(2).get(Panels.FLOAT, 8)).isZero();
        cache.advance(2);
        cache.prepare(decoder, 1);
        cache.prepare(decoder, 1); // nothing was written
        cache.state().of(0);
        assertThatThrownBy(() -> cache.prepare(decoder, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("cache: expected the state of 2 positions, got that of a forward that failed; begin again");
        cache.truncate(0);
        cache.prepare(decoder, 1);
        cache.close();
    }

    @Test
    void queriesGrowBehindTheOriginalLengthAlone() {
        RopeConfig rope = new RopeConfig(2, List.of(1.0), 1, new Longer.Same(), 0.3f, 8);
        assertThat(List.of(rope.queryFactor(0), rope.queryFactor(7))).containsExactly(1f, 1f);
        float second = (float) (1 + 0.3f * StrictMath.log(2));
        assertThat(List.of(rope.queryFactor(8), rope.queryFactor(15))).containsExactly(second, second);
        assertThat(rope.queryFactor(16)).isEqualTo((float) (1 + 0.3f * StrictMath.log(3)));
    }
}
