package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.format.JsonConfig;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What a GPT-2 {@code config.json} says.
 *
 * @param shape sizes and arithmetic of the backbone
 * @param vocabularySize V
 * @param tied whether the head's projection is the embedding
 * @param bos the id an empty prompt starts from, if there is one
 * @param eos the ids that end a text; may be empty
 */
public record GPT2Config(GPT2Shape shape, int vocabularySize, boolean tied, OptionalInt bos, Set<Integer> eos) {
    /** The tanh form of GELU under all its names in Hugging Face's table. */
    private static final Set<String> TANH_GELU =
            Set.of("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate");

    private static final int MOST = 1 << 24; // of anything that is counted; more than any model has

    /**
     * Checks the vocabulary and the ids.
     *
     * @throws IllegalArgumentException if the vocabulary is empty or an id is not in it
     */
    public GPT2Config {
        if (vocabularySize < 1) {
            throw new IllegalArgumentException("vocabulary size: expected at least 1, got " + vocabularySize);
        }
        eos = Set.copyOf(eos);
        if (bos.isPresent()) {
            checkId("bos token id", bos.getAsInt(), vocabularySize);
        }
        for (int id : eos) {
            checkId("eos token id", id, vocabularySize);
        }
    }

    private static void checkId(String name, int id, int vocabularySize) {
        if (id < 0 || id >= vocabularySize) {
            throw new IllegalArgumentException(name + ": expected 0 to " + (vocabularySize - 1) + ", got " + id);
        }
    }

    /** A tied model without special tokens. */
    public static GPT2Config of(GPT2Shape shape, int vocabularySize) {
        return new GPT2Config(shape, vocabularySize, true, OptionalInt.empty(), Set.of());
    }

    /**
     * Reads a configuration. Keys that do not change the arithmetic are ignored; a value that would change it and is not
     * supported is an error. A bos or eos id outside the vocabulary can never occur and is dropped.
     *
     * @param subject what messages call the file
     * @throws FormatException naming the key
     */
    public static GPT2Config from(JsonConfig json, String subject) throws FormatException {
        checkArchitecture(json, subject);
        refuse(subject, "add_cross_attention", "false", json.bool("add_cross_attention", false));
        refuse(subject, "quantization_config", "no quantization", json.has("quantization_config"));
        String activation = json.string("activation_function", "gelu_new");
        if (!TANH_GELU.contains(activation)) {
            throw new FormatException(
                    subject + ", key \"activation_function\"",
                    "gelu_new, the tanh form",
                    FormatException.quote(activation),
                    "this activation is not supported");
        }
        int hiddenSize = json.requireInt("n_embd", 1, MOST / 4);
        int heads = json.requireInt("n_head", 1, MOST);
        if (hiddenSize % heads != 0) {
            throw new FormatException(
                    subject + ", key \"n_embd\"",
                    "a multiple of n_head = " + heads,
                    Integer.toString(hiddenSize),
                    "correct the file");
        }
        GPT2Shape shape = new GPT2Shape(
                json.requireInt("n_positions", 1, MOST),
                hiddenSize,
                json.requireInt("n_layer", 1, MOST),
                heads,
                json.integer("n_inner", 4 * hiddenSize, 1, MOST),
                (float) json.number("layer_norm_epsilon", 1e-5, 0, 1),
                json.bool("scale_attn_weights", true),
                json.bool("scale_attn_by_inverse_layer_idx", false));
        // reorder_and_upcast_attn asks for f32 scores, which is what we always compute.
        int vocabularySize = json.requireInt("vocab_size", 1, MOST);
        Set<Integer> bos = known(json.integers("bos_token_id"), vocabularySize);
        return new GPT2Config(
                shape,
                vocabularySize,
                json.bool("tie_word_embeddings", true),
                bos.isEmpty()
                        ? OptionalInt.empty()
                        : OptionalInt.of(bos.iterator().next()),
                known(json.integers("eos_token_id"), vocabularySize));
    }

    private static void checkArchitecture(JsonConfig json, String subject) throws FormatException {
        String type = json.string("model_type", "");
        if (!type.equals("gpt2")) {
            throw new FormatException(
                    subject + ", key \"model_type\"",
                    "gpt2",
                    type.isEmpty() ? "nothing" : FormatException.quote(type),
                    "other architectures are not supported");
        }
    }

    private static void refuse(String subject, String key, String expected, boolean found) throws FormatException {
        if (found) {
            throw new FormatException(
                    subject + ", key \"" + key + "\"", expected, "a model that has it", "this is not supported");
        }
    }

    private static Set<Integer> known(List<Integer> ids, int vocabularySize) {
        Set<Integer> known = new LinkedHashSet<>();
        for (int id : ids) {
            if (id >= 0 && id < vocabularySize) {
                known.add(id);
            }
        }
        return known;
    }
}
