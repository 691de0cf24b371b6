package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.Families;
import dev.causal4j.model.families.Family;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
 * @param type the {@code model_type}, which names the format of its files
 * @param source the configuration it was read from, whose spelling a copy keeps
 * @param decoder sizes and arithmetic between embedding and head
 * @param ropes the formulas of the decoder's rotary positions
 * @param vocabularySize V
 * @param logitCap c of c · tanh(logit / c); 0 for none
 * @param tied whether the head's projection is the embedding
 * @param bos the id that an empty prompt starts from, if there is one
 * @param eos the ids that end a text; may be empty
 * @param generation the default options of generation, from another file
 */
@SuppressWarnings("exports") // the decoder is for modules of ours
public record ModelConfig(
        String type,
        Map<?, ?> source,
        DecoderConfig decoder,
        Map<RopeConfig, Formula> ropes,
        int vocabularySize,
        float logitCap,
        boolean tied,
        OptionalInt bos,
        Set<Integer> eos,
        GenerationDefaults generation) {
    /**
     * Checks the vocabulary and the ids.
     *
     * @throws IllegalArgumentException if the vocabulary is empty or an id is not in it
     */
    public ModelConfig {
        if (vocabularySize < 1) {
            throw new IllegalArgumentException("vocabulary size: expected at least 1, got " + vocabularySize);
        }
        if (decoder.perLayer() != null && vocabularySize > decoder.perLayer().rows()) {
            throw new IllegalArgumentException("vocabulary size: expected at most "
                    + decoder.perLayer().rows() + ", the rows of the inputs of each layer, got " + vocabularySize);
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
     * Reads the text of a {@code config.json}, for instance for a new model:
     * {@code {"model_type": "gpt2", "vocab_size": 3072, "n_positions": 256, "n_embd": 256, "n_layer": 5, "n_head": 8}}.
     */
    public static ModelConfig parse(String json) throws FormatException {
        return of(Json.parse("configuration", json.getBytes(StandardCharsets.UTF_8)));
    }

    static ModelConfig of(Json json) throws FormatException {
        return of(Families.read(json));
    }

    /** Drops a bos or eos id outside of the vocabulary. */
    static ModelConfig of(Architecture read) throws FormatException {
        return new ModelConfig(
                        read.family(),
                        read.source().root(),
                        read.decoder(),
                        read.ropes(),
                        read.vocabularySize(),
                        read.logitCap(),
                        read.tied(),
                        OptionalInt.empty(),
                        Set.of(),
                        GenerationDefaults.NONE)
                .with(read.source(), GenerationDefaults.NONE);
    }

    /** The part of the configuration that its family knows. */
    Architecture architecture() {
        return new Architecture(type, new Json(type, source), decoder, ropes, vocabularySize, logitCap, tied);
    }

    /** The format of its files. */
    Family family() {
        return Families.named(type);
    }

    /** The place of a parameter in its files, whose names begin with {@code root}. */
    Origin origin(ParameterSpec spec, String root) {
        return family().origin(decoder, spec, root);
    }

    /**
     * The name of a parameter in its files, without a common prefix; the parameter's own name if it is in several
     * tensors.
     */
    public String label(ParameterSpec spec) {
        return origin(spec, "").label(spec);
    }

    /** How its files store the numbers of a parameter. */
    public Origin.Form form(ParameterSpec spec) {
        return origin(spec, "").form();
    }

    /** This configuration with the special ids in a file, and with other defaults of generation. */
    private ModelConfig with(Json json, GenerationDefaults defaults) throws FormatException {
        OptionalInt first = known(json.integers("bos_token_id")).findFirst();
        Set<Integer> ends = known(json.integers("eos_token_id")).boxed().collect(Collectors.toSet());
        ModelConfig config =
                new ModelConfig(type, source, decoder, ropes, vocabularySize, logitCap, tied, bos, eos, defaults);
        return config.withSpecialIds(json.has("bos_token_id") ? first : bos, json.has("eos_token_id") ? ends : eos);
    }

    private IntStream known(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).filter(id -> id >= 0 && id < vocabularySize);
    }

    /** The configuration as {@link #of} reads it, in the order of the file. */
    public Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        source.forEach((key, value) -> json.put(key.toString(), value));
        family().write(architecture(), json);
        json.put("tie_word_embeddings", tied);
        bos.ifPresent(id -> json.put("bos_token_id", id));
        List<Integer> ids = eos.stream().sorted().toList();
        if (!ids.isEmpty()) {
            json.put("eos_token_id", ids.size() == 1 ? ids.getFirst() : ids);
        }
        return json;
    }

    /**
     * Every parameter in the order of the forward, a tied matrix once: the only table, used to load, save, count,
     * initialise and train.
     */
    public List<ParameterSpec> specs() {
        return architecture().specs();
    }

    /** The token embedding [V, D]. */
    public ParameterSpec embedding() {
        return architecture().embedding();
    }

    /** The projection [V, D] of an untied head. */
    public ParameterSpec head() {
        return architecture().head();
    }

    /** Number of parameters; a tied embedding counts once. */
    public long parameters() {
        return specs().stream()
                .filter(spec -> spec.role() != Role.BUFFER)
                .mapToLong(ParameterSpec::size)
                .sum();
    }

    /** Number of parameters that are only looked up, whose rows stay in their file. */
    public long lookedUpParameters() {
        return specs().stream()
                .filter(spec -> spec.role() == Role.TABLE)
                .mapToLong(ParameterSpec::size)
                .sum();
    }

    /** Bytes of all parameters in memory, with padding and scales, without tables that are only looked up. */
    public long weightBytes(DType dtype) {
        return specs().stream()
                .filter(spec -> spec.role() != Role.TABLE)
                .mapToLong(spec -> spec.role().isVector()
                        ? 4L * spec.rows()
                        : Matrix.bytes(PanelLayout.held(spec, dtype).format(), spec.rows(), spec.cols()))
                .sum();
    }

    /** Bytes of keys and values of one sequence in f32; layers with a window keep no more than that, those that
     * read others' keys none. */
    public long cacheBytes(int tokens) {
        return decoder.attentions().stream()
                .filter(a -> a.keysOf() == AttentionConfig.OWN)
                .mapToLong(
                        a -> 8L * a.kvHeads() * a.headSize() * (a.window() > 0 ? Math.min(a.window(), tokens) : tokens))
                .sum();
    }

    /** Bytes of the state of one sequence's recurrent layers, whatever its length. */
    public long stateBytes() {
        return decoder.blocks().stream()
                .mapToLong(block -> 4L * block.mixer().stateSize())
                .sum();
    }

    /** Whether another configuration has the same parameters and arithmetic. */
    public boolean sameArchitecture(ModelConfig other) {
        return decoder.equals(other.decoder)
                && vocabularySize == other.vocabularySize
                && logitCap == other.logitCap
                && tied == other.tied;
    }

    /** This configuration, tied or not. */
    public ModelConfig withTied(boolean other) {
        return new ModelConfig(type, source, decoder, ropes, vocabularySize, logitCap, other, bos, eos, generation);
    }

    /** This configuration for another vocabulary. */
    public ModelConfig withVocabularySize(int other) {
        return new ModelConfig(type, source, decoder, ropes, other, logitCap, tied, bos, eos, generation);
    }

    /** This configuration with other special ids. */
    public ModelConfig withSpecialIds(OptionalInt otherBos, Set<Integer> otherEos) {
        return new ModelConfig(
                type, source, decoder, ropes, vocabularySize, logitCap, tied, otherBos, otherEos, generation);
    }

    /** This configuration with the defaults of a {@code generation_config.json}, whose special ids replace these. */
    ModelConfig withGeneration(Json json) throws FormatException {
        return with(json, GenerationDefaults.of(json));
    }
}
