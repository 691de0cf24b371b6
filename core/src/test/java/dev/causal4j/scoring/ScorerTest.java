package dev.causal4j.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorView;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ScorerTest {
    private static final int VOCABULARY = 301;
    private static final int CONTEXT = 77;

    private final CausalLM model = CausalLM.create(SmallModels.gpt2(VOCABULARY, CONTEXT, 40, 2, 4), 5, DType.F32);
    private final Scorer scorer = new Scorer(model);
    private final int threads = Compute.shared().threads();

    @BeforeEach
    void nobodyInterruptsUs() {
        assertThat(Thread.interrupted()).isFalse();
    }

    @AfterEach
    void restore() {
        Compute.shared().use(threads);
        Thread.interrupted();
    }

    private static int[] tokens(int seed, int count) {
        return new Random(seed).ints(count, 0, VOCABULARY).toArray();
    }

    private Score score(ScoringRequest request, ScoringOptions options) {
        return scorer.score(List.of(request), options, ScoringListener.NONE).getFirst();
    }

    private static List<Prediction> without(List<Prediction> predictions) {
        return predictions.stream()
                .map(each -> new Prediction(each.token(), each.logProbability(), each.rank(), List.of()))
                .toList();
    }

    /** Expected numbers are PyTorch's logits in float64 and the definition of a log-probability. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void logProbabilitiesAndRanksAreThoseOfDoublePrecision(String name) throws Exception {
        Path folder = Path.of(Objects.requireNonNull(getClass().getResource("/dev/causal4j/golden/" + name))
                .toURI());
        CausalLM golden = CausalLM.load(folder);
        TensorView logits = SafeTensors.open(folder.resolve("golden.safetensors"), Arena.ofAuto())
                .tensor("logits");
        JsonNode texts = JsonMapper.shared()
                .readTree(Files.readAllBytes(folder.resolve("golden.json")))
                .get("tokens");
        int v = golden.head().vocabularySize();
        int row = 0;
        for (JsonNode each : texts) {
            int[] text = each.valueStream().mapToInt(JsonNode::intValue).toArray();
            Score score = new Scorer(golden)
                    .score(
                            List.of(ScoringRequest.of(text)),
                            ScoringOptions.DEFAULT.withAlternatives(3),
                            ScoringListener.NONE)
                    .getFirst();
            assertThat(score.prediction(0)).isEmpty();
            double nll = 0;
            for (int i = 1; i < text.length; i++) {
                double[] expected = row(logits, row + i - 1, v);
                Prediction prediction = score.prediction(i).orElseThrow();
                double logNormalizer =
                        Math.log(Arrays.stream(expected).map(Math::exp).sum());
                int[] order = order(expected);
                int at = i;
                assertThat(prediction.token()).isEqualTo(text[i]);
                assertThat(prediction.logProbability()).isCloseTo(expected[text[i]] - logNormalizer, within(2e-5));
                assertThat(prediction.rank()).isEqualTo((int) Arrays.stream(expected)
                        .filter(x -> x > expected[text[at]])
                        .count());
                assertThat(prediction.alternatives()).hasSize(3);
                for (int k = 0; k < 3; k++) {
                    Candidate alternative = prediction.alternatives().get(k);
                    assertThat(alternative.token()).isEqualTo(order[k]);
                    assertThat(alternative.logProbability())
                            .isCloseTo(expected[order[k]] - logNormalizer, within(2e-5));
                }
                nll -= expected[text[i]] - logNormalizer;
            }
            assertThat(score.totals().nll()).isCloseTo(nll, within(2e-5 * text.length));
            assertThat(score.perplexity()).isCloseTo(Math.exp(nll / (text.length - 1)), within(1e-3));
            assertThat(score.totals().meanLogProbability()).isCloseTo(-Math.log(score.perplexity()), within(1e-9));
            assertThat(score.totals().bitsPerByte()).as("no tokenizer").isEmpty();
            row += text.length;
        }
        assertThat(row).isPositive();
    }

    private static double[] row(TensorView logits, int row, int v) {
        float[] numbers = new float[v];
        logits.copyTo((long) row * v, numbers, 0, v);
        return IntStream.range(0, v).mapToDouble(i -> numbers[i]).toArray();
    }

    private static int[] order(double[] numbers) {
        return IntStream.range(0, numbers.length)
                .boxed()
                .sorted((a, b) -> Double.compare(numbers[b], numbers[a]))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    @Test
    void requestsAreComparedByContent() {
        ScoringRequest request = new ScoringRequest(new int[] {4}, new int[] {2, 3});
        assertThat(new ScoringRequest(new int[] {4}, new int[] {2, 3}))
                .isEqualTo(request)
                .hasSameHashCodeAs(request)
                .hasToString("ScoringRequest[prefix=[4], tokens=[2, 3]]");
        assertThat(ScoringRequest.of(2, 3)).isNotEqualTo(request);
    }

    @Test
    void aTextAloneAgreesWithItselfInEveryBatchAndForEveryNumberOfThreads() {
        List<ScoringRequest> requests = new ArrayList<>();
        for (int length : new int[] {2, 9, 64, 3, 78, 200, 2, 130, 17}) {
            int[] prefix = tokens(length, requests.size() % 3 * 5);
            requests.add(new ScoringRequest(prefix, tokens(requests.size(), length)));
        }
        List<Score> alone = requests.stream()
                .map(each -> score(each, ScoringOptions.DEFAULT))
                .toList();
        for (int rows : new int[] {1, 7, 64, 100, 512}) {
            Compute.shared().use(1 + rows % 3);
            List<Score> together;
            long kept = rows % 3 == 0 ? 0 : 1 << 20;
            EngineOptions packed = EngineOptions.DEFAULT.withPromptRows(rows).withPrefixBytes(kept);
            try (Engine engine = new Engine(model, packed)) {
                new Scorer(engine).score(requests.subList(4, 8), ScoringOptions.DEFAULT, ScoringListener.NONE);
                together =
                        new Scorer(engine).score(requests, ScoringOptions.DEFAULT.withAlternatives(2), (_, _) -> true);
            }
            for (int i = 0; i < requests.size(); i++) {
                assertThat(without(together.get(i).predictions()))
                        .as("text %d, %d rows", i, rows)
                        .isEqualTo(alone.get(i).predictions());
                assertThat(together.get(i).totals()).isEqualTo(alone.get(i).totals());
                assertThat(together.get(i).bits()).isEqualTo(alone.get(i).bits());
                assertThat(together.get(i).tokens()).isEqualTo(requests.get(i).tokens());
            }
        }
    }

    /** The digest that stands here was computed by one machine; all kernels and machines must have its bits. */
    @Test
    void theDigestIsThatOfTheLogProbabilitiesAndOfThemAlone() throws Exception {
        Score score = score(ScoringRequest.of(tokens(4, 33)), ScoringOptions.DEFAULT.withAlternatives(3));
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        for (Prediction each : score.predictions()) {
            long bits = Double.doubleToRawLongBits(each.logProbability());
            for (int shift = 56; shift >= 0; shift -= 8) {
                sha.update((byte) (bits >>> shift));
            }
        }
        assertThat(score.bits())
                .isEqualTo("sha256:" + HexFormat.of().formatHex(sha.digest()))
                .isEqualTo("sha256:bf996f8e3c44d8eec49af52c9cf36d32cead05f65c7c24cd0bac7cf558d18dbf");
        List<Prediction> changed = new ArrayList<>(without(score.predictions()));
        assertThat(Score.bits(changed)).as("without alternatives").isEqualTo(score.bits());
        Prediction last = changed.removeLast();
        changed.add(new Prediction(last.token(), Math.nextUp(last.logProbability()), last.rank(), List.of()));
        assertThat(Score.bits(changed)).isNotEqualTo(score.bits());
    }

    /** The definition of windows, token by token, independent of how they are computed. */
    @ParameterizedTest
    @CsvSource({"1, 0", "20, 0", "77, 0", "0, 0", "20, 13", "77, 77"})
    void aLongTextScoresEachTokenOnceWithTheContextOfItsWindow(int stride, int prefixLength) {
        int[] all = tokens(3, 250);
        ScoringRequest request =
                new ScoringRequest(Arrays.copyOf(all, prefixLength), Arrays.copyOfRange(all, prefixLength, all.length));
        Score score = score(request, ScoringOptions.DEFAULT.withStride(stride));
        int step = stride == 0 ? 38 : stride;
        int first = Math.max(1, prefixLength);
        assertThat(score.totals().scoredTokens()).isEqualTo(all.length - first);
        for (int t = first; t < all.length; t += 3) {
            int later = t <= CONTEXT ? 0 : Math.ceilDiv(t - CONTEXT, step);
            int end = Math.min(all.length, CONTEXT + 1 + later * step);
            int from = Math.max(0, end - 1 - CONTEXT);
            assertThat(t - from).as("context of token %d", t).isGreaterThanOrEqualTo(Math.min(t, CONTEXT + 1 - step));
            ScoringRequest only = new ScoringRequest(Arrays.copyOfRange(all, from, t), new int[] {all[t]});
            assertThat(score.prediction(t - prefixLength))
                    .as("token %d", t)
                    .contains(score(only, ScoringOptions.DEFAULT).predictions().getFirst());
        }
    }

    @Test
    void aPrefixIsContextOnly() {
        int[] all = tokens(8, 40);
        List<Prediction> whole =
                score(ScoringRequest.of(all), ScoringOptions.DEFAULT).predictions();
        for (int length : new int[] {1, 7, 39}) {
            ScoringRequest request =
                    new ScoringRequest(Arrays.copyOf(all, length), Arrays.copyOfRange(all, length, all.length));
            Score score = score(request, ScoringOptions.DEFAULT);
            assertThat(score.predictions()).isEqualTo(whole.subList(length - 1, whole.size()));
            assertThat(score.prediction(0)).contains(whole.get(length - 1));
        }
    }

    @Test
    void aChoiceScoresAsATextAfterItsPromptThatIsComputedOnce() {
        for (int promptLength : new int[] {1, 2, 66}) {
            int[] prompt = tokens(1, promptLength);
            List<int[]> choices = List.of(tokens(2, 1), tokens(3, 5), tokens(4, 12), tokens(5, 1), tokens(6, 3));
            long[] computed = {0, 0};
            Ranking ranking = scorer.rank(prompt, choices, ScoringOptions.DEFAULT, (done, total) -> {
                computed[0] = done;
                computed[1] = total;
                return true;
            });
            assertThat(computed).as("a row for each token of a choice").containsExactly(22, 22);
            List<Score> expected = choices.stream()
                    .map(choice -> score(new ScoringRequest(prompt, choice), ScoringOptions.DEFAULT))
                    .toList();
            for (int i = 0; i < choices.size(); i++) {
                assertThat(ranking.choices().get(i).predictions())
                        .isEqualTo(expected.get(i).predictions());
                assertThat(ranking.logProbability(i, Normalization.SUM))
                        .isEqualTo(-expected.get(i).totals().nll());
                assertThat(ranking.logProbability(i, Normalization.PER_TOKEN))
                        .isEqualTo(-expected.get(i).totals().nll() / choices.get(i).length);
            }
            List<Integer> order = ranking.order(Normalization.SUM);
            assertThat(order).containsExactlyInAnyOrder(0, 1, 2, 3, 4);
            assertThat(order)
                    .isSortedAccordingTo((a, b) -> Double.compare(
                            expected.get(a).totals().nll(),
                            expected.get(b).totals().nll()));
            assertThat(ranking.order(Normalization.PER_TOKEN)).isNotEqualTo(order);
            assertThatThrownBy(() -> ranking.order(Normalization.PER_BYTE)).hasMessageContaining("tokenizer");
        }
    }

    @Test
    void choicesThatBeginAlikeScoreAsEachAlone() {
        int[] longest = tokens(2, 9);
        List<int[]> choices = new ArrayList<>(List.of(tokens(5, 3), longest, longest));
        for (int common : new int[] {1, 4, 5, 8}) {
            choices.add(Arrays.copyOf(longest, common));
            choices.add(IntStream.concat(Arrays.stream(longest, 0, common), Arrays.stream(tokens(common, 1)))
                    .toArray());
        }
        for (int promptLength : new int[] {1, 31, 66}) {
            int[] prompt = tokens(1, promptLength);
            Ranking ranking = scorer.rank(prompt, choices, ScoringOptions.DEFAULT, ScoringListener.NONE);
            for (int i = 0; i < choices.size(); i++) {
                Score alone = score(new ScoringRequest(prompt, choices.get(i)), ScoringOptions.DEFAULT);
                assertThat(ranking.choices().get(i).predictions()).isEqualTo(alone.predictions());
            }
        }
    }

    @Test
    void equalChoicesKeepTheirOrder() {
        int[] choice = tokens(2, 4);
        Ranking ranking = scorer.rank(
                tokens(1, 3), List.of(choice, choice, choice), ScoringOptions.DEFAULT, ScoringListener.NONE);
        assertThat(ranking.order(Normalization.SUM)).containsExactly(0, 1, 2);
        assertThat(scorer.rank(tokens(1, 3), List.of(), ScoringOptions.DEFAULT, ScoringListener.NONE)
                        .choices())
                .isEmpty();
    }

    @Test
    void manyTextsHaveThePerplexityOfAllTheirTokens() {
        List<Score> scores = scorer.score(
                List.of(ScoringRequest.of(tokens(1, 3)), ScoringRequest.of(tokens(2, 50))),
                ScoringOptions.DEFAULT,
                ScoringListener.NONE);
        Totals totals = scores.stream().map(Score::totals).reduce(Totals.ZERO, Totals::plus);
        assertThat(totals.scoredTokens()).isEqualTo(51);
        assertThat(totals.perplexity())
                .hasValue(StrictMath.exp(
                        (scores.get(0).totals().nll() + scores.get(1).totals().nll()) / 51));
        assertThat(Totals.ZERO.perplexity()).isEmpty();
        assertThat(new Totals(1e6, 1, 4).perplexity()).hasValue(Double.POSITIVE_INFINITY);
        assertThat(new Totals(8 * StrictMath.log(2), 1, 4).bitsPerByte()).hasValue(2);
        assertThat(scorer.score(List.of(), ScoringOptions.DEFAULT, ScoringListener.NONE))
                .isEmpty();
    }

    @Test
    void nothingToScoreIsSaid() {
        assertThatThrownBy(ScoringRequest::of)
                .isInstanceOf(InputException.class)
                .hasMessage("text: expected at least two tokens (the first has no prediction), got none;"
                        + " give a longer text or a prefix");
        assertThatThrownBy(() -> ScoringRequest.of(3)).hasMessageContaining("got one;");
        assertThatThrownBy(() -> new ScoringRequest(new int[] {3}, new int[0]))
                .hasMessage("text: expected at least one token, got none");
    }

    @Test
    void sizesOutOfRangeAreRefusedBeforeAnythingIsComputed() {
        ScoringRequest request = ScoringRequest.of(1, 2, 3);
        assertThatThrownBy(() -> score(request, ScoringOptions.DEFAULT.withStride(CONTEXT + 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("stride: expected at most the context length 77, got 78");
        assertThatThrownBy(() -> ScoringOptions.DEFAULT.withStride(-1)).hasMessageContaining("stride: expected");
        assertThatThrownBy(() -> ScoringOptions.DEFAULT.withAlternatives(-1)).hasMessageContaining("top: expected");
        assertThatThrownBy(() ->
                        score(new ScoringRequest(tokens(1, CONTEXT + 1), tokens(2, 1)), ScoringOptions.DEFAULT))
                .hasMessage("prefix: expected at most 77 tokens, the context length, got 78; shorten it");
        assertThat(score(new ScoringRequest(tokens(1, CONTEXT), tokens(2, 1)), ScoringOptions.DEFAULT)
                        .totals()
                        .scoredTokens())
                .isEqualTo(1);
        assertThatThrownBy(() -> score(ScoringRequest.of(1, VOCABULARY), ScoringOptions.DEFAULT))
                .hasMessageContaining("token id at position 1");
        assertThatThrownBy(() -> scorer.score("x")).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void choicesOutOfRangeAreNamed() {
        int[] prompt = tokens(1, 70);
        List<int[]> longest = List.of(tokens(2, 8));
        assertThat(scorer.rank(prompt, longest, ScoringOptions.DEFAULT, ScoringListener.NONE)
                        .choices())
                .hasSize(1);
        assertThatThrownBy(() -> rank(prompt, tokens(1, 2), tokens(2, 9)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("choice 2: expected at most 78 tokens with its prompt, got 79; shorten one of them");
        assertThatThrownBy(() -> rank(prompt, tokens(1, 2), new int[0]))
                .hasMessage("choice 2: expected at least one token, got none");
        assertThatThrownBy(() -> rank(new int[0], tokens(1, 2)))
                .hasMessage("prompt: expected at least one token, got none");
    }

    private Ranking rank(int[] prompt, int[]... choices) {
        return scorer.rank(prompt, List.of(choices), ScoringOptions.DEFAULT, ScoringListener.NONE);
    }

    @Test
    void weightsThatAreNotNumbersAreNamedWithTextAndPosition() {
        Matrix good = model.head().embedding();
        Matrix bad = Matrix.of(Device.shared(), DType.F32, good.rows(), good.cols(), (n, row) -> {
            good.row(n, row, 0);
            if (n == 7) {
                row[5] = Float.NaN;
            }
        });
        Scorer damaged = new Scorer(SmallModels.withHead(model, bad, good));
        int[] text = new int[200];
        Arrays.fill(text, 3);
        text[150] = 7;
        ScoringOptions options = ScoringOptions.DEFAULT;
        assertThatThrownBy(() -> damaged.score(
                        List.of(ScoringRequest.of(3, 4, 5), ScoringRequest.of(text)), options, ScoringListener.NONE))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith(
                        "logits: expected finite numbers, got a hidden vector with NaN at position 150 of text 2;");
        assertThatThrownBy(
                        () -> damaged.rank(new int[] {1, 7, 2}, List.of(new int[] {4}), options, ScoringListener.NONE))
                .hasMessageContaining("at position 2 of text 1;");
        assertThatThrownBy(() -> damaged.rank(
                        new int[] {1, 2}, List.of(new int[] {4}, new int[] {7, 5}), options, ScoringListener.NONE))
                .hasMessageContaining("at position 2 of text 2;");
    }

    @Test
    void anInterruptOrTheListenerCancels() {
        List<ScoringRequest> requests = List.of(ScoringRequest.of(tokens(1, 60)), ScoringRequest.of(tokens(2, 60)));
        ScoringOptions options = ScoringOptions.DEFAULT;
        List<Long> heard = new ArrayList<>();
        scorer.score(requests, options, (done, total) -> {
            assertThat(total).isEqualTo(118);
            return heard.add(done);
        });
        assertThat(heard).containsExactly(59L, 118L);
        assertThatThrownBy(() -> scorer.score(requests, options, (done, _) -> done < 30))
                .isInstanceOf(CancellationException.class)
                .hasMessage("scoring: cancelled after 59 of 118 tokens");
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> scorer.score(requests, options, ScoringListener.NONE))
                .isInstanceOf(CancellationException.class);
        assertThat(Thread.interrupted()).as("stays interrupted").isTrue();
    }
}
