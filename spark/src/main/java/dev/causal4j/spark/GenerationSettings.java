package dev.causal4j.spark;

import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import java.io.Serializable;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Sets the options of generating, which begin with the model's own; travels to the executors. */
@FunctionalInterface
public interface GenerationSettings extends Serializable {
    /** Changes nothing. */
    GenerationSettings NONE = options -> options;

    /** Sets options and returns them. The seed is that of the row, and prompts are cut from the left, unless they are set. */
    GenerationOptions apply(GenerationOptions options);

    /**
     * Settings by their names in SQL: those of {@link Setting}, such as {@code max_new_tokens} and {@code top_p}, and {@code
     * stop}, one text that ends the answer.
     *
     * <p>Applying them throws IllegalArgumentException for an unknown name or an invalid value.
     */
    static GenerationSettings of(Map<String, String> values) {
        Map<String, String> kept = Map.copyOf(values);
        return options -> {
            Map<Setting, Number> numbers = new EnumMap<>(Setting.class);
            kept.forEach((name, value) -> read(numbers, name, value));
            String stop = kept.get("stop");
            return stop == null ? options.with(numbers) : options.with(numbers).withStop(List.of(stop));
        };
    }

    private static void read(Map<Setting, Number> numbers, String name, String value) {
        if (name.equals("stop")) {
            return;
        }
        Setting setting = Arrays.stream(Setting.values())
                .filter(each -> each.snake().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("options: expected names of options of generating,"
                        + " such as max_new_tokens, got \"" + name + "\""));
        try {
            numbers.put(
                    setting, setting.parse(value.replaceFirst("\\.0+$", ""))); // values of a map have one type in SQL
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + ": expected a number, got \"" + value + "\"", e);
        }
    }
}
