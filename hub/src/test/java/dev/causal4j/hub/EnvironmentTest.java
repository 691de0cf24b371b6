package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EnvironmentTest {
    private static final String HOME = System.getProperty("user.home");

    @TempDir
    Path folder;

    @Test
    void withoutVariablesItIsTheHubAndTheCacheOfPython() throws IOException {
        Environment environment = Environment.of(Map.of("HF_TOKEN_PATH", "/nowhere"));
        assertThat(environment)
                .isEqualTo(new Environment(
                        URI.create("https://huggingface.co"), null, Path.of(HOME, ".cache/huggingface/hub"), false));
    }

    @Test
    void theCacheIsWhereTheNearestVariableSays() throws IOException {
        assertThat(Environment.of(Map.of("XDG_CACHE_HOME", "/x")).cache()).isEqualTo(Path.of("/x/huggingface/hub"));
        assertThat(Environment.of(Map.of("XDG_CACHE_HOME", "/x", "HF_HOME", "~/hf"))
                        .cache())
                .isEqualTo(Path.of(HOME, "hf/hub"));
        assertThat(Environment.of(Map.of("HF_HOME", "/h", "HF_HUB_CACHE", "/c")).cache())
                .isEqualTo(Path.of("/c"));
        assertThat(Environment.of(Map.of("HF_HOME", "/h", "HUGGINGFACE_HUB_CACHE", "/old"))
                        .cache())
                .isEqualTo(Path.of("/old"));
        assertThat(Environment.of(Map.of("HUGGINGFACE_HUB_CACHE", "/old", "HF_HUB_CACHE", "/c"))
                        .cache())
                .isEqualTo(Path.of("/c"));
    }

    @Test
    void theHomeIsThatOfTheVariables() throws IOException {
        String home = "/home/a$1\\b";
        assertThat(Environment.of(Map.of("HOME", home)).cache()).isEqualTo(Path.of(home, ".cache/huggingface/hub"));
        assertThat(Environment.of(Map.of("HOME", home, "HF_HUB_CACHE", "~/c")).cache())
                .isEqualTo(Path.of(home, "c"));
        assertThat(Environment.of(Map.of("HOME", home, "HF_HUB_CACHE", "/~/c")).cache())
                .isEqualTo(Path.of("/~/c"));
    }

    @Test
    void theTokenIsTheFirstThatThereIs() throws IOException {
        Path file = Files.writeString(folder.resolve("token"), "hf_file\n");
        Map<String, String> home = Map.of("HF_HOME", folder.toString());
        assertThat(Environment.of(home).token()).isEqualTo("hf_file");
        assertThat(Environment.of(Map.of("HF_TOKEN_PATH", file.toString())).token())
                .isEqualTo("hf_file");
        assertThat(Environment.of(Map.of("HF_TOKEN_PATH", "/nowhere", "HF_HOME", folder.toString()))
                        .token())
                .isNull();
        assertThat(Environment.of(Map.of("HUGGING_FACE_HUB_TOKEN", " hf_old ", "HF_HOME", folder.toString()))
                        .token())
                .isEqualTo("hf_old");
        assertThat(Environment.of(Map.of("HUGGING_FACE_HUB_TOKEN", "hf_old", "HF_TOKEN", "hf_new"))
                        .token())
                .isEqualTo("hf_new");
    }

    @Test
    void aTokenIsNeverShown() throws IOException {
        assertThat(Environment.of(Map.of("HF_TOKEN", "hf_secret")).toString()).doesNotContain("hf_secret");
        assertThatThrownBy(() -> Environment.of(Map.of("HF_TOKEN", "hf_secret\nX-Header: 1")))
                .hasMessageStartingWith(
                        "HF_TOKEN: expected letters, digits and marks, got other characters; correct or unset it, or");
    }

    @Test
    void aTokenFileThatHoldsNoTokenIsNamed() throws IOException {
        Path file = Files.write(folder.resolve("token"), new byte[] {(byte) 0xff, 'h', 'f'});
        assertThatThrownBy(() -> Environment.of(Map.of("HF_TOKEN_PATH", file.toString())))
                .hasMessageContaining("or the token in " + file);
    }

    @Test
    void anEndpointIsAnAddressOfTheWeb() throws IOException {
        assertThat(Environment.of(Map.of("HF_ENDPOINT", "http://mirror:8080/hf//"))
                        .endpoint())
                .isEqualTo(URI.create("http://mirror:8080/hf"));
        for (String wrong : List.of(
                "huggingface.co", "ftp://x", "https://", "https://u:secret@x", "https://x?y", "http://x:70000", "\\")) {
            assertThatThrownBy(() -> Environment.of(Map.of("HF_ENDPOINT", wrong)))
                    .hasMessageStartingWith("HF_ENDPOINT: expected a URL such as https://huggingface.co")
                    .hasMessageNotContaining("secret");
        }
    }

    @Test
    void offlineIsSaidAsInPython() throws IOException {
        assertThat(Environment.of(Map.of("HF_HUB_OFFLINE", "true")).offline()).isTrue();
        assertThat(Environment.of(Map.of("HF_HUB_OFFLINE", "0")).offline()).isFalse();
    }
}
