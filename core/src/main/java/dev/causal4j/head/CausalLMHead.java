package dev.causal4j.head;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Matrix;
import java.util.List;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The causal language model head: {@code logits = hidden · Eᵀ} with hidden [N, D] and E [V, D]. Immutable and
 * thread-safe.
 *
 * <p>The embedding reads row i of E for token i; the projection multiplies by Eᵀ, with no bias and no scaling. Tied,
 * both are one matrix, which saves V · D parameters.
 */
public final class CausalLMHead {
    /** The target of a row that a loss ignores: -100, as in PyTorch and Hugging Face. */
    public static final int IGNORED = -100;

    private final Matrix embedding;
    private final Matrix projection;
    final float softCap; // 0 for none

    private CausalLMHead(Matrix embedding, Matrix projection, float softCap) {
        checkShape("projection: expected the embedding's shape", embedding, projection.rows(), projection.cols());
        this.embedding = embedding;
        this.projection = projection;
        this.softCap = softCap;
    }

    /**
     * A head whose projection is the embedding itself.
     *
     * @param embedding [V, D]
     */
    public static CausalLMHead tied(Matrix embedding) {
        return new CausalLMHead(embedding, embedding, 0);
    }

    /**
     * A head of two matrices [V, D]. Given the same object twice it is tied.
     *
     * @throws IllegalArgumentException if the shapes differ
     */
    public static CausalLMHead untied(Matrix embedding, Matrix projection) {
        return new CausalLMHead(embedding, projection, 0);
    }

    /**
     * This head with soft-capped logits: {@code cap · tanh(logits / cap)} (Gemma 2; Bello et al. 2016).
     *
     * @throws IllegalArgumentException if {@code cap} is not a positive finite number
     */
    public CausalLMHead withSoftCap(float cap) {
        if (!(cap > 0) || Float.isInfinite(cap)) {
            throw new IllegalArgumentException("logit soft cap: expected a positive finite number, got " + cap);
        }
        return new CausalLMHead(embedding, projection, cap);
    }

    /**
     * This head for a vocabulary of another size. Old tokens keep their rows; each new one gets the mean of all old
     * rows (Hewitt 2021). Embedding and projection are both resized, and a tied head stays tied.
     *
     * @throws IllegalArgumentException if the size is less than 1, or the weights are quantised: their rounding would
     *     change
     */
    public CausalLMHead withVocabularySize(int size) {
        return withVocabularySize(size, embedding.device());
    }

    /**
     * This head for a vocabulary of another size, as {@link #withVocabularySize(int)}, in the memory of a device.
     *
     * @param device the owner of the new matrices, instead of the embedding's
     */
    public CausalLMHead withVocabularySize(int size, Device device) {
        if (size < 1) {
            throw new IllegalArgumentException("vocabulary size: expected at least 1, got " + size);
        }
        Matrix newEmbedding = resized(embedding, size, device);
        return new CausalLMHead(newEmbedding, tied() ? newEmbedding : resized(projection, size, device), softCap);
    }

    private static Matrix resized(Matrix matrix, int size, Device device) {
        if (matrix.dtype().isQuantised()) {
            throw new IllegalArgumentException("vocabulary to resize: expected weights in f32, f16 or bf16, got "
                    + matrix.dtype().label() + "; load the model in f32");
        }
        float[] row = new float[matrix.cols()];
        double[] sum = new double[matrix.cols()];
        for (int n = 0; n < matrix.rows() && size > matrix.rows(); n++) {
            matrix.row(n, row, 0);
            for (int k = 0; k < row.length; k++) {
                sum[k] += row[k];
            }
        }
        return Matrix.of(device, matrix.dtype(), size, matrix.cols(), (n, target) -> {
            if (n < matrix.rows()) {
                matrix.row(n, target, 0);
                return;
            }
            for (int k = 0; k < target.length; k++) {
                target[k] = (float) (sum[k] / matrix.rows());
            }
        });
    }

    /** Whether embedding and projection are one matrix. */
    public boolean tied() {
        return embedding == projection;
    }

    /** The threads that compute with its matrices. */
    public Compute compute() {
        return projection.device().compute();
    }

    /** V, the number of token ids; they are 0 to V - 1. */
    public int vocabularySize() {
        return embedding.rows();
    }

    /** D, the length of an embedding and of a hidden vector. */
    public int hiddenSize() {
        return embedding.cols();
    }

    /** The matrix tokens are looked up in, [V, D]. */
    public Matrix embedding() {
        return embedding;
    }

    /** The matrix logits are computed with, [V, D]; the embedding itself when tied. */
    public Matrix projection() {
        return projection;
    }

    /**
     * Looks tokens up: row i of {@code target} becomes the embedding of {@code tokens[i]}.
     *
     * @param target as many rows as tokens, of D numbers
     * @throws IllegalArgumentException if an id is not 0 to V - 1; nothing is written then
     */
    public void embed(int[] tokens, Rows target) {
        checkTokens(tokens);
        checkCount("rows", tokens.length, target.count());
        compute().each(tokens.length, i -> embedding.row(tokens[i], target.data(), target.start(i)));
    }

    /**
     * Checks that all ids are in the vocabulary.
     *
     * @throws IllegalArgumentException naming the first that is not, and its position
     */
    public void checkTokens(int[] tokens) {
        checkIds("token id", tokens, false);
    }

    private void checkIds(String name, int[] ids, boolean mayBeIgnored) {
        for (int i = 0; i < ids.length; i++) {
            boolean known = ids[i] >= 0 && ids[i] < vocabularySize();
            if (!known && !(mayBeIgnored && ids[i] == IGNORED)) {
                throw new InputException(name + " at position " + i + ": expected 0 to " + (vocabularySize() - 1)
                        + (mayBeIgnored ? " or " + IGNORED + " to ignore it" : "") + ", got " + ids[i]);
            }
        }
    }

    private static void checkCount(String name, int expected, int got) {
        if (got != expected) {
            throw new IllegalArgumentException(name + ": expected " + expected + ", got " + got);
        }
    }

    /**
     * Logits of all rows.
     *
     * @param hidden [N, D]
     * @param logits [N, V], written
     */
    public void logits(Rows hidden, Rows logits) {
        checkCount("rows of logits", hidden.count(), logits.count());
        projection.multiply(hidden, null, logits);
        if (softCap > 0) {
            compute().run(logits.count(), r -> cap(logits.data(), logits.start(r), vocabularySize()));
        }
    }

    /**
     * Logits of one row, for instance the last of a prompt.
     *
     * @param hidden [N, D]
     * @return a new array [V]
     */
    public float[] logits(Rows hidden, int row) {
        float[] logits = new float[vocabularySize()];
        logits(hidden.rows(Objects.checkIndex(row, hidden.count()), 1), Rows.of(logits, vocabularySize(), 1));
        return logits;
    }

    /** Applies the soft cap to n logits, if there is one. */
    void cap(float[] logits, int offset, int n) {
        if (softCap > 0) {
            Kernels.cap(logits, offset, n, softCap);
        }
    }

    /**
     * The k tokens with the highest logits after one hidden vector, best first; equal logits in the order of their ids.
     *
     * @param hidden [N, D]
     * @param k at least 1; more than V gives all V
     * @throws NonFiniteException if a logit is NaN, naming the first
     */
    public List<Candidate> topK(Rows hidden, int row, int k) {
        if (k < 1) {
            throw new IllegalArgumentException("k: expected at least 1, got " + k);
        }
        Rows one = hidden.rows(Objects.checkIndex(row, hidden.count()), 1);
        return logProbabilities(one, new int[1], false, k).alternatives().getFirst();
    }

    /**
     * Log-probability and rank of each row's target: ln p = logit - ln sum exp(logits). Takes at most 64 MB besides the
     * result, whatever N and V are. A row's result has the same bits in every batch, for every number of threads and
     * every vector width.
     *
     * @param hidden [N, D]
     * @param targets [N] the token that row i should predict
     * @throws IllegalArgumentException if there are not as many targets as rows, or one is not 0 to V - 1, naming the
     *     first
     * @throws NonFiniteException if the logits of a row have no softmax, naming the first and the cause: a NaN or
     *     +infinity, or -infinity everywhere
     */
    public LogProbabilities logProbabilities(Rows hidden, int[] targets) {
        return logProbabilities(hidden, targets, false, 0);
    }

    /**
     * Scores targets as {@link #logProbabilities(Rows, int[])}, with entropies and best candidates.
     *
     * @param entropy whether to compute the entropy of each row's distribution
     * @param alternatives best candidates to return for each row; they exceed the 64 MB only if a single row's do
     * @throws IllegalArgumentException also if {@code alternatives} is negative
     */
    public LogProbabilities logProbabilities(Rows hidden, int[] targets, boolean entropy, int alternatives) {
        checkTargets(hidden, targets, false);
        if (alternatives < 0) {
            throw new IllegalArgumentException("alternatives: expected at least 0, got " + alternatives);
        }
        LogProbabilities scores = new StreamingSoftmax(this, targets, entropy, alternatives).run(hidden);
        checkSoftmax(scores.logNormalizers(), row -> withoutSoftmax(hidden, row));
        return scores;
    }

    /**
     * Scores targets from logits that {@link #logits(Rows, Rows)} has computed, with the same bits.
     *
     * @param logits [N, V]
     */
    public LogProbabilities logProbabilitiesOf(Rows logits, int[] targets, int alternatives) {
        checkTargets(logits, targets, false);
        LogProbabilities scores = new StreamingSoftmax(this, targets, false, alternatives).runOn(logits);
        checkSoftmax(scores.logNormalizers(), row -> withoutSoftmax(logits.data(), logits.start(row), row));
        return scores;
    }

    /**
     * ln of the sum of exp(logit), with the bits of {@link LogProbabilities#logNormalizers} where the logits are those
     * of a row.
     */
    public static double logNormalizer(float[] logits, int offset, int n) {
        TileSums sums = new TileSums(1, n, false, 0);
        for (int tile = 0; tile < TileSums.tiles(n); tile++) {
            sums.take(0, tile, logits, offset + tile * TileSums.TILE);
        }
        return sums.logNormalizer(0);
    }

    /**
     * The cross-entropy of the targets, without gradients: {@link LossOptions} has the formula. Takes at most 64 MB
     * whatever N and V are; same bits as {@link #lossAndGradients}.
     *
     * @param hidden [N, D]
     * @param targets [N] the token that row i should predict, or {@link #IGNORED}
     * @return a loss of 0 if no target is left
     * @throws IllegalArgumentException if there are not as many targets as rows, or one is neither a token id nor
     *     ignored
     * @throws NonFiniteException if the logits of a row have no softmax, naming the first and the cause
     */
    public Loss loss(Rows hidden, int[] targets, LossOptions options) {
        checkTargets(hidden, targets, true);
        return new FusedLoss(this, hidden, targets, options).value();
    }

    /**
     * The loss and its gradients in one pass, without the logits of all rows. At a time it has the logits of a chunk of
     * rows, at most 64 MB or one row, and the scratch of its products. Equal bits for every number of threads, and
     * however a batch is cut into calls with one {@link LossOptions#denominator}: a row's dHidden depends on that row
     * alone, and each number of the matrix's gradient is one chain over the rows that have a target, in their order.
     *
     * @param hidden [N, D]
     * @param targets [N] the token that row i should predict, or {@link #IGNORED}
     * @param dHidden [N, D], written: the gradient of the loss by hidden, zeros where the target is ignored; must not
     *     overlap hidden
     * @param dProjection the gradient by the projection [V, D] is added to it; of a tied head this is the embedding's;
     *     null if it is not wanted
     * @return a loss of 0 if no target is left
     * @throws IllegalArgumentException if shapes differ, or a target is neither a token id nor ignored; nothing is
     *     written then
     * @throws NonFiniteException if the logits of a row have no softmax, naming the first and the cause; gradients of
     *     earlier chunks stay added
     */
    public Loss lossAndGradients(
            Rows hidden,
            int[] targets,
            LossOptions options,
            Rows dHidden,
            @Nullable Gradient dProjection,
            Loss.Scratch scratch) {
        checkTargets(hidden, targets, true);
        if (dProjection != null) {
            checkShape("dProjection: expected the matrix's shape", projection, dProjection.rows(), dProjection.cols());
        }
        checkCount("rows of dHidden", hidden.count(), dHidden.count());
        return new FusedLoss(this, hidden, targets, options).withGradients(dHidden, dProjection, scratch);
    }

    /**
     * Backward of {@link #embed}, the other half of a tied gradient: adds row i of {@code dRows} to row {@code
     * tokens[i]}, in the order of i. Tokens may repeat.
     *
     * @param dRows [tokens.length, D] the gradient of the loss by the embedded rows
     * @param dEmbedding of the embedding [V, D]; of a tied head the same object as its dProjection
     * @throws IllegalArgumentException if shapes differ or an id is not 0 to V - 1; nothing is added then
     */
    public void embedBackward(int[] tokens, Rows dRows, Gradient dEmbedding) {
        checkTokens(tokens);
        checkShape("dEmbedding: expected the matrix's shape", embedding, dEmbedding.rows(), dEmbedding.cols());
        dEmbedding.addRows(tokens, dRows);
    }

    private static void checkShape(String subject, Matrix matrix, int rows, int cols) {
        if (rows != matrix.rows() || cols != matrix.cols()) {
            throw new IllegalArgumentException(
                    subject + " [" + matrix.rows() + ", " + matrix.cols() + "], got [" + rows + ", " + cols + "]");
        }
    }

    private void checkTargets(Rows hidden, int[] targets, boolean mayBeIgnored) {
        checkCount("targets", hidden.count(), targets.length);
        checkIds("target", targets, mayBeIgnored);
    }

    /** Throws for the first normaliser of a row without a softmax. */
    static void checkSoftmax(double[] logNormalizers, IntFunction<NonFiniteException> why) {
        for (int i = 0; i < logNormalizers.length; i++) {
            if (!Double.isFinite(logNormalizers[i])) {
                throw why.apply(i);
            }
        }
    }

    /** Why row r has no softmax. */
    NonFiniteException withoutSoftmax(Rows hidden, int r) {
        for (int i = 0; i < hiddenSize(); i++) {
            if (!Float.isFinite(hidden.data()[hidden.start(r) + i])) {
                return new NonFiniteException("hidden row " + r + ": expected finite numbers, got "
                        + hidden.data()[hidden.start(r) + i] + " at index " + i);
            }
        }
        return withoutSoftmax(logits(hidden, r), 0, r);
    }

    private NonFiniteException withoutSoftmax(float[] logits, int offset, int r) {
        for (int token = 0; token < vocabularySize(); token++) {
            float logit = logits[offset + token];
            if (Float.isNaN(logit) || logit == Float.POSITIVE_INFINITY) {
                return new NonFiniteException(
                        "logits of row " + r + ": expected numbers, got " + logit + " at token id " + token);
            }
        }
        return new NonFiniteException("logits of row " + r + ": expected numbers, got -Infinity everywhere");
    }
}
