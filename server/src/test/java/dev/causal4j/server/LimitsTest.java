package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The guide tells every bound of the server, with its number. */
class LimitsTest {
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([a-z ]+)` \\| ([0-9,]+) \\|");

    @Test
    void theGuideHasEachBoundAndNoOther() throws IOException {
        String guide = Files.readString(Path.of("../docs/guides/serving.md"));
        String limits = guide.substring(guide.indexOf("\n## Limits\n"), guide.indexOf("\n| of a constraint |"));
        Map<String, String> told = ROW.matcher(limits)
                .results()
                .collect(Collectors.toMap(
                        row -> row.group(1), row -> row.group(2), (_, twice) -> twice + " twice", TreeMap::new));
        Map<String, String> bounds = Stream.of(Limits.class.getDeclaredFields())
                .collect(Collectors.toMap(
                        field -> field.getName().toLowerCase(Locale.ROOT).replace('_', ' '),
                        field -> String.format(Locale.ROOT, "%,d", value(field)),
                        (one, _) -> one,
                        TreeMap::new));
        assertThat(told).isEqualTo(bounds);
    }

    private static int value(Field field) {
        try {
            return field.getInt(null);
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }
}
