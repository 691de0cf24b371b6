package dev.causal4j.model.gguf;

import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA3;
import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA4;
import static dev.causal4j.model.gguf.GgufArchitecture.GRANITE;
import static dev.causal4j.model.gguf.GgufArchitecture.GRANITE_HYBRID;
import static dev.causal4j.model.gguf.GgufArchitecture.MISTRAL3;
import static dev.causal4j.model.gguf.GgufArchitecture.PHI3;
import static dev.causal4j.model.gguf.GgufKeys.FACTOR;
import static dev.causal4j.model.gguf.GgufKeys.FACTORS;
import static dev.causal4j.model.gguf.GgufKeys.GAIN;
import static dev.causal4j.model.gguf.GgufKeys.KEY_LENGTH;
import static dev.causal4j.model.gguf.GgufKeys.LINEAR;
import static dev.causal4j.model.gguf.GgufKeys.LOCAL;
import static dev.causal4j.model.gguf.GgufKeys.LONG;
import static dev.causal4j.model.gguf.GgufKeys.LONG_FACTORS;
import static dev.causal4j.model.gguf.GgufKeys.NEVER;
import static dev.causal4j.model.gguf.GgufKeys.ORIGINAL;
import static dev.causal4j.model.gguf.GgufKeys.ROTATED;
import static dev.causal4j.model.gguf.GgufKeys.SCALING;
import static dev.causal4j.model.gguf.GgufKeys.SHORT_FACTORS;
import static dev.causal4j.model.gguf.GgufKeys.VALUE_LENGTH;
import static dev.causal4j.model.gguf.GgufKeys.YARN;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Shared;
import dev.causal4j.decoder.BlockConfig.MixerConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.BlockConfig.MixerConfig.StateSpace;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.DecoderConfig.PerLayerConfig;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.RopeKeys;
import dev.causal4j.model.gguf.GgufArchitecture.Trait;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Writes the keys of a model, as far as GGUF has keys for its properties.
 *
 * @param keys receives them by Hugging Face's names
 * @param tensors receives the tensors that are read with the keys
 */
record WrittenKeys(
        GgufArchitecture architecture, Architecture model, Map<String, Object> keys, Map<String, float[]> tensors) {
    Map<String, Object> write() throws FormatException {
        DecoderConfig decoder = model.decoder();
        BlockConfig block = decoder.blocks().getFirst();
        boolean twoKinds = architecture == GEMMA4; // layers with windows and full layers; the last is full
        AttentionConfig attention =
                twoKinds ? decoder.attentions().getLast() : decoder.attentions().getFirst();
        writeSizes(decoder, block, attention, twoKinds);
        each(BlockConfig::feedForward).stream()
                .flatMap(layer -> layer.experts().stream())
                .findFirst()
                .ifPresent(this::writeExperts);
        if (block.feedForward() instanceof Shared all) {
            keys.put("shared_expert_intermediate_size", all.shared().innerSize());
        }
        if (architecture.has(Trait.DELTA)) {
            writeDelta();
        }
        if (architecture.has(Trait.CONVOLUTIONS)) {
            int kernel = Collections.max(each(layer -> layer.mixer().kernel()));
            keys.put("conv_L_cache", Math.max(1, kernel));
        }
        decoder.blocks().forEach(each -> writeStateSpace(each.mixer(), attention));
        if (twoKinds) {
            writeKinds();
        }
        if (architecture == GRANITE || architecture == GRANITE_HYBRID) {
            keys.put("attention_multiplier", attention.scale());
            keys.put("embedding_multiplier", decoder.embeddingScale());
            keys.put("residual_multiplier", block.residualScale());
            keys.put("logits_scaling", 1 / decoder.hiddenScale());
        }
        if (architecture == GgufArchitecture.GPT_NEOX) {
            keys.put("use_parallel_residual", block.residual() == Residual.PARALLEL);
        }
        if (attention.softCap() > 0) {
            keys.put("attn_logit_softcapping", attention.softCap());
        }
        if (model.logitCap() > 0) {
            keys.put("final_logit_softcapping", model.logitCap());
        }
        decoder.attentions().stream()
                // full layers first: their positions may be scaled
                .sorted(Comparator.comparingInt(AttentionConfig::window))
                .forEach(this::writePositions);
        Map<String, Object> named = new LinkedHashMap<>();
        keys.forEach((name, value) -> named.put(architecture.key(name), value));
        return named;
    }

    private void writeSizes(DecoderConfig decoder, BlockConfig block, AttentionConfig attention, boolean twoKinds) {
        keys.put("vocab_size", model.vocabularySize());
        keys.put("max_position_embeddings", decoder.contextLength());
        keys.put("hidden_size", decoder.hiddenSize());
        keys.put("num_hidden_layers", decoder.blocks().size());
        keys.put("intermediate_size", twoKinds ? each(this::inner) : inner(block));
        keys.put("num_attention_heads", attention.heads());
        boolean listed = twoKinds || architecture.has(Trait.CONVOLUTIONS) || architecture == GRANITE_HYBRID;
        keys.put("num_key_value_heads", listed ? each(this::kvHeads) : attention.kvHeads());
        keys.put("head_dim", attention.headSize());
        keys.put(VALUE_LENGTH, attention.headSize());
        boolean layerNorms = architecture.has(Trait.LAYER_NORMS);
        keys.put(layerNorms ? "layer_norm_eps" : "rms_norm_eps", block.norm().epsilon());
    }

    /** Writes the sizes of delta nets, which are all equal, and the layers that have one. */
    private void writeDelta() throws FormatException {
        List<Boolean> recurrent = new ArrayList<>();
        for (BlockConfig block : model.decoder().blocks()) {
            recurrent.add(block.mixer() instanceof GatedDelta);
            if (block.mixer() instanceof GatedDelta delta) {
                keys.put("linear_conv_kernel_dim", delta.kernel());
                keys.put("linear_key_head_dim", delta.keySize());
                keys.put("linear_num_key_heads", delta.keyHeads());
                keys.put("linear_num_value_heads", delta.valueHeads());
                keys.put(GgufKeys.VALUES, delta.valueWidth());
            }
        }
        keys.put(GgufKeys.RECURRENT, recurrent);
        List<Integer> said = model.source().section("rope_parameters").integers("mrope_section");
        int turned =
                Objects.requireNonNull(model.decoder().attentions().getFirst().rope())
                                .width()
                        / 2;
        List<Integer> sections = new ArrayList<>(said.size() == 3 ? said : List.of(turned, 0, 0));
        sections.add(0);
        keys.put(GgufKeys.SECTIONS, sections); // for pictures and films; llama.cpp requires them
    }

    /** Writes the sizes of state spaces, which are all equal. */
    private void writeStateSpace(MixerConfig mixer, AttentionConfig attention) {
        if (mixer instanceof StateSpace space) {
            keys.put("linear_conv_kernel_dim", space.kernel());
            keys.put("linear_key_head_dim", space.depth());
            keys.put("linear_num_key_heads", space.groups());
            keys.put("linear_num_value_heads", space.heads());
            keys.put(GgufKeys.VALUES, space.width());
            keys.put(GgufKeys.ROTATES, attention.rope() != null);
        }
    }

    /**
     * Writes which layers have windows, read other layers' keys or have inputs of their own, and the sizes of layers
     * with windows.
     */
    private void writeKinds() {
        List<AttentionConfig> all = model.decoder().attentions();
        PerLayerConfig own = model.decoder().perLayer();
        keys.put("layer_types", all.stream().map(a -> a.window() > 0).toList());
        long shared =
                all.stream().filter(a -> a.keysOf() != AttentionConfig.OWN).count();
        keys.put("num_kv_shared_layers", (int) shared);
        keys.put("hidden_size_per_layer_input", own == null ? 0 : own.width());
        all.stream().filter(a -> a.window() > 0).findFirst().ifPresent(local -> {
            for (String key : List.of(KEY_LENGTH, VALUE_LENGTH, ROTATED)) {
                keys.put(key + LOCAL, local.headSize());
            }
        });
    }

    /** A value for each layer. */
    private <T> List<T> each(Function<BlockConfig, T> of) {
        return model.decoder().blocks().stream().map(of).toList();
    }

    private int inner(BlockConfig block) {
        return block.feedForward().each().innerSize();
    }

    /** Key heads; 0 for a layer without attention. */
    private int kvHeads(BlockConfig block) {
        return block.mixer() instanceof AttentionConfig attention ? attention.kvHeads() : 0;
    }

    private void writeExperts(Experts experts) {
        keys.put("num_local_experts", experts.count());
        keys.put("num_experts_per_tok", experts.chosen());
        keys.put("moe_intermediate_size", experts.each().innerSize());
        if (experts.routing().sigmoid()) {
            long dense = model.decoder().blocks().stream()
                    .takeWhile(block -> !(block.feedForward() instanceof Experts))
                    .count();
            keys.put("num_dense_layers", (int) dense);
            keys.put(GgufKeys.GATING, GgufKeys.SIGMOID);
        }
    }

    private void writePositions(AttentionConfig layer) {
        boolean local = layer.window() > 0;
        if (local && architecture.period > 0) {
            keys.put("sliding_window", layer.window());
        }
        RopeConfig rope = layer.rope();
        Formula formula = rope == null ? null : model.ropes().get(rope);
        if (rope == null || formula == null) {
            return;
        }
        if (local && (architecture == GEMMA3 || architecture == GEMMA4)) {
            keys.put("rope_local_base_freq", (float) formula.theta());
        } else if (keys.putIfAbsent("rope_theta", (float) formula.theta()) == null) {
            keys.put(ROTATED, rope.width());
            writeScaling(rope, formula);
        }
    }

    private void writeScaling(RopeConfig rope, Formula formula) {
        String kind = formula.scaling();
        boolean yarn = kind.equals(YARN);
        boolean phi = kind.equals(LONG) && architecture == PHI3;
        if (yarn || kind.equals(LINEAR)) {
            keys.put(SCALING, kind);
            keys.put(FACTOR, (float) formula.factor());
        }
        if (yarn && architecture == MISTRAL3) {
            double plain = RopeKeys.scale(formula.factor(), 1);
            keys.put(ORIGINAL, formula.original());
            keys.put(GgufKeys.SHARE, (float) (plain == 1 ? 0 : (plain / rope.gain() - 1) / (plain - 1)));
            keys.put(GgufKeys.GROWTH, rope.growth());
            keys.put(GgufKeys.FAST, (float) formula.fast());
            keys.put(GgufKeys.SLOW, (float) formula.slow());
        } else if (yarn || phi) {
            double gain = phi ? rope.gain() : rope.gain() / RopeKeys.scale(formula.factor(), 1);
            keys.put(ORIGINAL, formula.original());
            keys.put(GAIN, yarn && Math.abs(gain - 1) < Difference.ROUNDING ? 1f : (float) gain);
        }
        if (phi) {
            List<Double> longer =
                    rope.longer() instanceof Longer.Other beyond ? beyond.frequencies() : rope.frequencies();
            tensors.put(SHORT_FACTORS, factors(formula, rope.width(), rope.frequencies()));
            tensors.put(LONG_FACTORS, factors(formula, rope.width(), longer));
        } else if (architecture.has(Trait.FACTORS)
                && (List.of("llama3", LONG).contains(kind) || rope.frequencies().contains(0.0))) {
            tensors.put(FACTORS, factors(formula, rope.width(), rope.frequencies()));
        }
    }

    /** The divisors of frequencies. */
    private static float[] factors(Formula formula, int width, List<Double> frequencies) {
        float[] factors = new float[frequencies.size()];
        for (int j = 0; j < factors.length; j++) {
            double plain = RopeKeys.plain(formula.theta(), j, width);
            factors[j] = frequencies.get(j) == 0 ? NEVER : (float) (plain / frequencies.get(j));
        }
        return factors;
    }
}
