package dev.causal4j.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class PythonRegexTest {
    @Test
    void theExpressionsOfTheTasksFindWhatPythonFinds() throws IOException {
        JsonNode golden = JsonMapper.shared()
                .readTree(Files.readAllBytes(Path.of("src/test/resources/dev/causal4j/scoring/regex.json")));
        for (int i = 0; i < golden.get("pats").size(); i++) {
            PythonRegex regex = PythonRegex.of(golden.get("pats").get(i).asString());
            for (int j = 0; j < golden.get("texts").size(); j++) {
                List<List<String>> expected = golden.get("out")
                        .get(i)
                        .get(j)
                        .valueStream()
                        .map(each -> each.isArray()
                                ? each.valueStream().map(JsonNode::asString).toList()
                                : List.of(each.asString()))
                        .toList();
                assertThat(regex.findAll(golden.get("texts").get(j).asString()))
                        .as("%s", regex)
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void whatJavaReadsInAnotherWayMeansThatOfPython() {
        assertThat(PythonRegex.of("\\{a}|[[(&&]{2}|x{,2}y|b\\Z").findAll("{a} [( && xxy yb\n b"))
                .extracting(List::getFirst)
                .containsExactly("{a}", "[(", "&&", "xxy", "y", "b");
        assertThat(PythonRegex.of("[^]\\]\\[]+").findAll("a]b[c")).hasSize(3);
        assertThat(PythonRegex.of("boxed{(.*)}").findAll("boxed{7}")).containsExactly(List.of("7"));
        assertThat(PythonRegex.of(",").removedFrom("1,234,567")).isEqualTo("1234567");
    }

    @ParameterizedTest
    @ValueSource(strings = {"(?P<n>a)", "(a)(?(1)b|c)", "(", "a\\(?(?P=n)"})
    void whatJavaLacksIsRefused(String source) {
        assertThatThrownBy(() -> PythonRegex.of(source))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("regex: expected one that Java has too");
    }

    @Test
    void anExpressionThatTriesWithoutEndIsStopped() {
        assertThatThrownBy(() -> PythonRegex.of("(.*)(.*)(.*)(.*)(.*)(.*)x").findAll("a".repeat(300)))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("steps");
        assertThatThrownBy(() -> PythonRegex.of("(?:a|b)*c").findAll("ab".repeat(1_000_000)))
                .isInstanceOf(InputException.class);
        assertThatThrownBy(() -> PythonRegex.of("a".repeat(10_001))).isInstanceOf(InputException.class);
    }
}
