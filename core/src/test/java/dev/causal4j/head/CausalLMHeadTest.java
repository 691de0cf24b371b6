package dev.causal4j.head;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CausalLMHeadTest {
    /** The matrix E of Keras' ReversibleEmbedding tests. */
    private static final float[][] KERAS = {{0, 0}, {2, 2}, {3, 3}};

    @Test
    void embedsTheRowsThatKerasEmbeds() {
        float[] rows = new float[6];
        CausalLMHead.tied(matrix(KERAS)).embed(new int[] {2, 1, 0}, Rows.of(rows, 2, 3));
        assertThat(rows).containsExactly(3, 3, 2, 2, 0, 0);
    }

    @Test
    void givesTheLogitsThatKerasGives() {
        Rows hidden = Rows.of(new float[] {1, 1}, 2, 1);
        assertThat(CausalLMHead.tied(matrix(KERAS)).logits(hidden, 0)).containsExactly(0, 4, 6);
    }

    @Test
    void aLargerVocabularyGetsTheMeanOfTheOldRowsAtBothEnds() {
        CausalLMHead tied = CausalLMHead.tied(matrix(new float[][] {{0, 1}, {2, 2}, {4, 6}}))
                .withVocabularySize(66);
        assertThat(tied.tied()).isTrue();
        assertThat(tied.vocabularySize()).isEqualTo(66);
        float[] rows = new float[8];
        tied.embed(new int[] {0, 2, 3, 65}, Rows.of(rows, 2, 4));
        assertThat(rows).containsExactly(0, 1, 4, 6, 2, 3, 2, 3);
        CausalLMHead untied = CausalLMHead.untied(matrix(KERAS), matrix(new float[][] {{9, 9}, {3, 0}, {0, 0}}));
        Rows hidden = Rows.of(new float[] {1, 1}, 2, 1);
        assertThat(untied.withVocabularySize(4).logits(hidden, 0)).containsExactly(18, 3, 0, 7);
        assertThat(untied.withVocabularySize(4).tied()).isFalse();
        assertThat(untied.withVocabularySize(2).logits(hidden, 0)).containsExactly(18, 3);
        assertThatThrownBy(() -> untied.withVocabularySize(0))
                .hasMessage("vocabulary size: expected at least 1, got 0");
    }

    @Test
    void capsLogitsAsKerasDoes() {
        Rows hidden = Rows.of(new float[] {1, 1}, 2, 1);
        float[] logits = CausalLMHead.tied(matrix(KERAS)).withSoftCap(5).logits(hidden, 0);
        assertThat(logits).containsExactly(new float[] {0, 3.320184f, 4.168273f}, within(1e-6f));
    }

    @Test
    void aQuantisedVocabularyKeepsItsSize() {
        for (DType dtype : List.of(DType.INT8, DType.INT4)) {
            CausalLMHead head = Fixture.head(dtype, 5, 32, 1);
            assertThatThrownBy(() -> head.withVocabularySize(6))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("vocabulary to resize: expected weights in f32, f16 or bf16, got " + dtype.label()
                            + "; load the model in f32");
        }
    }

    /** Keras' bounds for its int8 layer: mean squared errors of 1e-3 for the lookup and 1e-2 for the projection. */
    @Test
    void anInt8HeadIsAsCloseToF32AsKerasAsks() {
        int vocabularySize = 100;
        int hiddenSize = 32;
        Random random = new Random(6);
        Matrix exact = random(random, vocabularySize, hiddenSize);
        CausalLMHead f32 = CausalLMHead.tied(exact);
        CausalLMHead int8 = CausalLMHead.tied(
                Matrix.of(Device.shared(), DType.INT8, vocabularySize, hiddenSize, (n, row) -> exact.row(n, row, 0)));
        int[] all = IntStream.range(0, vocabularySize).toArray();
        Rows a = Rows.of(new float[vocabularySize * hiddenSize], hiddenSize, vocabularySize);
        Rows b = Rows.of(new float[vocabularySize * hiddenSize], hiddenSize, vocabularySize);
        f32.embed(all, a);
        int8.embed(all, b);
        assertThat(meanSquare(a.data(), b.data())).isPositive().isLessThan(1e-3);
        assertThat(meanSquare(logits(f32, a), logits(int8, a))).isPositive().isLessThan(1e-2);
    }

    private static double meanSquare(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return sum / a.length;
    }

    @Test
    void aTiedHeadHasOneMatrixAndAnUntiedTwo() {
        CausalLMHead tied = CausalLMHead.tied(matrix(KERAS));
        CausalLMHead untied = CausalLMHead.untied(matrix(KERAS), matrix(KERAS));
        assertThat(tied.tied()).isTrue();
        assertThat(tied.projection()).isSameAs(tied.embedding());
        assertThat(untied.tied()).isFalse();
        Matrix one = matrix(KERAS);
        assertThat(CausalLMHead.untied(one, one).tied())
                .as("identity, not a flag")
                .isTrue();
    }

    @Test
    void anUntiedHeadProjectsWithItsOwnMatrix() {
        CausalLMHead head = CausalLMHead.untied(matrix(KERAS), matrix(new float[][] {{1, 0}, {0, 1}, {-1, 5}}));
        Rows hidden = Rows.of(new float[] {2, 3}, 2, 1);
        assertThat(head.logits(hidden, 0)).containsExactly(2, 3, 13);
    }

    @Test
    void paddingOfTheVocabularyNeverShows() {
        // 67 is padded to 128; with all real logits negative a padded 0 would win.
        float[][] rows = new float[67][2];
        for (int i = 0; i < 67; i++) {
            rows[i] = new float[] {-1, -i};
        }
        CausalLMHead head = CausalLMHead.tied(matrix(rows));
        Rows hidden = Rows.of(new float[] {1, 1}, 2, 1);
        assertThat(head.logits(hidden, 0)).hasSize(67).doesNotContain(0f);
        List<Candidate> all = head.topK(hidden, 0, 1000);
        assertThat(all).hasSize(67);
        assertThat(all.getFirst()).matches(each -> each.token() == 0 && each.logit() == -1);
        assertThat(all.getLast()).matches(each -> each.token() == 66 && each.logit() == -67);
    }

    @Test
    void logitsOfOneAndAllRowsAgree() {
        Random random = new Random(3);
        CausalLMHead head = CausalLMHead.tied(random(random, 131, 35));
        float[] hidden = new float[7 * 35];
        for (int i = 0; i < hidden.length; i++) {
            hidden[i] = (float) random.nextGaussian();
        }
        Rows rows = Rows.of(hidden, 35, 7);
        float[] all = logits(head, rows);
        assertThat(head.logits(rows, 6)).containsExactly(Arrays.copyOfRange(all, 6 * 131, 7 * 131));
    }

    @Test
    void topKIsTheSortedHeadOfAllLogitsAndTiesGoToTheLowerId() {
        Random random = new Random(4);
        float[] few = new float[500];
        for (int i = 0; i < few.length; i++) {
            few[i] = random.nextInt(5); // many ties
        }
        CausalLMHead head =
                CausalLMHead.tied(Matrix.of(Device.shared(), DType.F32, 500, 1, (n, row) -> row[0] = few[n]));
        Rows hidden = Rows.of(new float[] {1}, 1, 1);
        double z = Math.log(
                IntStream.range(0, 500).mapToDouble(i -> Math.exp(few[i])).sum());
        List<Candidate> sorted = IntStream.range(0, 500)
                .mapToObj(token -> new Candidate(token, few[token], few[token] - z))
                .sorted(Comparator.comparingDouble(Candidate::logit).reversed().thenComparingInt(Candidate::token))
                .toList();
        for (int k : new int[] {1, 2, 99, 100, 101, 499, 500}) {
            List<Candidate> top = head.topK(hidden, 0, k);
            assertThat(top)
                    .usingElementComparator(
                            Comparator.comparingInt(Candidate::token).thenComparingDouble(Candidate::logit))
                    .isEqualTo(sorted.subList(0, k));
            assertThat(top.getLast().logProbability())
                    .isCloseTo(sorted.get(k - 1).logProbability(), within(1e-6));
        }
    }

    @Test
    void minusZeroAndZeroTie() {
        CausalLMHead head = CausalLMHead.tied(matrix(new float[][] {{-1e-30f}, {1e-30f}, {-1}}));
        Rows hidden = Rows.of(new float[] {1e-30f}, 1, 1); // the first two logits underflow to -0 and 0
        assertThat(head.topK(hidden, 0, 2)).extracting(Candidate::token).containsExactly(0, 1);
        assertThat(head.topK(hidden, 0, 2)).extracting(Candidate::logit).containsExactly(-0f, 0f);
        assertThat(head.topK(hidden, 0, 1)).extracting(Candidate::token).containsExactly(0);
    }

    @Test
    void topKNamesALogitThatIsNotANumber() {
        CausalLMHead head = CausalLMHead.tied(matrix(new float[][] {{1}, {Float.NaN}, {2}}));
        assertThatThrownBy(() -> head.topK(Rows.of(new float[] {1}, 1, 1), 0, 2))
                .isInstanceOf(NonFiniteException.class)
                .hasMessage("logits of row 0: expected numbers, got NaN at token id 1");
    }

    @Test
    void aTokenOutsideTheVocabularyIsNamedAndNothingIsWritten() {
        CausalLMHead head = CausalLMHead.tied(matrix(KERAS));
        float[] rows = {9, 9, 9, 9};
        for (int bad : new int[] {3, -1, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            assertThatThrownBy(() -> head.embed(new int[] {1, bad}, Rows.of(rows, 2, 2)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("token id at position 1: expected 0 to 2, got " + bad);
        }
        assertThat(rows).containsOnly(9);
    }

    @Test
    void partsThatDoNotFitAreRefused() {
        assertThatThrownBy(() -> CausalLMHead.untied(matrix(KERAS), matrix(new float[][] {{1, 2}})))
                .hasMessage("projection: expected the embedding's shape [3, 2], got [1, 2]");
        CausalLMHead head = CausalLMHead.tied(matrix(KERAS));
        assertThatThrownBy(() -> head.withSoftCap(0))
                .hasMessage("logit soft cap: expected a positive finite number, got 0.0");
        assertThatThrownBy(() -> head.withSoftCap(Float.NaN)).isInstanceOf(IllegalArgumentException.class);
        Rows one = Rows.of(new float[2], 2, 1);
        assertThatThrownBy(() -> head.topK(one, 0, 0)).hasMessage("k: expected at least 1, got 0");
        assertThatThrownBy(() -> head.logits(one, Rows.of(new float[6], 3, 2)))
                .hasMessage("rows of logits: expected 1, got 2");
        assertThatThrownBy(() -> head.logits(Rows.of(new float[4], 2, 2), new Rows(new float[6], 0, 3, 1)))
                .hasMessage("rows of logits: expected 2, got 1");
        assertThatThrownBy(() -> head.logits(one, 1)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    private static float[] logits(CausalLMHead head, Rows hidden) {
        float[] logits = new float[hidden.count() * head.vocabularySize()];
        head.logits(hidden, Rows.of(logits, head.vocabularySize(), hidden.count()));
        return logits;
    }

    private static Matrix matrix(float[][] rows) {
        return Matrix.of(
                Device.shared(),
                DType.F32,
                rows.length,
                rows[0].length,
                (n, row) -> System.arraycopy(rows[n], 0, row, 0, row.length));
    }

    private static Matrix random(Random random, int rows, int cols) {
        float[] numbers = new float[rows * cols];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        return Matrix.of(
                Device.shared(), DType.F32, rows, cols, (n, row) -> System.arraycopy(numbers, n * cols, row, 0, cols));
    }
}
