package dev.causal4j.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class PythonRandomTest {
    private static JsonNode golden() throws IOException {
        return JsonMapper.shared()
                .readTree(
                        Files.readAllBytes(Path.of("src/test/resources/dev/causal4j/scoring/random-and-digests.json")));
    }

    private static int[] ints(JsonNode list) {
        return list.valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    @Test
    void numbersAreThoseOfPython() throws IOException {
        for (JsonNode each : golden().get("random")) {
            PythonRandom random = new PythonRandom(each.get("seed").asLong());
            each.get("values").forEach(value -> assertThat(random.random()).isEqualTo(value.doubleValue()));
        }
        for (JsonNode each : golden().get("choices")) {
            PythonRandom random = new PythonRandom(each.get("seed").asLong());
            int n = each.get("n").asInt();
            for (JsonNode indexes : each.get("indexes")) {
                int[] drawn = new int[n];
                Arrays.setAll(drawn, _ -> (int) (random.random() * n));
                assertThat(drawn).as("%s", each).isEqualTo(ints(indexes));
            }
        }
    }

    @Test
    void samplesAreThoseOfPythonAndRunOn() throws IOException {
        for (JsonNode each : golden().get("sample")) {
            PythonRandom random = new PythonRandom(each.get("seed").asLong());
            for (JsonNode drawn : each.get("draws")) {
                assertThat(random.sample(each.get("n").asInt(), each.get("k").asInt()))
                        .as("%s", each)
                        .isEqualTo(ints(drawn));
            }
        }
    }

    @Test
    void digestsOfDocumentsTasksAndRunsAreThoseOfTheSpecification() throws IOException {
        JsonNode digest = golden().get("digest");
        List<String> documents = digest.get("requests")
                .valueStream()
                .map(each -> Evaluation.combined(each.valueStream()
                        .map(request -> "sha256:" + request.asString())
                        .toList()))
                .toList();
        assertThat(documents)
                .isEqualTo(digest.get("document")
                        .valueStream()
                        .map(each -> "sha256:" + each.asString())
                        .toList());
        String task = Evaluation.combined(documents);
        assertThat(task).isEqualTo(digest.get("task").asString());
        assertThat(Evaluation.combined(List.of(task)))
                .isEqualTo(digest.get("run").asString());
    }
}
