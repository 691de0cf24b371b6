package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelNameTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "a/b",
                "HuggingFaceTB/SmolLM2-135M-Instruct",
                "openai/gpt-oss-20b@main",
                "a/b.c_d@refs/pr/1",
                "a/b@v1.0+cpu",
                "a/b@0123456789abcdef0123456789abcdef01234567"
            })
    void namesOfTheHub(String text) {
        ModelName name = ModelName.of(text);
        assertThat(text).startsWith(name.repository());
        assertThat(name.toString()).isEqualTo(text.replaceFirst("@main$", ""));
        assertThat(ModelName.of(name.toString())).isEqualTo(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "gpt2",
                "/a/b",
                "a/b/",
                "a/b/c",
                "../b",
                "a/..",
                "./a",
                "a/.b",
                "a/b.",
                "a/b-",
                "-a/b",
                "a--b/c",
                "a/b..c",
                "a b/c",
                "a/b@",
                "a/b@..",
                "a/b@../../x",
                "a/b@/x",
                "a/b@x/",
                "a/b@x//y",
                "a/b@.x",
                "a/b@x@y",
                "a\\b",
                "a/b\n",
                "é/b",
                "https://a/b"
            })
    void othersAreNone(String text) {
        assertThat(ModelName.find(text)).isEmpty();
        assertThatThrownBy(() -> ModelName.of(text))
                .hasMessageStartingWith("model: expected org/name or org/name@revision, got \"");
    }

    @Test
    void anOldNameWithoutItsOrganisationIsOffered() {
        assertThatThrownBy(() -> ModelName.of("qwen3:0.6b"))
                .hasMessage(
                        "model: expected org/name or org/name@revision, got \"qwen3:0.6b\"; did you mean Qwen/Qwen3-0.6B?");
        assertThat(ModelName.meant("qwen3:99b")).isEmpty();
        assertThatThrownBy(() -> ModelName.of("gpt2")).hasMessageEndingWith("; did you mean openai-community/gpt2?");
        assertThatThrownBy(() -> ModelName.of("gpt3")).hasMessageEndingWith("got \"gpt3\"");
    }

    @Test
    void longTextsAreNone() {
        assertThat(ModelName.find("a/" + "b".repeat(96))).isPresent();
        assertThat(ModelName.find("a/" + "b".repeat(97))).isEmpty();
        assertThat(ModelName.find("a/b@" + "c".repeat(100_000))).isEmpty();
    }
}
