package dev.causal4j.model.families;

import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.ModelConfig.Rope;
import dev.causal4j.model.families.GgufArchitecture.Trait;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The keys of a model in GGUF, behind the architecture, and what a configuration says in them. Without state, so
 * thread-safe.
 */
final class GgufKeys {
    static final String CONTEXT = "context_length";
    static final String HIDDEN = "embedding_length";
    static final String LAYERS = "block_count";
    static final String INNER = "feed_forward_length";
    static final String HEADS = "attention.head_count";
    static final String KV_HEADS = "attention.head_count_kv";
    static final String KEY_LENGTH = "attention.key_length";
    static final String VALUE_LENGTH = "attention.value_length";
    static final String LAYER_EPSILON = "attention.layer_norm_epsilon";
    static final String RMS_EPSILON = "attention.layer_norm_rms_epsilon";
    static final String WINDOW = "attention.sliding_window";
    static final String WINDOWED = "attention.sliding_window_pattern";
    static final String SCORE_SCALE = "attention.scale";
    static final String EMBEDDING_SCALE = "embedding_scale";
    static final String RESIDUAL_SCALE = "residual_scale";
    static final String LOGIT_DIVISOR = "logit_scale";
    static final String SCORE_CAP = "attn_logit_softcapping";
    static final String LOGIT_CAP = "final_logit_softcapping";
    static final String PARALLEL = "use_parallel_residual";
    static final String EXPERTS = "expert_count";
    static final String CHOSEN = "expert_used_count";
    static final String EXPERT_INNER = "expert_feed_forward_length";
    static final String THETA = "rope.freq_base";
    static final String LOCAL_THETA = "rope.freq_base_swa";
    static final String ROTATED = "rope.dimension_count";
    static final String SCALING = "rope.scaling.type";
    static final String FACTOR = "rope.scaling.factor";
    static final String ORIGINAL = "rope.scaling.original_context_length";
    static final String GAIN = "rope.scaling.attn_factor";

    // Tensors that are read with the configuration.
    static final String FACTORS = "rope_freqs.weight"; // for all lengths
    static final String SHORT_FACTORS = "rope_factors_short.weight";
    static final String LONG_FACTORS = "rope_factors_long.weight";

    // Hugging Face's names of scalings, two of which are GGUF's too.
    static final String LINEAR = "linear";
    static final String YARN = "yarn";
    static final String LONG = "longrope";

    private GgufKeys() {}

    /** What a file says, by keys without the architecture and by tensors, as far as it can. */
    static Map<String, Object> say(GgufArchitecture architecture, ModelConfig config, Map<String, float[]> tensors) {
        DecoderConfig decoder = config.decoder();
        BlockConfig block = decoder.blocks().getFirst();
        AttentionConfig attention = block.attention();
        int inner = block.feedForward().each().innerSize();
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("vocab_size", config.vocabularySize());
        keys.put(CONTEXT, decoder.contextLength());
        keys.put(HIDDEN, decoder.hiddenSize());
        keys.put(LAYERS, decoder.blocks().size());
        keys.put(INNER, inner);
        keys.put(HEADS, attention.heads());
        keys.put(KV_HEADS, attention.kvHeads());
        keys.put(KEY_LENGTH, attention.headSize());
        keys.put(VALUE_LENGTH, attention.headSize());
        boolean layerNorms = architecture.has(Trait.LAYER_NORMS);
        keys.put(layerNorms ? LAYER_EPSILON : RMS_EPSILON, block.norm().epsilon());
        if (block.feedForward() instanceof Experts experts) {
            keys.put(EXPERTS, experts.count());
            keys.put(CHOSEN, experts.chosen());
            keys.put(EXPERT_INNER, inner);
        }
        if (architecture == GgufArchitecture.GRANITE) {
            keys.put(SCORE_SCALE, attention.scale());
            keys.put(EMBEDDING_SCALE, decoder.embeddingScale());
            keys.put(RESIDUAL_SCALE, block.residualScale());
            keys.put(LOGIT_DIVISOR, 1 / decoder.hiddenScale());
        }
        if (architecture == GgufArchitecture.GPT_NEOX) {
            keys.put(PARALLEL, block.residual() == Residual.PARALLEL);
        }
        if (attention.softCap() > 0) {
            keys.put(SCORE_CAP, attention.softCap());
        }
        if (config.logitCap() > 0) {
            keys.put(LOGIT_CAP, config.logitCap());
        }
        sayPositions(architecture, config, keys, tensors);
        return keys;
    }

    private static void sayPositions(
            GgufArchitecture architecture, ModelConfig config, Map<String, Object> keys, Map<String, float[]> tensors) {
        List<BlockConfig> fullFirst = config.decoder().blocks().stream() // whose positions may be scaled
                .sorted(Comparator.comparingInt(block -> block.attention().window()))
                .toList();
        for (BlockConfig each : fullFirst) {
            int window = each.attention().window();
            RopeConfig rope = each.attention().rope();
            Rope known = rope == null ? null : config.ropes().get(rope);
            if (window > 0 && architecture.period > 0) {
                keys.put(WINDOW, window);
            }
            if (rope != null && known != null && window > 0 && architecture == GgufArchitecture.GEMMA3) {
                keys.put(LOCAL_THETA, (float) known.theta());
            } else if (rope != null && known != null && !keys.containsKey(THETA)) {
                say(rope, known, architecture, keys, tensors);
            }
        }
    }

    private static void say(
            RopeConfig rope,
            Rope known,
            GgufArchitecture architecture,
            Map<String, Object> keys,
            Map<String, float[]> tensors) {
        keys.put(THETA, (float) known.theta());
        keys.put(ROTATED, rope.width());
        if (List.of(LINEAR, YARN).contains(known.scaling())) {
            double gain = rope.gain() / RopeKeys.scale(known.factor(), 1);
            keys.put(SCALING, known.scaling());
            keys.put(FACTOR, (float) known.factor());
            if (known.scaling().equals(YARN)) {
                keys.put(ORIGINAL, known.original());
                keys.put(GAIN, Math.abs(gain - 1) < Difference.ROUNDING ? 1f : (float) gain);
            }
        } else if (known.scaling().equals(LONG) && architecture == GgufArchitecture.PHI3) {
            keys.put(ORIGINAL, known.original());
            keys.put(GAIN, rope.gain());
            tensors.put(SHORT_FACTORS, factors(known, rope.width(), rope.frequencies()));
            List<Double> longer =
                    rope.longer() instanceof Longer.Other beyond ? beyond.frequencies() : rope.frequencies();
            tensors.put(LONG_FACTORS, factors(known, rope.width(), longer));
        } else if (List.of("llama3", LONG).contains(known.scaling()) && architecture.has(Trait.FACTORS)) {
            tensors.put(FACTORS, factors(known, rope.width(), rope.frequencies()));
        }
    }

    /** What frequencies are divided by. */
    private static float[] factors(Rope known, int width, List<Double> frequencies) {
        float[] factors = new float[frequencies.size()];
        for (int j = 0; j < factors.length; j++) {
            factors[j] = (float) (RopeKeys.plain(known.theta(), j, width) / frequencies.get(j));
        }
        return factors;
    }
}
