package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class VectorLoopsTest {
    @Test
    void theLoopsAreWhatTheTemplateWrites() throws IOException {
        assertThat(Files.readString(VectorLoopsSource.FILE)).isEqualTo(VectorLoopsSource.text());
    }
}
