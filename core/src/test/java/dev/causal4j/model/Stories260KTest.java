package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.ScoringOptions;
import dev.causal4j.scoring.ScoringRequest;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A published checkpoint with trained weights, against float64 of these weights. */
class Stories260KTest {
    private static final Path FIXTURE = Path.of("src/test/resources/dev/causal4j/stories260K");

    private static CausalLM model;
    private static JsonNode reference;

    @BeforeAll
    static void load() throws IOException {
        model = CausalLM.load(FIXTURE.resolve("stories260K.gguf"));
        reference = JsonMapper.shared().readTree(Files.readAllBytes(FIXTURE.resolve("reference.json")));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static int[] integers(JsonNode list) {
        return list.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    private static List<Score> scores(CausalLM scored) {
        List<ScoringRequest> requests = reference
                .get("texts")
                .valueStream()
                .map(each -> ScoringRequest.of(integers(each.get("ids"))))
                .toList();
        return new Scorer(scored).score(requests, ScoringOptions.DEFAULT, (_, _) -> true);
    }

    @Test
    void itsSizesAreThoseOfItsPublication() {
        assertThat(model.parameters()).isEqualTo(260_032);
        assertThat(model.contextLength()).isEqualTo(512);
        assertThat(model.dtype()).isEqualTo(DType.F32);
        assertThat(model.head().vocabularySize()).isEqualTo(512);
        assertThat(model.bos()).hasValue(1);
        assertThat(model.eos()).containsExactly(2);
    }

    @Test
    void tokensAreThoseOfTheReference() {
        for (JsonNode each : reference.get("texts")) {
            int[] ids = model.requireTokenizer()
                    .withPrefix(model.requireTokenizer().encode(each.get("text").asString()));
            assertThat(ids).isEqualTo(integers(each.get("ids")));
        }
    }

    @Test
    void theGreedyTextIsThatOfTheReference() {
        int[] expected = integers(reference.get("greedy_from_bos"));
        Generation story = new Generator(model)
                .generate("", GenerationOptions.DEFAULT.withTemperature(0).withMaxNewTokens(expected.length - 1));
        assertThat(story.promptTokens()).containsExactly(expected[0]);
        assertThat(story.tokens()).containsExactly(Arrays.copyOfRange(expected, 1, expected.length));
        assertThat(story.text()).isEqualTo(reference.get("greedy_text").asString());
    }

    @Test
    void logProbabilitiesAreThoseOfDoublePrecision() {
        List<Score> scores = scores(model);
        for (int i = 0; i < scores.size(); i++) {
            JsonNode expected = reference.get("texts").get(i);
            List<Double> values = expected.get("logprobs")
                    .valueStream()
                    .map(JsonNode::doubleValue)
                    .toList();
            Score score = scores.get(i);
            assertThat(score.predictions()).hasSameSizeAs(values);
            for (int k = 0; k < values.size(); k++) {
                assertThat(score.predictions().get(k).logProbability())
                        .isCloseTo(values.get(k), tolerance(values.get(k)));
            }
            double nll = expected.get("nll").doubleValue();
            assertThat(score.totals().nll()).isCloseTo(nll, tolerance(nll));
        }
    }

    private static Offset<Double> tolerance(double value) {
        return within(2e-4 + 2e-6 * Math.abs(value));
    }

    @Test
    void aFolderOfTheModelScoresWithEqualBits(@TempDir Path folder) throws IOException {
        model.save(folder, DType.F32);
        try (CausalLM saved = CausalLM.load(folder)) {
            List<Score> expected = scores(model);
            List<Score> scores = scores(saved);
            for (int i = 0; i < expected.size(); i++) {
                assertThat(scores.get(i).predictions())
                        .isEqualTo(expected.get(i).predictions());
                assertThat(scores.get(i).pieces()).isEqualTo(expected.get(i).pieces());
            }
        }
    }
}
