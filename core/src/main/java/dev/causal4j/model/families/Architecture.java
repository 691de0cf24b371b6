package dev.causal4j.model.families;

import static dev.causal4j.decoder.ParameterSpec.NO_EXPERT;
import static dev.causal4j.decoder.ParameterSpec.NO_LAYER;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The part of a configuration that changes the arithmetic, as read by a family. The list of parameters follows from it.
 * Immutable.
 *
 * @param family the {@code model_type}
 * @param source the configuration from which it was read
 * @param decoder sizes and arithmetic between embedding and head
 * @param ropes the formulas of the decoder's rotary positions
 * @param vocabularySize V
 * @param logitCap c of c · tanh(logit / c); 0 for none
 * @param tied whether the head's projection is the embedding
 */
public record Architecture(
        String family,
        Json source,
        DecoderConfig decoder,
        Map<RopeConfig, Formula> ropes,
        int vocabularySize,
        float logitCap,
        boolean tied) {
    /** Bound of all sizes, above any model's. */
    public static final int MOST = 1 << 24;

    /** Bound of layers, above any model's, so that parameters can be listed. */
    public static final int MOST_LAYERS = 1 << 14;

    /** Bound of a layer's experts. */
    public static final int MOST_EXPERTS = 1 << 10;

    /** Bound of the experts of all layers, since each has parameters. */
    public static final int MOST_EXPERTS_OF_ALL = 1 << 16;

    private static final double DEVIATION = 0.02;

    /**
     * Reads the keys common to all families.
     *
     * @param tied whether it is tied if the file does not say
     */
    static Architecture of(
            Family family,
            DecoderConfig decoder,
            Map<RopeConfig, Formula> ropes,
            Json json,
            boolean tied,
            float logitCap)
            throws FormatException {
        int size = json.requireInt("vocab_size", 1, MOST);
        boolean isTied = json.bool("tie_word_embeddings", tied);
        return new Architecture(family.type(), json, decoder, ropes, size, logitCap, isTied);
    }

    /** Every parameter in the order of the forward, a tied matrix once. */
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
}
