package dev.causal4j.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.InputException;
import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.scoring.LmEval.Answer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Expected results are those of lm-evaluation-harness with the same model in float64. */
class LmEvalTest {
    private static final Path FIXTURES = Path.of("src/test/resources/dev/causal4j");

    private static CausalLM model;
    private static JsonNode cases;

    @BeforeAll
    static void load() throws IOException {
        model = CausalLM.load(FIXTURES.resolve("stories260K/stories260K.gguf"));
        cases = JsonMapper.shared().readTree(Files.readAllBytes(FIXTURES.resolve("scoring/requests.json")));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static LmEval eval(JsonNode each) {
        return new LmEval(Engine.shared(model), each.path("max_length").asInt(model.contextLength()));
    }

    private static List<ScoringRequest> requests(LmEval eval, JsonNode document) {
        return document.get("requests")
                .valueStream()
                .map(each -> eval.request(each.get(0).asString(), each.get(1).asString()))
                .toList();
    }

    private static Offset<Double> tolerance(double value) {
        return within(2e-4 + 2e-6 * Math.abs(value));
    }

    private static double sum(Score score) {
        return -score.totals().nll();
    }

    @Test
    void aUserNeedsTenLines() {
        LmEval eval = new LmEval(model);
        Ranking answers =
                eval.multipleChoice("Question: Who is the best friend of Lily?\nAnswer:", List.of(" Tom", " mom"));
        int best = answers.order(Normalization.SUM).getFirst();
        Score park = eval.loglikelihood("They went to play in the", " park");
        Score text =
                eval.rolling(List.of("Lily saw a dog."), ScoringListener.NONE).getFirst();
        Answer story = eval.generateUntil(List.of("Once upon a time"), List.of("."), 24)
                .getFirst();

        assertThat(best).isZero();
        assertThat(park.isGreedy()).isTrue();
        assertThat(sum(text)).isCloseTo(-28.412404753990774, within(1e-4));
        assertThat(story.text()).isEqualTo(", there was a little girl named Lily");
    }

    @Test
    void logLikelihoodsAreThoseOfTheHarness() {
        for (JsonNode document : cases.get("loglikelihood")) {
            LmEval eval = eval(document);
            List<Score> scores = eval.loglikelihood(List.of(requests(eval, document)), ScoringListener.NONE);
            assertThat(scores).hasSize(document.get("requests").size());
            for (int i = 0; i < scores.size(); i++) {
                JsonNode expected = document.get("requests").get(i);
                double value = expected.get(2).doubleValue();
                assertThat(sum(scores.get(i))).as("%s", expected).isCloseTo(value, tolerance(value));
                assertThat(scores.get(i).isGreedy())
                        .as("%s", expected)
                        .isEqualTo(expected.get(3).booleanValue());
            }
        }
    }

    @Test
    void rollingSumsAreThoseOfTheHarness() {
        for (JsonNode each : cases.get("rolling")) {
            Score score = eval(each)
                    .rolling(List.of(each.get("text").asString()), ScoringListener.NONE)
                    .getFirst();
            double value = each.get("sum").doubleValue();
            assertThat(sum(score)).as("%s", each).isCloseTo(value, tolerance(value));
            assertThat(score.tokens()).as("BOS is scored").startsWith(1).hasSameSizeAs(score.predictions());
        }
    }

    @Test
    void aWindowScoresWhatItsInputHasInFull() {
        JsonNode longest = cases.get("rolling").get(0);
        for (JsonNode each : cases.get("rolling")) {
            longest = each.get("text").asString().length()
                            > longest.get("text").asString().length()
                    ? each
                    : longest;
        }
        String text = longest.get("text").asString();
        int[] tokens =
                model.requireTokenizer().withPrefix(model.requireTokenizer().encode(text));
        for (int most : new int[] {37, tokens.length / 3}) {
            List<Prediction> rolled = new LmEval(Engine.shared(model), Math.min(most, model.contextLength()))
                    .rolling(List.of(text), ScoringListener.NONE)
                    .getFirst()
                    .predictions();
            int length = Math.min(most, model.contextLength());
            int[] all = IntStream.concat(IntStream.of(1), Arrays.stream(tokens)).toArray();
            List<Prediction> expected = new ArrayList<>();
            for (int first = 1; first < all.length; first += length) {
                int end = Math.min(all.length, first + length);
                int offset = Math.max(0, end - 1 - length);
                ScoringRequest window =
                        new ScoringRequest(Arrays.copyOfRange(all, offset, first), Arrays.copyOfRange(all, first, end));
                expected.addAll(new Scorer(model)
                        .score(List.of(window), ScoringOptions.DEFAULT, ScoringListener.NONE)
                        .getFirst()
                        .predictions());
            }
            assertThat(rolled).isEqualTo(expected);
        }
    }

    @Test
    void textsAreThoseOfTheHarness() {
        for (JsonNode each : cases.get("generate_until")) {
            List<String> until =
                    each.get("until").valueStream().map(JsonNode::asString).toList();
            int most = each.get("max_gen_toks").intValue();
            Answer answer = eval(each)
                    .generateUntil(List.of(each.get("prompt").asString()), until, most)
                    .getFirst();
            assertThat(answer.text()).as("%s", each).isEqualTo(each.get("text").asString());
            assertThat(answer.generation().tokens())
                    .as("%s", each)
                    .hasSize(each.path("tokens").asInt(answer.generation().tokens().length));
            assertThat(answer.generation().predictions())
                    .hasSameSizeAs(answer.generation().tokens());
        }
    }

    @Test
    void aStopStringEndsItsOwnSequenceAlone() {
        LmEval eval = new LmEval(model);
        List<String> prompts = List.of("Once upon a time", "Lily and Tom went to the", "The dog said");
        List<Answer> together = eval.generateUntil(prompts, List.of(" little", "park"), 20);
        for (int i = 0; i < prompts.size(); i++) {
            Answer alone = eval.generateUntil(List.of(prompts.get(i)), List.of(" little", "park"), 20)
                    .getFirst();
            assertThat(together.get(i).text()).isEqualTo(alone.text());
            assertThat(together.get(i).generation().tokens())
                    .isEqualTo(alone.generation().tokens());
            assertThat(together.get(i).generation().predictions())
                    .isEqualTo(alone.generation().predictions());
        }
        assertThat(together)
                .extracting(each -> each.generation().finishReason())
                .containsExactly(FinishReason.CANCELLED, FinishReason.CANCELLED, FinishReason.LENGTH);
    }

    /** The harness looks for stop strings in the text with special tokens, and leaves these out of the answer. */
    @Test
    void aStopStringMayBeASpecialToken() {
        Answer story = new LmEval(model)
                .generateUntil(List.of("Once upon a time"), List.of("<s>"), 400)
                .getFirst();
        int[] tokens = story.generation().tokens();
        assertThat(model.requireTokenizer().decode(tokens[tokens.length - 1])).isEqualTo("<s>");
        assertThat(story.generation().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(story.text()).isNotEmpty().doesNotContain("Once upon a time");
    }

    @Test
    void bitsAreThoseOfEachRequestAlone() {
        LmEval eval = new LmEval(model);
        List<List<ScoringRequest>> documents = new ArrayList<>();
        for (int i = 0; i < cases.get("loglikelihood").size(); i += Whole.or(1, 3)) {
            JsonNode each = cases.get("loglikelihood").get(i);
            if (!each.has("max_length")) {
                documents.add(requests(eval, each));
            }
        }
        List<ScoringRequest> all = documents.stream().flatMap(List::stream).toList();
        List<List<Prediction>> expected = new ArrayList<>();
        int threads = Compute.shared().threads();
        try (Engine uncached = new Engine(model, EngineOptions.DEFAULT.withPrefixBytes(0))) {
            for (ScoringRequest each : all) {
                expected.add(new Scorer(uncached)
                        .score(List.of(each), ScoringOptions.DEFAULT, ScoringListener.NONE)
                        .getFirst()
                        .predictions());
            }
            for (int count : new int[] {1, 2}) {
                Compute.shared().use(count);
                assertThat(eval.loglikelihood(documents, ScoringListener.NONE))
                        .extracting(Score::predictions)
                        .isEqualTo(expected);
                assertThat(new LmEval(uncached, model.contextLength()).loglikelihood(documents, ScoringListener.NONE))
                        .extracting(Score::predictions)
                        .isEqualTo(expected);
            }
        } finally {
            Compute.shared().use(threads);
        }
    }

    /** A document's distinct tokens are the nodes of the tree of its inputs. */
    @Test
    void whatRequestsHaveInCommonIsComputedOnce(@TempDir Path folder) throws IOException {
        LmEval eval = new LmEval(model);
        List<List<ScoringRequest>> documents = new ArrayList<>();
        Set<List<Integer>> distinct = new HashSet<>();
        for (JsonNode each : cases.get("loglikelihood")) {
            List<ScoringRequest> document = requests(eval, each);
            if (!each.has("max_length")
                    && document.stream()
                            .allMatch(one -> Arrays.equals(
                                    one.prefix(), document.getFirst().prefix()))) {
                documents.add(document);
                for (ScoringRequest request : document) {
                    List<Integer> tokens =
                            Arrays.stream(request.sequence()).boxed().toList();
                    IntStream.range(1, tokens.size())
                            .mapToObj(end -> tokens.subList(0, end))
                            .map(path -> IntStream.concat(
                                            IntStream.of(documents.size()),
                                            path.stream().mapToInt(id -> id))
                                    .boxed()
                                    .toList())
                            .forEach(distinct::add);
                }
            }
        }
        Path file = folder.resolve("work.jfr");
        try (Recording recording = new Recording();
                Engine uncached = new Engine(model, EngineOptions.DEFAULT.withPrefixBytes(0))) {
            recording.enable("dev.causal4j.Score");
            recording.start();
            LmEval alone = new LmEval(uncached, model.contextLength());
            documents.forEach(each -> alone.loglikelihood(List.of(each), ScoringListener.NONE));
            recording.stop();
            recording.dump(file);
        }
        long computed = 0;
        for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
            computed += event.getLong("tokens");
        }
        assertThat(computed).isBetween((long) distinct.size(), Math.round(1.15 * distinct.size()));
    }

    @Test
    void aTokenizerWithoutBosPutsNothingBeforeAContext() throws IOException {
        try (CausalLM gpt2 = CausalLM.load(FIXTURES.resolve("golden/gguf/gpt2.gguf"))) {
            LmEval eval = new LmEval(gpt2);
            int end = gpt2.eos().iterator().next();
            int[] context = gpt2.requireTokenizer().encode("It's");
            int[] continuation = gpt2.requireTokenizer().encode(" in");
            assertThat(eval.request("It's", " in")).isEqualTo(new ScoringRequest(context, continuation));
            assertThat(eval.request("It's ", "in")).isEqualTo(new ScoringRequest(context, continuation));
            assertThat(eval.request("", " in")).isEqualTo(new ScoringRequest(new int[] {end}, continuation));
            assertThatThrownBy(() -> eval.request(" ", "in"))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("after 0");
            assertThat(eval.rolling(List.of("", " in"), ScoringListener.NONE))
                    .extracting(each -> each.predictions().size())
                    .containsExactly(0, continuation.length);
        }
    }

    @Test
    void theFirstOfEqualChoicesIsTheBest() {
        Ranking ranking = new LmEval(model).multipleChoice("Lily went to", List.of(" bed", " the park", " the park"));
        assertThat(ranking.order(Normalization.SUM)).startsWith(1, 2);
    }

    @Test
    void whatTheHarnessAssertsIsRefused() {
        LmEval eval = new LmEval(model);
        assertThatThrownBy(() -> eval.multipleChoice("Once upon a ti", List.of("ger", "me")))
                .isInstanceOf(InputException.class)
                .hasMessage("choice 1: expected 1 to 512 tokens after at least one, got 0 after 6; change it or its"
                        + " context");
        assertThatThrownBy(() -> new LmEval(Engine.shared(model), 3).loglikelihood("Lily", " saw a dog."))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("continuation: expected 1 to 3 tokens after at least one, got 5");
        assertThatThrownBy(() -> eval.loglikelihood("", "<s>")).isInstanceOf(InputException.class);
        assertThatThrownBy(() -> eval.generateUntil(List.of("Lily"), List.of(), 512))
                .isInstanceOf(InputException.class)
                .hasMessage("max_gen_toks: expected less than 512, the most tokens of an input, got 512; allow fewer");
        assertThatThrownBy(() -> new LmEval(Engine.shared(model), 513))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("max-length: expected 1 to the context length 512, got 513");
        assertThatThrownBy(() -> new LmEval(SmallModels.bare(model)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("tokenizer: expected");
    }
}
