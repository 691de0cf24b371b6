package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class VectorLoopsTest {
    @Test
    void theLoopsAreWhatTheTemplateWrites() throws IOException {
        for (Map.Entry<Path, String> file : VectorLoopsSource.files().entrySet()) {
            assertThat(Files.readString(file.getKey())).isEqualTo(file.getValue());
        }
    }
}
