package dev.causal4j.benchmarks;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import ai.djl.nn.core.Linear;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * GPT-2 of LibTorch's operators through DJL, in f32, written as PyTorch users write it. Belongs to one caller; not
 * thread-safe. DJL gives a result to the owner of the first operand, so the caller's scope owns what a forward makes.
 */
final class LibTorchGPT2 implements AutoCloseable {
    static {
        // Read when DJL's classes load: no network.
        System.setProperty("OPT_OUT_TRACKING", "true");
        System.setProperty("ai.djl.offline", "true");
    }

    /** Keys and values of one sequence: of each layer [H, T, headSize]. */
    static final class Cache implements AutoCloseable {
        private final NDManager manager;
        private final List<@Nullable NDArray> keys = new ArrayList<>();
        private final List<@Nullable NDArray> values = new ArrayList<>();
        private int length;

        private Cache(NDManager manager, int layers) {
            this.manager = manager;
            for (int layer = 0; layer < layers; layer++) {
                keys.add(null);
                values.add(null);
            }
        }

        int length() {
            return length;
        }

        private NDArray append(List<@Nullable NDArray> all, int layer, NDArray next) {
            NDArray before = all.get(layer);
            NDArray joined = before == null ? next : before.concat(next, 1);
            joined.attach(manager);
            if (before != null) {
                before.close();
            }
            all.set(layer, joined);
            return joined;
        }

        @Override
        public void close() {
            manager.close();
        }
    }

    private final GPT2Shape shape;
    private final NDManager manager;
    private final RandomGPT2.Weights<NDArray> weights;
    private final NDArray gain; // of every norm
    private final NDArray zeros; // biases, as many as any layer needs

    LibTorchGPT2(RandomGPT2 random) {
        shape = random.shape();
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
        weights = random.weights((rows, cols, source) -> {
            float[] numbers = new float[rows * cols];
            float[] row = new float[cols];
            for (int n = 0; n < rows; n++) {
                source.row(n, row);
                System.arraycopy(row, 0, numbers, n * cols, cols);
            }
            return manager.create(numbers, new Shape(rows, cols));
        });
        gain = manager.ones(new Shape(shape.hiddenSize()));
        zeros = manager.zeros(new Shape(Math.max(3 * shape.hiddenSize(), shape.innerSize())));
    }

    /** The scope that owns what a forward makes; close it afterwards. */
    NDManager scope() {
        return manager.newSubManager();
    }

    Cache newCache() {
        return new Cache(manager.newSubManager(), shape.layers());
    }

    /** Carries the next tokens of a sequence to their hidden vectors [T, D]. */
    NDArray forward(NDManager scope, int[] tokens, Cache cache) {
        int count = tokens.length;
        NDArray ids = scope.create(tokens).toType(DataType.INT64, false);
        NDArray positions = scope.arange(cache.length, cache.length + count, 1, DataType.INT64);
        NDArray hidden = lookUp(ids, weights.embedding()).add(lookUp(positions, weights.positions()));
        NDArray mask = count > 1 ? mask(scope, cache.length, count) : null;
        for (int layer = 0; layer < shape.layers(); layer++) {
            RandomGPT2.Block<NDArray> block = weights.blocks().get(layer);
            NDArray attention = attention(layer, linear(norm(hidden), block.queryKeyValue()), mask, cache);
            hidden = hidden.add(linear(attention, block.attentionOut()));
            hidden = hidden.add(linear(gelu(linear(norm(hidden), block.up())), block.down()));
        }
        cache.length += count;
        return norm(hidden);
    }

    /** Logits [T, V] of hidden vectors [T, D]. */
    NDArray logits(NDArray hidden) {
        return Linear.linear(hidden, weights.embedding()).singletonOrThrow();
    }

    private NDArray attention(int layer, NDArray queryKeyValue, @Nullable NDArray mask, Cache cache) {
        NDList parts = queryKeyValue.split(3, 1); // each [T, D]
        NDArray query = byHead(parts.get(0)).div((float) Math.sqrt(shape.headSize())); // [H, T, headSize]
        NDArray keys = cache.append(cache.keys, layer, byHead(parts.get(1)));
        NDArray values = cache.append(cache.values, layer, byHead(parts.get(2)));
        NDArray scores = query.matMul(keys.transpose(0, 2, 1)); // [H, T, positions]
        NDArray masked = mask == null ? scores : scores.add(mask);
        return masked.softmax(-1).matMul(values).transpose(1, 0, 2).reshape(-1, shape.hiddenSize());
    }

    private NDArray byHead(NDArray rows) {
        return rows.reshape(-1, shape.heads(), shape.headSize()).transpose(1, 0, 2);
    }

    /** [count, first + count]: 0 where a query sees a position, -infinity where it does not. */
    private static NDArray mask(NDManager scope, int first, int count) {
        float[] mask = new float[count * (first + count)];
        for (int t = 0; t < count; t++) {
            for (int position = first + t + 1; position < first + count; position++) {
                mask[t * (first + count) + position] = Float.NEGATIVE_INFINITY;
            }
        }
        return scope.create(mask, new Shape(count, first + count));
    }

    private static NDArray lookUp(NDArray ids, NDArray table) {
        return Embedding.embedding(ids, table, SparseFormat.DENSE).singletonOrThrow();
    }

    private NDArray linear(NDArray x, NDArray weight) {
        NDArray bias = zeros.get("0:" + weight.getShape().get(0));
        bias.attach(x.getManager());
        return Linear.linear(x, weight, bias).singletonOrThrow();
    }

    private NDArray norm(NDArray x) {
        NDArray bias = zeros.get("0:" + shape.hiddenSize());
        bias.attach(x.getManager());
        return ai.djl.nn.norm.LayerNorm.layerNorm(
                        x, new Shape(shape.hiddenSize()), gain, bias, shape.layerNormEpsilon())
                .singletonOrThrow();
    }

    /** GELU in the tanh form. */
    private static NDArray gelu(NDArray x) {
        NDArray inner = x.pow(3).mul(0.044715f).add(x).mul(0.7978845608f);
        return inner.tanh().add(1f).mul(x).mul(0.5f);
    }

    @Override
    public void close() {
        manager.close();
    }
}
