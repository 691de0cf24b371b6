package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.compute.Rows;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class KVCacheTest {
    private static final long PAGE = 2 * 2 * 3 * 7 * 64 * 4;

    /** A head of 7 numbers, a context of 300: nothing is a multiple of a page of 64 positions. */
    private final Decoder decoder =
            CausalLM.create(SmallModels.gpt2(31, 300, 21, 2, 3), 1, DType.F32).decoder();

    private final PagePool pool = new PagePool(decoder, DType.F32, Arena.ofAuto(), 8 * PAGE - 1);

    @Test
    void itTakesPagesByNeedAndGivesThemBack() {
        assertThat(pool.pageBytes()).isEqualTo(PAGE);
        KVCache cache = pool.newCache();
        assertThat(pool.freePages()).isEqualTo(7);
        append(cache, 1);
        assertThat(pool.freePages()).isEqualTo(6);
        append(cache, 63);
        assertThat(pool.freePages()).isEqualTo(6);
        append(cache, 1);
        assertThat(pool.freePages()).isEqualTo(5);
        append(cache, 235);
        assertThat(pool.freePages()).isEqualTo(2);
        cache.truncate(64);
        assertThat(pool.freePages()).isEqualTo(6);
        cache.close();
        cache.close();
        assertThat(pool.freePages()).isEqualTo(7);
        assertThatThrownBy(() -> cache.prepare(decoder, 1))
                .hasMessage("cache: expected an open one, got one that was closed");
    }

    @Test
    void aPoolHasRoomForOneFullContextWhateverItsBound() {
        assertThat(new PagePool(decoder, DType.F32, Arena.ofAuto(), 1).freePages())
                .isEqualTo(5);
    }

    @Test
    void aPoolWithoutFreePagesSaysSo() {
        KVCache first = pool.newCache();
        append(first, 300);
        KVCache second = pool.newCache();
        append(second, 128);
        assertThatThrownBy(() -> second.prepare(decoder, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("key/value pages: expected a free one, got none in 0 MB; close caches or run fewer"
                        + " sequences at once");
        first.close();
        append(second, 1);
    }

    @Test
    void promisedPagesAreKeptForTheirCache() {
        KVCache first = pool.newCache();
        append(first, 10);
        assertThat(first.reserve(300)).isTrue();
        assertThat(first.reserve(300)).as("nothing more to promise").isTrue();
        assertThat(pool.freePages()).isEqualTo(2);
        KVCache second = pool.newCache();
        assertThat(second.reserve(129)).isFalse();
        assertThat(second.reserve(128)).isTrue();
        assertThatThrownBy(() -> pool.newCache().prepare(decoder, 1)).isInstanceOf(IllegalStateException.class);
        append(first, 290);
        append(second, 128);
        assertThat(pool.freePages()).isZero();
        second.close();
        first.close();
        assertThat(pool.freePages()).isEqualTo(7);
        try (KVCache third = pool.newCache()) {
            assertThat(third.reserve(200)).isTrue();
        }
        assertThat(pool.freePages()).as("a promise ends with its cache").isEqualTo(7);
    }

    @Test
    void reservedPagesStayReservedWhenTheCacheIsCut() {
        KVCache cache = pool.newCache();
        assertThat(cache.reserve(300)).isTrue();
        append(cache, 300);
        cache.truncate(100);
        assertThat(pool.freePages()).isEqualTo(2);
        try (KVCache other = pool.newCache()) {
            append(other, 128);
            append(cache, 200); // without preparing again
            cache.truncate(100);
            assertThat(cache.reserve(300)).as("nothing more to promise").isTrue();
        }
        assertThat(pool.freePages()).isEqualTo(2);
        cache.close();
        assertThat(pool.freePages()).isEqualTo(7);
    }

    @Test
    void pagesThatWereGivenBackOrSharedAreReservedAnew() {
        KVCache cache = pool.newCache();
        append(cache, 300);
        cache.truncate(100);
        assertThat(pool.freePages()).as("none was reserved").isEqualTo(5);
        assertThat(cache.reserve(300)).isTrue();
        assertThat(pool.freePages()).as("after truncation").isEqualTo(2);
        cache.release();
        append(cache, 100);
        assertThat(cache.reserve(101)).isTrue();
        try (KVCache _ = cache.copy()) {
            assertThat(cache.reserve(101)).isTrue();
            assertThat(pool.freePages()).as("the last page will be copied").isEqualTo(4);
        }
        cache.release();
        assertThat(pool.freePages()).isEqualTo(7);
        assertThat(cache.reserve(100)).isTrue();
        assertThat(pool.freePages()).as("after release").isEqualTo(5);
    }

    @Test
    void aLengthIsDeclaredBeforeAnythingIsComputed() {
        KVCache cache = pool.newCache();
        cache.declare(200);
        append(cache, 1);
        cache.declare(100);
        assertThat(cache.capacity()).isEqualTo(200);
        cache.release();
        cache.declare(100);
        assertThat(cache.capacity()).isEqualTo(100);
    }

    @Test
    void growingKeepsEveryKeyAndValue() {
        KVCache cache = pool.newCache();
        for (int position = 0; position < 300; position++) {
            cache.prepare(decoder, 1);
            for (int layer = 0; layer < 2; layer++) {
                for (int head = 0; head < 3; head++) {
                    float[] numbers = new float[14];
                    for (int i = 0; i < 14; i++) {
                        numbers[i] = number(layer, head, position, i);
                    }
                    cache.pages(layer, head, 1, 7).store(0, position, numbers, 0, 7);
                }
            }
            cache.advance(1);
        }
        for (int layer = 0; layer < 2; layer++) {
            for (int head = 0; head < 3; head++) {
                for (int position = 0; position < 300; position++) {
                    for (int i = 0; i < 7; i++) {
                        assertThat(key(cache, layer, head, position, i)).isEqualTo(number(layer, head, position, i));
                        assertThat(value(cache, layer, head, position, i))
                                .isEqualTo(number(layer, head, position, i + 7));
                    }
                }
            }
        }
    }

    private static float number(int layer, int head, int position, int i) {
        return ((layer * 3 + head) * 300 + position) * 14 + i;
    }

    private static float key(KVCache cache, int layer, int head, int position, int i) {
        Pages pages = cache.pages(layer, head, 1, 7);
        return read(pages, position, pages.keys() + (i * 64L + position % 64) * 4);
    }

    private static float value(KVCache cache, int layer, int head, int position, int i) {
        Pages pages = cache.pages(layer, head, 1, 7);
        return read(pages, position, pages.values() + (position % 64 * 7L + i) * 4);
    }

    private static float read(Pages pages, int position, long offset) {
        return pages.memory()[position / 64].get(ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN), offset);
    }

    /** Appends positions; every number of a position is the position itself. */
    private void append(KVCache cache, int count) {
        cache.prepare(decoder, count);
        float[] numbers = new float[14];
        for (int t = 0; t < count; t++) {
            Arrays.fill(numbers, cache.length() + t);
            cache.pages(1, 2, 1, 7).store(0, cache.length() + t, numbers, 0, 7);
        }
        cache.advance(count);
    }

    @Test
    void copiesSharePagesUntilOneWrites() {
        KVCache cache = pool.newCache();
        append(cache, 150);
        KVCache copy = cache.copy();
        assertThat(copy.length()).isEqualTo(150);
        assertThat(pool.freePages()).as("all are shared").isEqualTo(4);
        append(copy, 1);
        assertThat(pool.freePages()).as("the last page is its own").isEqualTo(3);
        copy.truncate(70);
        copy.prepare(decoder, 1);
        copy.pages(1, 2, 1, 7).store(0, 70, new float[14], 0, 7);
        copy.advance(1);
        assertThat(pool.freePages()).as("the second page is its own").isEqualTo(3);
        for (KVCache each : List.of(cache, copy)) {
            assertThat(value(each, 1, 2, 69, 6)).isEqualTo(69);
            assertThat(key(each, 1, 2, 63, 6)).isEqualTo(63);
        }
        assertThat(value(copy, 1, 2, 70, 0)).isZero();
        assertThat(value(cache, 1, 2, 70, 0)).isEqualTo(70);
        assertThat(key(cache, 1, 2, 149, 0)).isEqualTo(149);
        cache.close();
        assertThat(pool.freePages()).as("the first page lives on").isEqualTo(5);
        assertThat(value(copy, 1, 2, 1, 0)).isEqualTo(1);
        copy.close();
        assertThat(pool.freePages()).isEqualTo(7);
    }

    @Test
    void aCopyCanHaveItsOwnPagesPromised() {
        KVCache cache = pool.newCache();
        append(cache, 100);
        KVCache copy = cache.copy();
        assertThat(copy.reserve(101)).isTrue();
        assertThat(pool.freePages()).as("the last page will be copied").isEqualTo(4);
        append(copy, 1);
        assertThat(pool.freePages()).isEqualTo(4);
    }

    @Test
    void onlyWhatIsCachedCanBeKept() {
        KVCache cache = pool.newCache();
        append(cache, 3);
        assertThatThrownBy(() -> cache.truncate(4)).hasMessage("cache: expected to keep 0 to 3 positions, got 4");
        assertThatThrownBy(() -> cache.truncate(-1)).isInstanceOf(IllegalArgumentException.class);
        cache.truncate(0);
        assertThat(cache.length()).isZero();
    }

    @Test
    void cachedInBf16TheyAreRoundedAndTakeHalfTheMemory() {
        PagePool halves = new PagePool(decoder, DType.BF16, Arena.ofAuto(), PAGE);
        assertThat(halves.pageBytes()).as("rows of values are padded to 32").isEqualTo(2 * 3 * 64 * (7 * 2 + 32 * 2));
        try (KVCache cache = halves.newCache()) {
            cache.prepare(decoder, 100);
            float[] numbers = new float[14];
            for (int position = 0; position < 100; position++) {
                Arrays.fill(numbers, 1 + position / 1000f);
                cache.pages(1, 2, 1, 7).store(0, position, numbers, 0, 7);
            }
            cache.advance(100);
            Pages pages = cache.pages(1, 2, 1, 7);
            float[] scores = new float[128];
            pages.scores(Rows.of(new float[] {0, 0, 0, 1, 0, 0, 0}, 7, 1), 0, 100, Rows.of(scores, 128, 1));
            for (int position = 0; position < 100; position++) {
                assertThat(scores[position]).isEqualTo(DType.fromBFloat16(DType.toBFloat16(1 + position / 1000f)));
            }
        }
        assertThatThrownBy(() -> new PagePool(decoder, DType.INT8, Arena.ofAuto(), PAGE))
                .hasMessage("keys and values: expected f32 or bf16, got int8");
    }

    /** Windows of 67 positions in two of three layers. */
    @Test
    void pagesThatFallOutOfAWindowAreGivenBack() {
        Decoder windowed =
                CausalLM.create(SmallModels.config("""
                {"model_type": "gemma2", "vocab_size": 31, "max_position_embeddings": 200, "hidden_size": 21,
                 "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 14,
                 "intermediate_size": 23, "sliding_window": 67}"""), 1, DType.F32).decoder();
        long page = 2 * 2 * 14 * 64 * 4; // of a layer
        PagePool three = new PagePool(windowed, DType.F32, Arena.ofAuto(), 30 * page);
        assertThat(three.pageBytes()).isEqualTo(3 * page);
        assertThat(three.freePages()).isEqualTo(10);
        try (KVCache cache = three.newCache()) {
            assertThat(cache.reserve(200)).isTrue();
            for (int length = 0; length < 200; length++) {
                cache.prepare(windowed, 1);
                cache.advance(1);
            }
            assertThat(three.freePages()).as("reserved: 4 + 2 · 4 pages").isEqualTo(6);
            assertThatThrownBy(() -> cache.truncate(100))
                    .hasMessage("cache: expected to keep the window of 67 positions before 100, got a cache that gave"
                            + " them back; begin again");
            cache.truncate(195);
        }
        assertThat(three.freePages()).isEqualTo(10);
        try (KVCache cache = three.newCache()) {
            for (int length = 0; length < 200; length++) {
                cache.prepare(windowed, 1);
                cache.advance(1);
            }
            assertThat(three.freePages()).as("4 + 2 · 2 pages of 30").isEqualTo(7);
            try (KVCache copy = cache.copy()) {
                copy.prepare(windowed, 0);
                assertThat(three.freePages()).as("all are shared but the last").isEqualTo(6);
            }
            assertThat(three.freePages()).isEqualTo(7);
        }
        assertThat(three.freePages()).isEqualTo(10);
    }
}
