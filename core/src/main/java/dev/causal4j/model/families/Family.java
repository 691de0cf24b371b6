package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** An architecture in Hugging Face's files. Implementations have no state. */
public sealed interface Family permits Gpt2 {
    /** All families. */
    List<Family> ALL = List.of(new Gpt2());

    /**
     * The family of a configuration.
     *
     * @throws dev.causal4j.UnsupportedModelException if no family has its {@code model_type}
     */
    static Family of(Json json) throws FormatException {
        String type = json.string("model_type", "");
        Optional<Family> family =
                ALL.stream().filter(each -> each.type().equals(type)).findFirst();
        String known = ALL.stream().map(Family::type).collect(Collectors.joining(" or "));
        json.support("model_type", family.isPresent(), known);
        return family.orElseThrow();
    }

    /** Its {@code model_type}. */
    String type();

    /**
     * Reads a configuration. Keys that do not change the arithmetic are ignored; a value that would change it and is not
     * supported is an error.
     */
    ModelConfig read(Json json) throws FormatException;

    /** Writes the keys that {@link #read} reads, in the order of the file. */
    void write(ModelConfig config, Map<String, Object> json);

    /** The origin of a parameter in a file whose names, except the head's, begin with {@code root}. */
    Origin origin(ParameterSpec spec, String root);

    /** Prefixes that names may have, besides none. */
    List<String> roots();

    /** The prefix of names in files written for other programs. */
    String rootWritten(ModelConfig config);

    /** The prefix of tensors in blocks, after the root. */
    String blocks();

    /** Whether a tensor, named without the root, is a buffer of old programs and not a parameter. */
    boolean isBuffer(String name);
}
