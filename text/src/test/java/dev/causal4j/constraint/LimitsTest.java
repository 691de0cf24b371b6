package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The guide "Serving" tells the bounds that a client can meet. */
class LimitsTest {
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([a-z ]+)` \\| ([0-9,]+) \\|");

    @Test
    void theGuideHasTheRightNumbers() throws IOException, ReflectiveOperationException {
        String guide = Files.readString(Path.of("../docs/guides/serving.md"));
        String limits = guide.substring(guide.indexOf("\n| of a constraint |"), guide.indexOf("\n### Callers"));
        Map<String, String> told = ROW.matcher(limits)
                .results()
                .collect(Collectors.toMap(row -> row.group(1), row -> row.group(2), (one, other) -> one, TreeMap::new));
        assertThat(told).hasSizeGreaterThan(9);
        for (Map.Entry<String, String> row : told.entrySet()) {
            String name = row.getKey().toUpperCase(Locale.ROOT).replace(' ', '_');
            int bound = Limits.class.getDeclaredField(name).getInt(null);
            assertThat(row.getValue()).as(name).isEqualTo(String.format(Locale.ROOT, "%,d", bound));
        }
    }
}
