package dev.causal4j.scoring;

import java.util.Map;
import java.util.stream.Stream;

/** Where a task's documents come from. */
@FunctionalInterface
public interface DocumentSource {
    /**
     * The documents of a split, in their order, each time from the first. The caller closes the stream.
     *
     * @return maps of strings, booleans, numbers, {@link dev.causal4j.json.Json#NULL}, lists and maps
     * @throws IllegalArgumentException if there is no such split
     */
    Stream<Map<String, Object>> documents(String split);
}
