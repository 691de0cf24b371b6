package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.tokenizer.Tokenizer;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Masks and verdicts equal those of an independent recogniser (Earley) over byte automata. */
class GoldenMasksTest {
    private static final Map<String, JsonNode> CASES = new HashMap<>();

    static {
        Golden.json("constraints").forEach(each -> CASES.put(each.get("name").asString(), each.get("constraint")));
    }

    static Stream<JsonNode> texts() {
        return Golden.json("texts").valueStream();
    }

    @ParameterizedTest
    @ValueSource(strings = {"minimind", "llama2-style", "unigram-style"})
    void allMasksAreExact(String name) {
        Tokenizer tokenizer = Golden.tokenizer(name);
        StringBuilder wrong = new StringBuilder();
        int count = 0;
        for (JsonNode row : Golden.json(name)) {
            String subject = row.get("name").asString();
            byte[] prefix = Golden.bytes(row.get("prefix").asString());
            Matcher matcher = Golden.constraint(Objects.requireNonNull(CASES.get(subject)))
                    .start(tokenizer);
            assertThat(matcher.accept(prefix)).as(subject).isEqualTo(prefix.length);
            BitSet expected = Golden.ids(row.get("allowed").asString(), tokenizer.vocabularySize());
            BitSet mask = Golden.mask(matcher, tokenizer.vocabularySize());
            mask.xor(expected);
            if (!mask.isEmpty() || matcher.isAccepting() != row.get("eos").asBoolean()) {
                wrong.append(subject)
                        .append(' ')
                        .append(row.get("prefix"))
                        .append(": differ in ")
                        .append(mask)
                        .append('\n');
            }
            count++;
        }
        assertThat(wrong).isEmpty();
        assertThat(count).isEqualTo(151);
    }

    @ParameterizedTest
    @MethodSource("texts")
    void textsAreFollowedAsFarAsTheyCanBeCompleted(JsonNode row) {
        Constraint constraint = Golden.constraint(
                Objects.requireNonNull(CASES.get(row.get("name").asString())));
        for (JsonNode text : row.get("texts")) {
            Matcher matcher = constraint.start(Golden.tokenizer("minimind"));
            byte[] bytes = Golden.bytes(text.get("text").asString());
            int viable = matcher.accept(bytes);
            assertThat(viable).as("%s", text).isEqualTo(text.get("viable").asInt());
            assertThat(viable == bytes.length && matcher.isAccepting())
                    .as("%s", text)
                    .isEqualTo(text.get("complete").asBoolean());
        }
    }
}
