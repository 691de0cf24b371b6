package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Thoughts are free, and a constraint begins after them, as the rendered prompt says. */
@Timeout(120)
class ThoughtsTest {
    private static final Path RESOURCES = Path.of("../text/src/test/resources/dev/causal4j");
    private static final String DOCUMENT = "\\{\\s*\"age\":\\s*-?[0-9]{1,2}\\s*\\}";
    private static final Constraint AGE = Constraint.schema("""
            {"type": "object", "required": ["age"], "additionalProperties": false,
             "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}}}""");

    private final CausalLM model = model();

    private static CausalLM model() {
        try {
            Tokenizer tokenizer = Tokenizer.load(RESOURCES.resolve("tokenizer/golden/qwen3-small"))
                    .orElseThrow();
            return CausalLM.create(
                    SmallModels.gpt2(tokenizer.vocabularySize(), 900, 16, 1, 2)
                            .withSpecialIds(
                                    OptionalInt.empty(),
                                    Set.of(tokenizer.id("<|im_end|>").orElseThrow())),
                    5,
                    DType.F32,
                    tokenizer);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterEach
    void close() {
        model.close();
    }

    /** Answers whose thoughts, if there are any, end soon. */
    private List<Generation> answers(String template, String message, Map<String, ?> variables) throws IOException {
        String source = Files.readString(RESOURCES.resolve("chat/" + template + ".jinja"));
        ChatTemplate parsed = ChatTemplate.parse(template, source, Map.of());
        Chat.Format format = Chat.Format.of(model, parsed).withVariables(variables);
        int end = model.requireTokenizer().id("</think>").orElseThrow();
        int begin = model.requireTokenizer().id("<think>").orElseThrow();
        List<Generation> answers = new ArrayList<>();
        for (int seed = 0; seed < 30; seed++) {
            GenerationOptions options = GenerationOptions.DEFAULT
                    .withMaxNewTokens(200)
                    .withSeed(seed)
                    .withLogitBias(Map.of(end, 7.0, begin, seed % 2 == 0 ? 9.0 : 0))
                    .withConstraint(AGE);
            answers.add(new Generator(model)
                    .generate(
                            List.of(format.request(List.of(new Message("user", message)), options)), TokenListener.NONE)
                    .getFirst());
        }
        assertThat(answers).anyMatch(each -> each.constrained().orElseThrow().complete());
        return answers;
    }

    private static void assertHeld(List<Generation> answers, String thought) {
        for (Generation each : answers) {
            if (each.constrained().orElseThrow().complete()) {
                assertThat(each.text()).matches("(?s)" + thought + DOCUMENT);
            } else {
                assertThat(each.finishReason()).isEqualTo(FinishReason.LENGTH);
            }
        }
    }

    @Test
    void aModelMayThinkBeforeTheDocument() throws IOException {
        List<Generation> answers = answers("qwen3", "Hello", Map.of());
        assertHeld(answers, "(<think>.*</think>\\n{0,2})?");
        assertThat(answers).anyMatch(each -> each.text().startsWith("<think>"));
    }

    @Test
    void thinkingThatAVariableSwitchesOffLeavesTheDocumentAlone() throws IOException {
        assertHeld(answers("qwen3", "Hello", Map.of("enable_thinking", false)), "");
    }

    @Test
    void aModelThatIsToldNotToThinkIsHeldToo() throws IOException {
        assertHeld(answers("qwen3", "Hello /no_think", Map.of()), "(<think>.*</think>\\n{0,2})?");
    }

    @Test
    void aThoughtThatThePromptBeginsEndsBeforeTheDocument() throws IOException {
        List<Generation> answers = answers("minimind", "Hello", Map.of("open_thinking", true));
        assertHeld(answers, ".*</think>\\n{0,2}");
    }

    @Test
    void aTemplateThatDoesNotThinkGivesTheDocumentAlone() throws IOException {
        assertHeld(answers("smollm2-instruct", "Hello", Map.of()), "");
    }
}
