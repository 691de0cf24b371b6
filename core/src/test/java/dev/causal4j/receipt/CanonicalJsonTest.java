package dev.causal4j.receipt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class CanonicalJsonTest {
    /** {@code json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)} of Python 3 wrote it. */
    @Test
    void bytesAreThoseOfPython() throws IOException {
        assertThat(CanonicalJson.of(Json.tree("python.json", resource("python.json"))))
                .isEqualTo(resource("python.canonical.json"));
    }

    @Test
    void theOrderOfNamesDoesNotMatter() {
        assertThat(CanonicalJson.of(Json.object("b", 1, "a", List.of(2L, true))))
                .isEqualTo(CanonicalJson.of(Map.of("a", List.of(2, true), "b", 1)))
                .asString()
                .isEqualTo("{\"a\":[2,true],\"b\":1}");
    }

    @Test
    void fractionsAndHalfCharactersAreRefused() {
        assertThatThrownBy(() -> CanonicalJson.of(List.of(0.5))).hasMessageContaining("fractions as strings");
        assertThatThrownBy(() -> CanonicalJson.of(List.of("\ud83d"))).hasMessageContaining("half of a character");
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = CanonicalJsonTest.class.getResourceAsStream(name)) {
            return Objects.requireNonNull(in, name).readAllBytes();
        }
    }
}
