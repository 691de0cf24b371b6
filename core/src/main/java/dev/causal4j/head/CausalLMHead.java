package dev.causal4j.head;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Rows;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.PriorityQueue;

/**
 * The causal language model head: {@code logits = hidden · Eᵀ} with hidden [N, D] and E [V, D]. Immutable and
 * thread-safe.
 *
 * <p>The embedding reads row i of E for token i; the projection multiplies by Eᵀ, with no bias and no scaling. Tied, both
 * are one matrix, which saves V · D parameters.
 */
public final class CausalLMHead {
    /** Best first; among equal logits the lower id is the better one. */
    private static final Comparator<Candidate> BEST_FIRST = Comparator.comparingDouble(
                    (Candidate candidate) -> candidate.logit() + 0f) // -0 is no less than 0
            .reversed()
            .thenComparingInt(Candidate::token);

    private final Matrix embedding;
    private final Matrix projection;
    private final float softCap;

    private CausalLMHead(Matrix embedding, Matrix projection, float softCap) {
        if (embedding.rows() != projection.rows() || embedding.cols() != projection.cols()) {
            throw new IllegalArgumentException(
                    "projection: expected the embedding's shape " + shape(embedding) + ", got " + shape(projection));
        }
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
     * The same head with logits capped softly: {@code cap · tanh(logits / cap)} (Gemma 2; Bello et al. 2016).
     *
     * @throws IllegalArgumentException if {@code cap} is not a positive finite number
     */
    public CausalLMHead withSoftCap(float cap) {
        if (!(cap > 0) || Float.isInfinite(cap)) {
            throw new IllegalArgumentException("logit soft cap: expected a positive finite number, got " + cap);
        }
        return new CausalLMHead(embedding, projection, cap);
    }

    /** Whether embedding and projection are one matrix. */
    public boolean tied() {
        return embedding == projection;
    }

    /** Whether logits are capped softly. */
    boolean capped() {
        return softCap > 0;
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

    /** Parameters of the head; a tied matrix counts once. */
    public long parameters() {
        return tied() ? embedding.parameters() : embedding.parameters() + projection.parameters();
    }

    /** Parameters that tying saves, which is what untying would cost; 0 for an untied head. */
    public long parametersSavedByTying() {
        return tied() ? projection.parameters() : 0;
    }

    /**
     * Looks tokens up: row i of {@code target} becomes the embedding of {@code tokens[i]}.
     *
     * @param target as many rows as tokens, of D numbers
     * @throws IllegalArgumentException if an id is not 0 to V - 1; nothing is written then
     */
    public void embed(int[] tokens, Rows target) {
        checkTokens(tokens);
        if (target.count() != tokens.length) {
            throw new IllegalArgumentException(
                    "rows: expected one for each of " + tokens.length + " tokens, got " + target.count());
        }
        for (int i = 0; i < tokens.length; i++) {
            embedding.row(tokens[i], target.data(), target.start(i));
        }
    }

    /**
     * Checks that all ids are in the vocabulary.
     *
     * @throws IllegalArgumentException naming the first that is not, and its position
     */
    public void checkTokens(int[] tokens) {
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0 || tokens[i] >= vocabularySize()) {
                throw new IllegalArgumentException("token id at position " + i + ": expected 0 to "
                        + (vocabularySize() - 1) + ", got " + tokens[i]);
            }
        }
    }

    /**
     * Logits of all rows.
     *
     * @param hidden [N, D]
     * @param logits [N, V], written
     */
    public void logits(Rows hidden, Rows logits) {
        projection.multiply(hidden, null, logits);
        if (softCap > 0) {
            for (int r = 0; r < logits.count(); r++) {
                cap(logits.data(), logits.start(r));
            }
        }
    }

    /**
     * Logits of one row, for instance the last: what decoding needs of a prompt.
     *
     * @param hidden [N, D]
     * @return a new array [V]
     */
    public float[] logits(Rows hidden, int row) {
        Objects.checkIndex(row, hidden.count());
        float[] logits = new float[vocabularySize()];
        logits(new Rows(hidden.data(), hidden.start(row), hidden.stride(), 1), Rows.of(logits, vocabularySize(), 1));
        return logits;
    }

    /**
     * Logits of chosen rows, in the order of {@code rows}.
     *
     * @param hidden [N, D]
     * @return a new array [rows.length, V]
     * @throws IllegalArgumentException if that is more than an array can hold
     */
    public float[] logits(Rows hidden, int[] rows) {
        long size = (long) rows.length * vocabularySize();
        if (size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("logits: expected at most 2^31 numbers, got " + rows.length + " rows of "
                    + vocabularySize() + "; ask for fewer rows at a time");
        }
        float[] chosen = new float[rows.length * hiddenSize()];
        for (int i = 0; i < rows.length; i++) {
            Objects.checkIndex(rows[i], hidden.count());
            System.arraycopy(hidden.data(), hidden.start(rows[i]), chosen, i * hiddenSize(), hiddenSize());
        }
        float[] logits = new float[(int) size];
        logits(Rows.of(chosen, hiddenSize(), rows.length), Rows.of(logits, vocabularySize(), rows.length));
        return logits;
    }

    private void cap(float[] logits, int offset) {
        int n = vocabularySize();
        for (int i = offset; i < offset + n; i++) {
            logits[i] /= softCap;
        }
        Kernels.tanh(logits, offset, n);
        for (int i = offset; i < offset + n; i++) {
            logits[i] *= softCap;
        }
    }

    /**
     * The k tokens with the highest logits after one hidden vector, best first; equal logits in the order of their ids.
     *
     * @param hidden [N, D]
     * @param k at least 1; more than V gives all V
     * @throws ArithmeticException if a logit is NaN, naming the first
     */
    public List<Candidate> topK(Rows hidden, int row, int k) {
        if (k < 1) {
            throw new IllegalArgumentException("k: expected at least 1, got " + k);
        }
        float[] logits = logits(hidden, row);
        PriorityQueue<Candidate> best = new PriorityQueue<>(BEST_FIRST.reversed()); // the worst of them on top
        for (int token = 0; token < logits.length; token++) {
            if (Float.isNaN(logits[token])) {
                throw new ArithmeticException("logits: expected numbers, got NaN at token id " + token);
            }
            if (best.size() < k) {
                best.add(new Candidate(token, logits[token]));
            } else if (logits[token] > best.element().logit()) {
                best.remove();
                best.add(new Candidate(token, logits[token]));
            }
        }
        List<Candidate> sorted = new ArrayList<>(best);
        sorted.sort(BEST_FIRST);
        return List.copyOf(sorted);
    }

    private static String shape(Matrix matrix) {
        return "[" + matrix.rows() + ", " + matrix.cols() + "]";
    }
}
