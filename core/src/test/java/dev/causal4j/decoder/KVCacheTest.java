package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.kernel.Panels;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class KVCacheTest {
    /** A head of 7 numbers, a context of 300: nothing is a multiple of a block of 64. */
    private static final GPT2Shape SHAPE = GPT2Shape.of(300, 21, 2, 3);

    private static final long BLOCK = 3 * 7 * 64 * 4;

    @Test
    void itGrowsByNeedUpToTheContextLength() {
        KVCache cache = new KVCache(SHAPE, this);
        assertThat(cache.bytes()).isZero();
        assertThat(cache.length()).isZero();
        assertThat(cache.contextLength()).isEqualTo(300);
        cache.reserve(1);
        assertThat(cache.bytes()).isEqualTo(2 * 2 * BLOCK);
        cache.reserve(64);
        assertThat(cache.bytes()).isEqualTo(2 * 2 * BLOCK);
        cache.reserve(65);
        assertThat(cache.bytes()).isEqualTo(2 * 2 * 2 * BLOCK);
        cache.reserve(200);
        assertThat(cache.bytes()).isEqualTo(4 * 2 * 2 * BLOCK);
        cache.reserve(300);
        assertThat(cache.bytes()).as("never more than the context needs").isEqualTo(5 * 2 * 2 * BLOCK);
    }

    @Test
    void growingKeepsEveryKeyAndValue() {
        KVCache cache = new KVCache(SHAPE, this);
        for (int position = 0; position < 300; position++) {
            cache.reserve(position + 1);
            for (int layer = 0; layer < 2; layer++) {
                for (int head = 0; head < 3; head++) {
                    float[] numbers = new float[14];
                    for (int i = 0; i < 14; i++) {
                        numbers[i] = number(layer, head, position, i);
                    }
                    cache.store(layer, head, position, numbers, 0, numbers, 7);
                }
            }
            cache.advance(1);
        }
        for (int layer = 0; layer < 2; layer++) {
            for (int head = 0; head < 3; head++) {
                Panels keys = cache.keys(layer, head, 300);
                Panels values = cache.values(layer, head, 300);
                assertThat(keys.count()).isEqualTo(5);
                assertThat(keys.depth()).isEqualTo(7);
                for (int position = 0; position < 300; position++) {
                    for (int i = 0; i < 7; i++) {
                        assertThat(read(keys, position / 64, i * 64 + position % 64))
                                .isEqualTo(number(layer, head, position, i));
                        assertThat(read(values, position / 64, position % 64 * 7 + i))
                                .isEqualTo(number(layer, head, position, i + 7));
                    }
                }
            }
        }
    }

    private static float number(int layer, int head, int position, int i) {
        return ((layer * 3 + head) * 300 + position) * 14 + i;
    }

    private static float read(Panels panels, int block, int index) {
        return panels.data()
                .get(
                        ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN),
                        panels.offset() + block * panels.stride() + index * 4L);
    }

    @Test
    void aCopyHoldsTheSameAndGoesItsOwnWay() {
        KVCache cache = new KVCache(SHAPE, this);
        cache.reserve(200);
        float[] numbers = new float[14];
        for (int position = 0; position < 70; position++) {
            Arrays.fill(numbers, position);
            cache.store(1, 2, position, numbers, 0, numbers, 7);
        }
        cache.advance(70);
        KVCache copy = cache.copy();
        assertThat(copy.length()).isEqualTo(70);
        assertThat(copy.bytes())
                .as("no larger than it needs")
                .isEqualTo(cache.bytes(70))
                .isLessThan(cache.bytes());
        Arrays.fill(numbers, -1);
        copy.truncate(50);
        copy.reserve(51);
        copy.store(1, 2, 50, numbers, 0, numbers, 7);
        copy.advance(1);
        assertThat(copy.length()).isEqualTo(51);
        assertThat(read(copy.values(1, 2, 51), 0, 49 * 7)).isEqualTo(49);
        assertThat(read(copy.values(1, 2, 51), 0, 50 * 7)).isEqualTo(-1);
        assertThat(read(cache.values(1, 2, 70), 0, 50 * 7)).isEqualTo(50);
        assertThat(read(cache.keys(1, 2, 70), 1, 5)).isEqualTo(69);
        assertThat(new KVCache(SHAPE, this).copy().bytes()).isZero();
    }

    @Test
    void onlyWhatIsCachedCanBeKept() {
        KVCache cache = new KVCache(SHAPE, this);
        cache.reserve(3);
        cache.advance(3);
        assertThatThrownBy(() -> cache.truncate(4)).hasMessage("cache: expected to keep 0 to 3 positions, got 4");
        assertThatThrownBy(() -> cache.truncate(-1)).isInstanceOf(IllegalArgumentException.class);
        cache.truncate(0);
        assertThat(cache.length()).isZero();
    }
}
