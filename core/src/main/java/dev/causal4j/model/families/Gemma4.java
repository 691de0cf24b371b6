package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.Values;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Beside;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.DecoderConfig.PerLayerConfig;
import dev.causal4j.json.Json;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Gemma 4 (2026), the text model, also inside multimodal checkpoints: gains w; normed values, which in full layers may
 * be the keys themselves; heads of two sizes; last layers that read other layers' keys; inputs of each layer's own;
 * experts beside the dense layer.
 */
record Gemma4(String type, Names names) implements Family {
    private static final Names SINGLE = Gemma.NAMES
            .with(Map.of(
                    "router", "router.proj",
                    "router_norm", "router.scale=",
                    "expert_scales", "router.per_expert_scale=",
                    "dense_out_norm", "post_feedforward_layernorm_1",
                    "experts_norm", "pre_feedforward_layernorm_2",
                    "experts_out_norm", "post_feedforward_layernorm_2",
                    "expert_gate", "#gate_proj",
                    "expert_up", "#up_proj",
                    "expert_down", "#down_proj"))
            .with(Map.of(
                    "per_layer_embedding", "embed_tokens_per_layer",
                    "per_layer_inputs", "per_layer_model_projection",
                    "per_layer_norm", "per_layer_projection_norm",
                    "per_layer_gate", "per_layer_input_gate",
                    "per_layer_out_norm", "post_per_layer_input_norm",
                    "layer_scale", "layer_scalar="));

    static final Names FUSED =
            SINGLE.with(Map.of("expert_gate_up", "experts.gate_up_proj=", "expert_down", "experts.down_proj="));

    /** The most that sizes of heads with different frequencies add up to. Published models have 256 and 512. */
    private static final int MOST_ROTATED = 1 << 20;

    private static final String SLIDING = "sliding_attention";
    private static final String FULL = "full_attention";
    private static final String BIDIRECTIONAL = "use_bidirectional_attention";

    @Override
    public FileLayout forTensors(Set<String> tensors) {
        return Family.hasSingleExperts(tensors) ? new Gemma4(type, SINGLE) : this;
    }

    @Override
    public Architecture read(Json outer) throws FormatException {
        boolean unified = outer.string("model_type", "").contains("unified");
        Json text = text(outer, Map.of("vocab_size", 262144), "tie_word_embeddings", "eos_token_id");
        Json own = unified ? text.with(Map.of("model_type", "gemma4_unified_text")) : text;
        Json said = outer.has("text_config") ? own : outer;
        boolean images = List.of("", "vision").contains(said.string(BIDIRECTIONAL, "")); // text alone is causal
        said.support(BIDIRECTIONAL, images, "null or vision");
        return new Reading(said).architecture();
    }

    /** One reading of a configuration. */
    private final class Reading {
        private final Json json;
        private final Keys keys;
        private final List<String> kinds;
        private final int firstShared;
        private final int headSize; // of layers with a window, like the next
        private final int kvHeads;
        private final Dense dense;
        private final Map<List<?>, RopeConfig> ropes = new HashMap<>(); // by kind and head size
        private int rotated; // numbers of these

        Reading(Json said) throws FormatException {
            json = said;
            keys = new Keys(said.with(Map.of(BIDIRECTIONAL, false)), new Keys.Absent(0, 4, 256, 1e4, 1e-6));
            headSize = keys.headSize;
            kvHeads = keys.kvHeads;
            keys.tied = true;
            keys.places = NormPlaces.BEFORE_AND_AFTER;
            keys.queryKeyNorm = QueryKeyNorm.HEAD;
            keys.scale = 1;
            keys.embeddingScale = (float) Math.sqrt(keys.hiddenSize);
            keys.logitCap = (float) json.number("final_logit_softcapping", 0, 1e-9, 1e9);
            keys.scaledLayers = true;
            keys.perLayer = perLayer();
            kinds = kinds();
            int shared = json.integer("num_kv_shared_layers", 0, 0, keys.layers - 1);
            firstShared = keys.layers - shared;
            ActivationFunction activation = keys.activation("hidden_activation", "gelu_pytorch_tanh");
            dense = keys.dense("intermediate_size", activation, true, false);
        }

        Architecture architecture() throws FormatException {
            List<BlockConfig> blocks = new ArrayList<>();
            for (int layer = 0; layer < keys.layers; layer++) {
                blocks.add(block(layer));
                checkShared((AttentionConfig) blocks.getLast().mixer(), blocks);
            }
            return keys.model(Gemma4.this, json, blocks::get);
        }

        /** The kinds of layers. The last layer is full in spite of the list. */
        private List<String> kinds() throws FormatException {
            List<Boolean> local = keys.local(layer -> (layer + 1) % 6 != 0);
            return IntStream.range(0, keys.layers)
                    .mapToObj(layer -> local.get(layer) && layer < keys.layers - 1 ? SLIDING : FULL)
                    .toList();
        }

        private @Nullable PerLayerConfig perLayer() throws FormatException {
            boolean unified = json.string("model_type", "").startsWith("gemma4_unified");
            int most = Architecture.MOST / keys.layers;
            int width = json.integer("hidden_size_per_layer_input", unified ? 0 : 256, 0, most);
            if (width == 0) {
                return null;
            }
            String key = "vocab_size_per_layer_input";
            int rows = json.integer(key, 262144, 1, Architecture.MOST);
            int size = json.requireInt("vocab_size", 1, Architecture.MOST);
            json.support(key, rows >= size, "at least vocab_size = " + size);
            return new PerLayerConfig(rows, width);
        }

        private BlockConfig block(int layer) throws FormatException {
            String kind = kinds.get(layer);
            boolean full = kind.equals(FULL);
            boolean keysAreValues = full && json.bool("attention_k_eq_v", false);
            boolean listed = json.has("per_layer_config");
            Json own = json.section("per_layer_config").section(String.valueOf(layer));
            int size = full && !listed ? json.integer("global_head_dim", 512, 1, Architecture.MOST) : headSize;
            int heads = keysAreValues && !listed
                    ? json.integer("num_global_key_value_heads", kvHeads, 1, keys.heads)
                    : kvHeads;
            keys.headSize = own.integer("head_dim", size, 1, Architecture.MOST);
            keys.kvHeads = own.integer("num_key_value_heads", heads, 1, keys.heads);
            boolean fits = (long) keys.heads * keys.headSize <= Architecture.MOST;
            json.check(full ? "global_head_dim" : "head_dim", fits, "heads of at most 2^24 numbers in all");
            boolean groups = keys.heads % keys.kvHeads == 0;
            json.check("num_attention_heads", groups, "a multiple of key heads, " + keys.kvHeads);
            keys.values = keysAreValues ? Values.KEYS : Values.NORMED;
            keys.keysOf = layer < firstShared ? AttentionConfig.OWN : source(kind);
            RopeConfig rope = ropes.get(List.of(kind, keys.headSize));
            return keys.block(
                    full ? 0 : keys.window(512), rope == null ? rope(kind, keys.headSize) : rope, feedForward(layer));
        }

        /** The last layer of this kind that has keys of its own. */
        private int source(String kind) throws FormatException {
            int source = kinds.subList(0, firstShared).lastIndexOf(kind);
            json.support("num_kv_shared_layers", source >= 0, "a layer of kind " + kind + " before those that share");
            return source;
        }

        private void checkShared(AttentionConfig attention, List<BlockConfig> blocks) throws FormatException {
            if (attention.keysOf() != AttentionConfig.OWN) {
                AttentionConfig source =
                        (AttentionConfig) blocks.get(attention.keysOf()).mixer();
                boolean same = source.kvHeads() == attention.kvHeads() && source.headSize() == attention.headSize();
                json.support("per_layer_config", same, "equal heads in layers that share keys");
            }
        }

        private FeedForwardConfig feedForward(int layer) throws FormatException {
            boolean wide = layer >= firstShared && json.bool("use_double_wide_mlp", false);
            Dense each = wide ? new Dense(2 * dense.innerSize(), dense.activation(), true, false) : dense;
            if (!json.bool("enable_moe_block", false)) {
                return each;
            }
            Dense expert = keys.dense("moe_intermediate_size", dense.activation(), true, false);
            int chosen = json.requireInt("top_k_experts", 1, Architecture.MOST_EXPERTS);
            Experts all = keys.experts("num_experts", 0, chosen, expert, Routing.SOFTMAX_OF_CHOSEN, false);
            json.check("top_k_experts", chosen <= all.count(), "at most num_experts = " + all.count());
            return new Beside(each, all);
        }

        /**
         * The rotation of a kind of layers. A proportional one rotates the first pairs of a head and leaves the others;
         * exponents are divided by the size of the whole head.
         */
        private RopeConfig rope(String kind, int headSize) throws FormatException {
            Json all = json.section("rope_parameters");
            boolean proportionalIfAbsent = kind.equals(FULL) && !all.has(kind);
            Json rope = all.section(kind);
            String type = rope.string("rope_type", proportionalIfAbsent ? "proportional" : "default");
            boolean proportional = type.equals("proportional");
            rope.support("rope_type", proportional || type.equals("default"), "default or proportional");
            json.check("head_dim", headSize % 2 == 0, "an even number");
            rotated += Math.min(headSize, MOST_ROTATED + 1);
            json.check("head_dim", rotated <= MOST_ROTATED, "sizes of heads with a sum of at most " + MOST_ROTATED);
            double theta = rope.number("rope_theta", kind.equals(FULL) ? 1e6 : 1e4, 1e-9, 1e300);
            double share = rope.number("partial_rotary_factor", proportionalIfAbsent ? 0.25 : 1, 0, 1);
            double factor = proportional ? rope.number("factor", 1, 1e-9, 1e9) : 1;
            rope.support("partial_rotary_factor", proportional || share == 1, "1 of rope_type default");
            int turned = (int) Math.floor(share * headSize / 2);
            List<Double> frequencies = IntStream.range(0, headSize / 2)
                    .mapToObj(j -> j < turned ? RopeKeys.plain(theta, j, headSize) / factor : 0.0)
                    .toList();
            RopeConfig made = new RopeConfig(headSize, frequencies, 1, new Longer.Same());
            keys.ropes.put(made, new Formula(theta, type, factor, 0));
            ropes.put(List.of(kind, headSize), made);
            return made;
        }
    }

    /** Ignores the tensors of vision and audio, and keys and values that are never read. */
    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return name.matches("(model\\.)?(vision_tower|audio_tower|embed_vision|embed_audio|vision_embedder)\\..*")
                || names.isUnread(decoder, name)
                || Family.super.isBuffer(decoder, name);
    }
}
