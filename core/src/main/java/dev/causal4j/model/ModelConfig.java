package dev.causal4j.model;

import static dev.causal4j.decoder.ParameterSpec.NO_EXPERT;
import static dev.causal4j.decoder.ParameterSpec.NO_LAYER;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.Json;
import dev.causal4j.model.families.Families;
import dev.causal4j.model.families.Family;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The configuration of a model, from its {@code config.json}. Its parameters follow from it. Immutable.
 *
 * @param family the format of its files
 * @param source the configuration it was read from, whose spelling a copy keeps
 * @param decoder sizes and arithmetic between embedding and head
 * @param ropes what the file says about the decoder's rotary positions, for people
 * @param vocabularySize V
 * @param logitCap c of c · tanh(logit / c); 0 for none
 * @param tied whether the head's projection is the embedding
 * @param bos the id an empty prompt starts from, if there is one
 * @param eos the ids that end a text; may be empty
 * @param generation how it generates by default, from another file
 */
public record ModelConfig(
        Family family,
        Map<?, ?> source,
        DecoderConfig decoder,
        Map<RopeConfig, Rope> ropes,
        int vocabularySize,
        float logitCap,
        boolean tied,
        OptionalInt bos,
        Set<Integer> eos,
        GenerationDefaults generation) {
    /** Bound of all sizes, above those of any model. */
    public static final int MOST = 1 << 24;

    /** Bound of layers, above that of any model, so that parameters can be listed. */
    public static final int MOST_LAYERS = 1 << 14;

    /** Bound of a layer's experts. */
    public static final int MOST_EXPERTS = 1 << 10;

    /** Bound of all layers' experts, each of which has parameters. */
    public static final int MOST_EXPERTS_OF_ALL = 1 << 16;

    private static final double DEVIATION = 0.02;

    /**
     * Rotary positions before frequencies are made of them.
     *
     * @param theta the base
     * @param scaling the {@code rope_type}: default, linear, dynamic, llama3, yarn or longrope
     * @param factor of the scaling; 1 for default
     * @param original positions of pretraining, before scaling; 0 if that does not need them
     */
    public record Rope(double theta, String scaling, double factor, int original) {}

    /**
     * Checks the vocabulary and the ids.
     *
     * @throws IllegalArgumentException if the vocabulary is empty or an id is not in it
     */
    public ModelConfig {
        if (vocabularySize < 1) {
            throw new IllegalArgumentException("vocabulary size: expected at least 1, got " + vocabularySize);
        }
        ropes = Map.copyOf(ropes);
        eos = Set.copyOf(eos);
        bos.ifPresent(id -> checkId("bos token id", id, vocabularySize));
        eos.forEach(id -> checkId("eos token id", id, vocabularySize));
    }

    private static void checkId(String name, int id, int vocabularySize) {
        if (id < 0 || id >= vocabularySize) {
            throw new IllegalArgumentException(name + ": expected 0 to " + (vocabularySize - 1) + ", got " + id);
        }
    }

    /**
     * Reads a {@code config.json}.
     *
     * @throws FormatException naming the key that is missing, wrong or not supported
     * @throws IOException if reading fails
     */
    public static ModelConfig read(Path file) throws IOException {
        return of(Json.read(file));
    }

    /**
     * The same from a text, for instance for a new model:
     * {@code {"model_type": "gpt2", "vocab_size": 3072, "n_positions": 256, "n_embd": 256, "n_layer": 5, "n_head": 8}}.
     */
    public static ModelConfig parse(String json) throws FormatException {
        return of(Json.parse("configuration", json.getBytes(StandardCharsets.UTF_8)));
    }

    /** The same from a JSON object. */
    public static ModelConfig of(Json json) throws FormatException {
        return Families.of(json).read(json);
    }

    /**
     * Reads the keys common to all families. A bos or eos id outside the vocabulary is dropped.
     *
     * @param tied whether it is tied when the file does not say
     */
    public static ModelConfig of(
            Family family, DecoderConfig decoder, Map<RopeConfig, Rope> ropes, Json json, boolean tied, float logitCap)
            throws FormatException {
        int size = json.requireInt("vocab_size", 1, MOST);
        boolean isTied = json.bool("tie_word_embeddings", tied);
        GenerationDefaults none = GenerationDefaults.NONE;
        ModelConfig config = new ModelConfig(
                family, json.root(), decoder, ropes, size, logitCap, isTied, OptionalInt.empty(), Set.of(), none);
        return config.with(json, none);
    }

    /** The same with the special ids that a file has, and other defaults of generation. */
    private ModelConfig with(Json json, GenerationDefaults defaults) throws FormatException {
        OptionalInt first = known(json.integers("bos_token_id"), vocabularySize).findFirst();
        Set<Integer> ends =
                known(json.integers("eos_token_id"), vocabularySize).boxed().collect(Collectors.toSet());
        ModelConfig config =
                new ModelConfig(family, source, decoder, ropes, vocabularySize, logitCap, tied, bos, eos, defaults);
        return config.withSpecialIds(json.has("bos_token_id") ? first : bos, json.has("eos_token_id") ? ends : eos);
    }

    private static IntStream known(List<Integer> ids, int vocabularySize) {
        return ids.stream().mapToInt(Integer::intValue).filter(id -> id >= 0 && id < vocabularySize);
    }

    /** The configuration as {@link #of} reads it, in the order of the file. */
    public Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        source.forEach((key, value) -> json.put(key.toString(), value));
        family.write(this, json);
        json.put("tie_word_embeddings", tied);
        bos.ifPresent(id -> json.put("bos_token_id", id));
        List<Integer> ids = eos.stream().sorted().toList();
        if (!ids.isEmpty()) {
            json.put("eos_token_id", ids.size() == 1 ? ids.getFirst() : ids);
        }
        return json;
    }

    /**
     * Every parameter in the order of the forward, a tied matrix once: the one table that loading, saving, counting,
     * initialising and training are made from.
     */
    public List<ParameterSpec> specs() {
        List<ParameterSpec> specs = new ArrayList<>();
        specs.add(embedding());
        specs.addAll(decoder.specs());
        if (!tied) {
            specs.add(head());
        }
        return specs;
    }

    /** The token embedding [V, D]. */
    public ParameterSpec embedding() {
        return ofVocabulary("embedding.weight", Role.EMBEDDING);
    }

    /** The projection [V, D] of an untied head. */
    public ParameterSpec head() {
        return ofVocabulary("head.weight", Role.PROJECTION);
    }

    private ParameterSpec ofVocabulary(String name, Role role) {
        return new ParameterSpec(name, role, NO_LAYER, NO_EXPERT, vocabularySize, decoder.hiddenSize(), DEVIATION);
    }

    /** Number of parameters; a tied embedding counts once. */
    public long parameters() {
        return specs().stream().mapToLong(ParameterSpec::size).sum();
    }

    /** Bytes of all parameters in memory, padding and scales included. */
    public long weightBytes(DType dtype) {
        return specs().stream()
                .mapToLong(spec -> spec.role().isVector()
                        ? 4L * spec.rows()
                        : Matrix.bytes(PanelLayout.held(spec, dtype), spec.rows(), spec.cols()))
                .sum();
    }

    /** Bytes of keys and values of one sequence in f32; layers with a window keep no more than that. */
    public long cacheBytes(int tokens) {
        return decoder.blocks().stream()
                .map(BlockConfig::attention)
                .mapToLong(
                        a -> 8L * a.kvHeads() * a.headSize() * (a.window() > 0 ? Math.min(a.window(), tokens) : tokens))
                .sum();
    }

    /** Whether another configuration has the same parameters and arithmetic. */
    public boolean sameArchitecture(ModelConfig other) {
        return decoder.equals(other.decoder)
                && vocabularySize == other.vocabularySize
                && logitCap == other.logitCap
                && tied == other.tied;
    }

    /** The same, tied or not. */
    public ModelConfig withTied(boolean other) {
        return new ModelConfig(family, source, decoder, ropes, vocabularySize, logitCap, other, bos, eos, generation);
    }

    /** The same for another vocabulary. */
    public ModelConfig withVocabularySize(int other) {
        return new ModelConfig(family, source, decoder, ropes, other, logitCap, tied, bos, eos, generation);
    }

    /** The same with other special ids. */
    public ModelConfig withSpecialIds(OptionalInt otherBos, Set<Integer> otherEos) {
        return new ModelConfig(
                family, source, decoder, ropes, vocabularySize, logitCap, tied, otherBos, otherEos, generation);
    }

    /** The same with the defaults of a {@code generation_config.json}; special ids that it has replace these. */
    ModelConfig withGeneration(Json json) throws FormatException {
        return with(json, GenerationDefaults.of(json));
    }
}
