package dev.causal4j.kernel.choice;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.DeltaRule;
import dev.causal4j.kernel.Elementary;
import dev.causal4j.kernel.Elementwise;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.GroupPacker;
import dev.causal4j.kernel.JavaKernels;
import dev.causal4j.kernel.NormRule;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Products;
import dev.causal4j.kernel.Reductions;
import dev.causal4j.kernel.RoundedRows;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.VectorWidth;
import dev.causal4j.kernel.WeightFormat;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The entry to all arithmetic: checks shapes, then calls the chosen kernels. Stateless and thread-safe. Each call runs
 * on its caller's thread (see {@link dev.causal4j.compute.Compute} for sharing work). Inputs and outputs must not
 * overlap, unless a method says otherwise.
 *
 * <p>The property {@value VectorWidth#PROPERTY} forces {@code scalar}, {@code vector128}, {@code vector256}, {@code
 * vector512}, or {@code vector} for the widest vectors of the machine, from the first call. If this JVM or machine does
 * not have them, every call fails. All have the same bits. Without the property a {@link KernelProvider} may compute
 * products.
 */
public final class Kernels {
    /** Room for tiles of rows. */
    private static final Compute.Scratch<float[]> TILES = new Compute.Scratch<>(() -> new float[0]);

    private static final JavaKernels JAVA = KernelChoice.java();

    /**
     * Found in the background, when a model has weights in groups: the first use of a linker takes a tenth of a second.
     */
    private static final class Provided {
        static final CompletableFuture<ProvidedKernels> FOUND = KernelChoice.isForced()
                ? CompletableFuture.completedFuture(ProvidedKernels.NONE)
                : CompletableFuture.supplyAsync(() -> ProvidedKernels.find(KernelProvider.class.getClassLoader()));
    }

    private static final Set<GroupFormat> PREPARED = ConcurrentHashMap.newKeySet();

    private static final WarmUp WARM_UP = new WarmUp(JAVA, KernelChoice.isForced(), WarmUp.MOST_NANOS);

    private Kernels() {}

    /**
     * The kernels in use: {@code scalar}, {@code vector128}, {@code vector256} or {@code vector512}, with the name of a
     * {@link KernelProvider}, unless it is refused, and a plus sign before it.
     */
    public static String name() {
        return provided().nameOver(JAVA);
    }

    /** The kernels of products by weights; a provider multiplies only by weights in groups. */
    public static String name(boolean inGroups) {
        return inGroups ? name() : JAVA.name();
    }

    private static ProvidedKernels provided() {
        return Provided.FOUND.join();
    }

    /** A packer of rows for weights of a format. A provider may pack rows in blocks. */
    public static GroupPacker packer(GroupFormat format, int depth) {
        return new GroupPacker(format, depth, (row, panel, j) -> provided().pack(format, depth, row, panel, j));
    }

    private static boolean isProvided(WeightFormat format) {
        return format instanceof GroupFormat groups && provided().multiplies(groups);
    }

    /** Throws unless this process has the kernels that the property sets. */
    public static void require() {
        Objects.requireNonNull(JAVA);
    }

    /** Starts the provider's entry exam for a format in the background. */
    public static void prepare(GroupFormat format) {
        if (PREPARED.add(format)) {
            var _ = Provided.FOUND.thenAcceptAsync(found -> found.multiplies(format));
        }
    }

    /** The kernels running now: {@link #name}, with {@code scalar} until vectors are compiled. */
    public static String state() {
        return provided().nameOver(WARM_UP.running());
    }

    /**
     * Starts to compile the vectors of a model with weights of a format in the background, a prompt's products first. A
     * format that a provider multiplies needs none.
     */
    public static void warmUp(WeightFormat format) {
        WARM_UP.start(isProvided(format) ? WarmUp.Loops.REST : new WarmUp.Loops(WarmUp.Part.MANY, format));
    }

    /** Checks n numbers, and returns the functions to call for them. */
    private static Elementwise elementwise(float[] x, int offset, int n) {
        Objects.checkFromIndexSize(offset, n, x.length);
        return WARM_UP.rest().elementwise();
    }

    /** Checks n numbers, and returns the sums to call for them. */
    private static Reductions reductions(float[] x, int offset, int n) {
        Objects.checkFromIndexSize(offset, n, x.length);
        return WARM_UP.rest().reductions();
    }

    /**
     * y[r][64 p + j] = sum over k of x[r][k] · w[p][k][j], as one chain of fused multiply-adds in the order of k that
     * starts at +0. Padding is computed, too.
     *
     * @param w panels without groups
     * @param x rows of {@code w.depth()} numbers
     * @param y as many rows, of {@code 64 * w.count()} numbers
     * @throws IndexOutOfBoundsException if a row or panel is not inside its memory
     */
    public static void multiply(Panels w, RowTiles x, Rows y) {
        x.check(w.depth());
        checkProduct(w, x.count(), y);
        if (y.count() > 0) {
            WARM_UP.product(w, x.height(), x.count()).products().multiply(w, x, y);
        }
    }

    /** Multiplies rounded rows by weights in groups, see {@link GroupFormat}. */
    public static void multiply(Panels w, RoundedRows x, Rows y) {
        x.check(w);
        checkProduct(w, x.count(), y);
        if (y.count() > 0) {
            Products products;
            if (isProvided(w.format())) {
                products = provided().products();
                WARM_UP.count(w, x.count());
            } else {
                products = WARM_UP.product(w, x.height(), x.count()).products();
            }
            products.multiply(w, x, y);
        }
    }

    private static void checkProduct(Panels w, int rows, Rows y) {
        w.check();
        y.check(Math.multiplyExact(w.count(), Panels.WIDTH));
        if (rows != y.count()) {
            throw new IllegalArgumentException("rows: expected as many in as out, got " + rows + " and " + y.count());
        }
    }

    /**
     * Rounds a tile of inputs for products by weights of a format.
     *
     * @param to has room for as many rows as x has
     */
    public static void round(GroupFormat format, Rows x, RoundedRows to, int tile) {
        x.check(to.depth());
        to.check();
        Objects.checkIndex(tile, to.tiles());
        if (x.count() != to.count()) {
            throw new IllegalArgumentException("rows: expected " + to.count() + " to round, got " + x.count());
        }
        Products products =
                isProvided(format) ? provided().products() : WARM_UP.rest().products();
        products.round(x, to, tile);
    }

    /** Multiplies rows that are not packed. Callers that multiply the same rows several times pack them once. */
    public static void multiply(Panels w, Rows x, Rows y) {
        x.check(w.depth());
        if (x.count() <= 1) {
            multiply(w, RowTiles.row(x), y);
            return;
        }
        RowTiles tiles = RowTiles.of(TILES.take(), x, w.depth());
        multiply(w, tiles, y);
        TILES.give(tiles.data());
    }

    /**
     * Continues the chains of sums in progress, as for gradients: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0,
     * 1, ...
     *
     * @param w one f32 panel [depth][64]
     * @param x tiles of {@code w.depth()} steps
     * @param y as many rows of 64 f32 numbers, one after the other, from byte {@code offset} on
     */
    public static void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        checkOnePanel(w);
        x.check(w.depth());
        Objects.checkFromIndexSize(offset, x.count() * 4L * Panels.WIDTH, y.byteSize());
        if (x.count() > 0) {
            WARM_UP.training().products().addProduct(w, x, y, offset);
        }
    }

    /**
     * Adds the squares of a panel's numbers, in double: sums[j] += w[k][j]² for k = 0, 1, ...
     *
     * @param w one f32 panel [depth][64]
     * @param sums 64 numbers
     */
    public static void addSquares(Panels w, double[] sums) {
        checkOnePanel(w);
        Objects.checkFromIndexSize(0, Panels.WIDTH, sums.length);
        WARM_UP.training().reductions().addSquares(w, sums);
    }

    /** Changes weights and their moments by a step of AdamW, see {@link AdamWStep#apply}. */
    public static void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        WARM_UP.training().elementwise().adamW(step, numbers);
    }

    private static void checkOnePanel(Panels w) {
        w.check();
        if (w.count() != 1) {
            throw new IllegalArgumentException("panels: expected 1, got " + w.count());
        }
    }

    /**
     * The product that attention adds to rows, see {@link Reductions#addWeightedRows}. Callers check the rows, and that
     * {@code depth} steps from byte {@code at} on lie inside w.
     */
    public static void addWeightedRows(
            PanelFormat format, MemorySegment w, long at, int depth, Rows x, Rows y, int first, int n) {
        WARM_UP.rest().reductions().addWeightedRows(format, w, at, depth, x, y, first, n);
    }

    /** y = the norm of x; both may be the same. */
    public static void norm(NormRule rule, float[] x, int xOffset, float[] y, int yOffset) {
        int n = rule.gain().length;
        Objects.checkFromIndexSize(yOffset, n, y.length);
        Objects.checkFromIndexSize(0, n, rule.bias().length);
        reductions(x, xOffset, n).norm(rule, x, xOffset, y, yOffset);
    }

    /**
     * The gradient of a norm by its input, added: dx += (g - mean g - h · mean(g · h)) · s, where g = dy · gain, h = (x
     * - m) · s, without mean g in an RMS norm. x, dy and dx are the numbers from {@code offset} on. m and s are written
     * to {@code moments[at]} and {@code moments[at + 1]}, for the gradients of gain and bias.
     */
    public static void normBackward(
            NormRule rule, float[] x, float[] dy, float[] dx, int offset, float[] moments, int at) {
        int n = rule.gain().length;
        Objects.checkFromIndexSize(offset, n, dy.length);
        Objects.checkFromIndexSize(offset, n, dx.length);
        Objects.checkFromIndexSize(at, 2, moments.length);
        Objects.checkFromIndexSize(offset, n, x.length);
        WARM_UP.training().reductions().normBackward(rule, x, dy, dx, offset, moments, at);
    }

    /**
     * Replaces n logits by their softmax: exp(x - max x) / sum. An entry of -infinity becomes 0; if all are, or one is
     * NaN, the result is NaN.
     */
    public static void softmax(float[] x, int offset, int n) {
        softmax(x, offset, n, Float.NEGATIVE_INFINITY);
    }

    /**
     * Replaces n logits by their softmax with a further logit, the sink.
     *
     * @return the probability of the sink
     */
    public static float softmax(float[] x, int offset, int n, float sink) {
        Objects.checkFromIndexSize(offset, n, x.length);
        float max = max(x, offset, n, sink);
        float sum = exponentials(x, offset, n, sink, max);
        divide(x, offset, n, sum);
        return Elementary.exp(sink - max) / sum;
    }

    /** The largest of n numbers and a further one, the sink. */
    public static float max(float[] x, int offset, int n, float sink) {
        return Math.max(sink, max(x, offset, n));
    }

    /** Replaces x by exp(x - max) and returns their sum with exp(sink - max). */
    public static float exponentials(float[] x, int offset, int n, float sink, float max) {
        return reductions(x, offset, n).expSum(x, offset, n, max, true) + Elementary.exp(sink - max);
    }

    /** Replaces n numbers by c · tanh(x / c). */
    public static void cap(float[] x, int offset, int n, float c) {
        divide(x, offset, n, c);
        elementwise(x, offset, n).tanh(x, offset, n);
        for (int i = offset; i < offset + n; i++) {
            x[i] *= c;
        }
    }

    /** The largest of n numbers; NaN if one is NaN, -infinity if n is 0. */
    public static float max(float[] x, int offset, int n) {
        return reductions(x, offset, n).max(x, offset, n);
    }

    /**
     * Index of the largest of n numbers; ties go to the lowest index; NaN never wins.
     *
     * @param n at least 1
     */
    public static int argmax(float[] x, int offset, int n) {
        float max = max(x, offset, n);
        int largest = 0;
        for (int i = 1; i < n && x[offset + largest] != max; i++) {
            boolean loses = x[offset + i] <= x[offset + largest] || Float.isNaN(x[offset + i]);
            largest = loses ? largest : i;
        }
        return largest;
    }

    /** Sum of exp(x - max) over n numbers, none above {@code max}, taken in 16 lanes and a tree. */
    public static float expSum(float[] x, int offset, int n, float max) {
        return reductions(x, offset, n).expSum(x, offset, n, max, false);
    }

    /**
     * Sum of d · exp(d) with d = x - max over n numbers, none above {@code max}, in 16 lanes and a tree, for entropies.
     * An x of -infinity adds 0.
     */
    public static float expMoment(float[] x, int offset, int n, float max) {
        return reductions(x, offset, n).expMoment(x, offset, n, max);
    }

    /** Number of values that are {@code threshold} or more; NaN does not count. */
    public static int countAtLeast(float[] x, int offset, int n, float threshold) {
        return reductions(x, offset, n).countAtLeast(x, offset, n, threshold);
    }

    /** The sum of n numbers, taken in 16 lanes and a tree. */
    public static float sum(float[] x, int offset, int n) {
        return reductions(x, offset, n).sum(x, offset, n);
    }

    /**
     * Replaces n logits by the part of their gradient without the target's term: (exp(x - max) · scale + shift) · (1 -
     * (x · inverseCap)²).
     *
     * @param max no logit is above it
     * @param scale factor of exp(x - max)
     * @param shift constant of label smoothing
     * @param inverseCap 1 / soft cap of the logits; 0 for none
     */
    public static void softmaxBackward(
            float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        Objects.checkFromIndexSize(offset, n, x.length);
        WARM_UP.training().elementwise().softmaxBackward(x, offset, n, max, scale, shift, inverseCap);
    }

    /** x[i] /= divisor for n numbers. */
    public static void divide(float[] x, int offset, int n, float divisor) {
        for (int i = offset; i < offset + n; i++) {
            x[i] /= divisor;
        }
    }

    /** ln(1 + exp(x)); x itself from 20 on. */
    public static float softplus(float x) {
        return Elementary.softplus(x);
    }

    /** exp(x). */
    public static float exp(float x) {
        return Elementary.exp(x);
    }

    /** Moves a head's state over the next positions, see {@link DeltaRule}. */
    public static void delta(DeltaRule rule) {
        rule.check();
        WARM_UP.rest().recurrences().delta(rule);
    }

    /**
     * Replaces n numbers by x · sigmoid(2 u) with u = scale · (x + cube · x³), computed as x / (1 + exp(-2 u)). With
     * scale sqrt(2 / pi) and cube 0.044715 that is the tanh form of GELU (Hendrycks and Gimpel 2016) without its
     * cancellation for negative x; with scale 1/2 and cube 0 SiLU.
     */
    public static void swish(float[] x, int offset, int n, float scale, float cube) {
        elementwise(x, offset, n).swish(x, offset, n, scale, cube);
    }

    /** Replaces n numbers by 1 / (1 + exp(-x)). */
    public static void sigmoid(float[] x, int offset, int n) {
        elementwise(x, offset, n).sigmoid(x, offset, n);
    }

    /** Multiplies dy by the derivative of {@link #swish} at x, for the n numbers from {@code offset} on. */
    public static void swishBackward(float[] x, float[] dy, int offset, int n, float scale, float cube) {
        Objects.checkFromIndexSize(offset, n, dy.length);
        Objects.checkFromIndexSize(offset, n, x.length);
        WARM_UP.training().elementwise().swishBackward(x, dy, offset, n, scale, cube);
    }

    /** Replaces n numbers by their GELU, x · Φ(x); the error is at most 5e-7 of the larger of 1 and |x|. */
    public static void gelu(float[] x, int offset, int n) {
        elementwise(x, offset, n).gelu(x, offset, n);
    }

    /** Multiplies dy by the derivative of {@link #gelu} at x, Φ(x) + x φ(x). */
    public static void geluBackward(float[] x, float[] dy, int offset, int n) {
        Objects.checkFromIndexSize(offset, n, dy.length);
        Objects.checkFromIndexSize(offset, n, x.length);
        WARM_UP.training().elementwise().geluBackward(x, dy, offset, n);
    }

    /** y[i] += x[i] for n numbers. C2 does not vectorise this loop, since the arrays may alias. */
    public static void add(float[] x, int xOffset, float[] y, int yOffset, int n) {
        Objects.checkFromIndexSize(yOffset, n, y.length);
        elementwise(x, xOffset, n).add(x, xOffset, y, yOffset, n);
    }

    /** y[i] *= x[i] for n numbers. */
    public static void scale(float[] x, int xOffset, float[] y, int yOffset, int n) {
        Objects.checkFromIndexSize(yOffset, n, y.length);
        elementwise(x, xOffset, n).scale(x, xOffset, y, yOffset, n);
    }

    /** y[i] = fma(w[i], x[i], y[i]) for n numbers. */
    public static void multiplyAdd(float[] w, int wOffset, float[] x, int xOffset, float[] y, int yOffset, int n) {
        Objects.checkFromIndexSize(wOffset, n, w.length);
        Objects.checkFromIndexSize(yOffset, n, y.length);
        elementwise(x, xOffset, n).multiplyAdd(w, wOffset, x, xOffset, y, yOffset, n);
    }
}
