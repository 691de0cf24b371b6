package dev.causal4j.tensor;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import java.util.Arrays;
import java.util.IdentityHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The gradients of trained parameters, keyed by the parameter object. Mutable; not thread-safe.
 *
 * <p>Keys are compared by identity: a tied embedding has one gradient. A parameter that is not listed is frozen and
 * costs neither memory nor time.
 */
public final class Gradients {
    private final Device device;
    private final IdentityHashMap<Matrix, Gradient> matrices = new IdentityHashMap<>();
    private final IdentityHashMap<float[], float[]> vectors = new IdentityHashMap<>();

    /** No gradients; tracked ones will be on {@code device}. */
    public Gradients(Device device) {
        this.device = device;
    }

    /** Adds a matrix, if it is not listed yet. */
    public Gradient track(Matrix matrix) {
        return matrices.computeIfAbsent(matrix, m -> Gradient.of(device, m));
    }

    /** Adds a vector: a bias or a gain. */
    public float[] track(float[] vector) {
        return vectors.computeIfAbsent(vector, v -> new float[v.length]);
    }

    /** The gradient of a matrix, or null if it is frozen. */
    public @Nullable Gradient of(Matrix matrix) {
        return matrices.get(matrix);
    }

    /** The gradient of a vector, or null if it is frozen. */
    public float @Nullable [] of(float[] vector) {
        return vectors.get(vector);
    }

    /** Sets all gradients to zero. */
    public void clear() {
        matrices.values().forEach(Gradient::clear);
        vectors.values().forEach(vector -> Arrays.fill(vector, 0f));
    }

    /** Adds the gradient of the matrix of y = x · Wᵀ, see {@link Gradient#add}, unless it is frozen. */
    public void addWeight(Matrix matrix, Rows dy, Rows x) {
        Gradient sum = of(matrix);
        if (sum != null) {
            sum.add(dy, x);
        }
    }

    /**
     * Adds the gradient of a bias, dy summed over the rows in their order, unless it is frozen.
     *
     * @param dy rows of as many numbers as the bias has
     */
    public void addBias(float[] bias, Rows dy) {
        float[] sum = of(bias);
        if (sum == null) {
            return;
        }
        int tasks = Math.min(2 * device.compute().threads(), Panels.needed(sum.length)); // few, for long inner loops
        float[] data = dy.data();
        device.compute().run(tasks, task -> {
            int from = (int) ((long) sum.length * task / tasks);
            int to = (int) ((long) sum.length * (task + 1) / tasks);
            for (int r = 0; r < dy.count(); r++) {
                Kernels.add(data, dy.start(r) + from, sum, from, to - from);
            }
        });
    }
}
