package dev.causal4j.springai;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.generation.GenerationOptions.Setting;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.test.options.AbstractChatOptionsTests;
import org.springframework.ai.tool.ToolCallback;

class Causal4jChatOptionsTest extends AbstractChatOptionsTests<Causal4jChatOptions, Causal4jChatOptions.Builder> {
    @Override
    protected Class<Causal4jChatOptions> getConcreteOptionsClass() {
        return Causal4jChatOptions.class;
    }

    @Override
    protected Causal4jChatOptions.Builder readyToBuildBuilder() {
        return Causal4jChatOptions.builder()
                .maxTokens(5)
                .stopSequences(List.of("a"))
                .seed(1L)
                .minP(0.1)
                .typicalP(0.9)
                .repetitionPenalty(1.1)
                .noRepeatNgramSize(3)
                .minTokens(2)
                .outputSchema("{}")
                .toolChoice(ToolChoice.REQUIRED)
                .strictTools(false)
                .templateVariables(Map.of("enable_thinking", false))
                .generation(options -> options.withLogProbabilities(2));
    }

    @Test
    void eachOptionIsReadAndCounts() {
        Causal4jChatOptions all = readyToBuildBuilder().build();
        assertThat(all.getNumbers())
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        Setting.SEED,
                        1L,
                        Setting.MIN_P,
                        0.1,
                        Setting.TYPICAL_P,
                        0.9,
                        Setting.REPETITION_PENALTY,
                        1.1,
                        Setting.NO_REPEAT_NGRAM_SIZE,
                        3,
                        Setting.MIN_NEW_TOKENS,
                        2));
        assertThat(all.getOutputSchema()).isEqualTo("{}");
        assertThat(all.getToolChoice()).isEqualTo(ToolChoice.REQUIRED);
        assertThat(all.getStrictTools()).isFalse();
        assertThat(all.getTemplateVariables()).containsExactly(Map.entry("enable_thinking", false));
        assertThat(all.getGeneration()).isNotNull();
        Causal4jChatOptions copy = all.mutate().build();
        assertThat(copy).isEqualTo(all).hasSameHashCodeAs(all);
        assertThat(List.<Causal4jChatOptions.Builder>of(
                        all.mutate().seed(null),
                        all.mutate().outputSchema(null),
                        all.mutate().toolChoice(null),
                        all.mutate().strictTools(null),
                        all.mutate().templateVariables(null),
                        all.mutate().generation(null),
                        all.mutate().maxTokens(6)))
                .allSatisfy(other -> assertThat(other.build()).isNotEqualTo(all));
    }

    @Test
    void aBuilderMayBeUsedOn() {
        Causal4jChatOptions.Builder builder = Causal4jChatOptions.builder().seed(1L);
        Causal4jChatOptions one = builder.build();
        builder.seed(2L).maxTokens(3);
        assertThat(one.getNumbers()).containsEntry(Setting.SEED, 1L);
        assertThat(one.mutate().build().getMaxTokens()).isNull();
    }

    /** As Spring AI's clients do it with the options of a call. */
    @Test
    void combiningTakesWhatIsSetAndJoinsLists() {
        Causal4jChatOptions both = readyToBuildBuilder()
                .combineWith(Causal4jChatOptions.builder()
                        .stopSequences(List.of("b"))
                        .minP(0.2)
                        .templateVariables(Map.of("x", 1)))
                .build();
        assertThat(both)
                .isEqualTo(readyToBuildBuilder()
                        .generation(both.getGeneration())
                        .stopSequences(List.of("a", "b"))
                        .minP(0.2)
                        .templateVariables(Map.of("enable_thinking", false, "x", 1))
                        .build());
        ChatOptions held = Causal4jChatOptions.builder()
                .combineWith(StructuredOutputChatOptions.builder().outputSchema("{}"))
                .build();
        assertThat(held)
                .isEqualTo(Causal4jChatOptions.builder().outputSchema("{}").build());
    }

    @Test
    void whatAPromptSetsReplaces() {
        ToolCallback tool = Requests.tool("file", "{\"type\": \"object\"}");
        Causal4jChatOptions own = readyToBuildBuilder().toolCallbacks(tool).build();
        assertThat(own.overriddenBy(null)).isSameAs(own);
        assertThat(own.overriddenBy(own)).isEqualTo(own);
        assertThat(own.overriddenBy(Causal4jChatOptions.builder().build())).isEqualTo(own);
        Causal4jChatOptions merged = own.overriddenBy(ToolCallingChatOptions.builder()
                .stopSequences(List.of("b"))
                .toolCallbacks(List.of())
                .toolContext(Map.of("x", 1))
                .build());
        assertThat(merged)
                .isEqualTo(own.mutate()
                        .stopSequences(List.of("b"))
                        .toolCallbacks(List.of())
                        .toolContext(Map.of("x", 1))
                        .build());
        assertThat(own.overriddenBy(StructuredOutputChatOptions.builder()
                                .outputSchema("[]")
                                .build())
                        .getOutputSchema())
                .isEqualTo("[]");
    }
}
