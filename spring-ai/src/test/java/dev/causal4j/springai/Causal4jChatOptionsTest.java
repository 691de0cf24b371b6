package dev.causal4j.springai;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.springframework.ai.test.options.AbstractChatOptionsTests;

class Causal4jChatOptionsTest extends AbstractChatOptionsTests<Causal4jChatOptions, Causal4jChatOptions.Builder> {
    @Override
    protected Class<Causal4jChatOptions> getConcreteOptionsClass() {
        return Causal4jChatOptions.class;
    }

    @Override
    protected Causal4jChatOptions.Builder readyToBuildBuilder() {
        return Causal4jChatOptions.builder().model("tools").seed(1L).maxTokens(5);
    }

    @Test
    void x() {
        assertThat(1).isOne();
    }
}
