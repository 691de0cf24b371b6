package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.JsonConfig;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** An architecture as Hugging Face's files spell it. Implementations have no state. */
public sealed interface Family permits Gpt2 {
    /** All there are. */
    List<Family> ALL = List.of(new Gpt2());

    /**
     * The family of a configuration.
     *
     * @throws dev.causal4j.UnsupportedModelException if there is none of its {@code model_type}
     */
    static Family of(JsonConfig json) throws FormatException {
        String type = json.string("model_type", "");
        json.support(
                "model_type",
                ALL.stream().anyMatch(family -> family.type().equals(type)),
                ALL.stream().map(Family::type).collect(Collectors.joining(" or ")));
        return ALL.stream()
                .filter(family -> family.type().equals(type))
                .findFirst()
                .orElseThrow();
    }

    /** Its {@code model_type}. */
    String type();

    /**
     * Reads a configuration. Keys that do not change the arithmetic are ignored; a value that would change it and is not
     * supported is an error.
     */
    ModelConfig read(JsonConfig json) throws FormatException;

    /** Adds what {@link #read} reads of the architecture, in the order of the file. */
    void write(ModelConfig config, Map<String, Object> json);

    /** Where a parameter lies in a file whose names begin with {@code root}, but for the head's. */
    Origin origin(ParameterSpec spec, String root);

    /** What names may begin with, besides nothing. */
    List<String> roots();

    /** What names begin with in the files we write for other programs. */
    String rootWritten(ModelConfig config);

    /** What the names of tensors in blocks begin with, after the root. */
    String blocks();

    /** Whether a tensor, named without the root, is stored by old programs and is no parameter. */
    boolean isBuffer(String name);
}
