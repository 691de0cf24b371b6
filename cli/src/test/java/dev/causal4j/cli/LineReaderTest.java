package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LineReaderTest {
    private static LineReader reader(String text, int most) {
        return new LineReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)), most);
    }

    private static List<String> lines(String text) throws IOException {
        LineReader reader = reader(text, 100);
        List<String> lines = new ArrayList<>();
        for (Optional<byte[]> line = reader.next(); line.isPresent(); line = reader.next()) {
            lines.add(new String(line.get(), StandardCharsets.UTF_8));
        }
        assertThat(reader.consumed()).isEqualTo(text.getBytes(StandardCharsets.UTF_8).length);
        return lines;
    }

    @Test
    void aLineEndsWithAndWithoutACarriageReturn() throws IOException {
        assertThat(lines("a\r\n\r\nb\n\nc")).containsExactly("a", "", "b", "", "c");
        assertThat(lines("\ufeffa\r\n")).containsExactly("a");
        assertThat(lines("\r\n")).containsExactly("");
    }

    @Test
    void aCarriageReturnThatEndsNoLineStays() throws IOException {
        assertThat(lines("a\rb\r\r\nc\r")).containsExactly("a\rb\r", "c\r");
    }

    @Test
    void aLineThatIsCutStaysLongerThanTheMost() throws IOException {
        assertThat(reader("abc\r\n", 3).next().orElseThrow()).hasSize(3);
        for (String start : List.of("", "\ufeff")) {
            for (int length = 4; length < 12; length++) {
                String line = start + "\r".repeat(length) + "\r\n";
                assertThat(reader(line, 3).next().orElseThrow()).hasSizeGreaterThan(3);
            }
        }
    }
}
