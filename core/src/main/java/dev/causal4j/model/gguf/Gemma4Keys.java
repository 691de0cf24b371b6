package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.families.Architecture;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The keys of Gemma 4 in a GGUF file, where layers with windows and full ones differ in heads, sizes and positions. As
 * {@link GgufKeys} it reads them as Hugging Face's configuration and writes them from a model.
 */
record Gemma4Keys(Json metadata, TensorStore tensors) {
    private static final String FACTORS = "rope_freqs.weight";
    private static final String TABLE = "per_layer_token_embd.weight";

    /** A pair whose frequency is divided by so much or more is not turned. */
    private static final float NEVER = 1e30f;

    private static final String HEADS = "attention.head_count";
    private static final String KEY_HEADS = "attention.head_count_kv";
    private static final String HEAD_SIZE = "attention.key_length";
    private static final String VALUE_SIZE = "attention.value_length";
    private static final String WINDOW = "attention.sliding_window";
    private static final String PATTERN = "attention.sliding_window_pattern";
    private static final String SHARED = "attention.shared_kv_layers";
    private static final String INNER = "feed_forward_length";
    private static final String OWN_INPUT = "embedding_length_per_layer_input";
    private static final String LOCAL = "_swa"; // of layers with windows

    private static String key(String name) {
        return GgufArchitecture.GEMMA4 + "." + name;
    }

    private int integer(String name, int whenAbsent, int least) throws FormatException {
        return metadata.integer(key(name), whenAbsent, least, Architecture.MOST);
    }

    private int require(String name) throws FormatException {
        return metadata.requireInt(key(name), 1, Architecture.MOST);
    }

    private void support(String name, boolean supported, String expected) throws FormatException {
        metadata.support(key(name), supported, expected);
    }

    /** A number for each layer, of a list or the same. */
    private List<Integer> each(String name, int layers) throws FormatException {
        if (!(metadata.root().get(key(name)) instanceof List<?>)) {
            return Collections.nCopies(layers, require(name));
        }
        List<Integer> all = metadata.integers(key(name));
        boolean fits = all.size() == layers && all.stream().allMatch(x -> x > 0 && x <= Architecture.MOST);
        metadata.check(key(name), fits, "a positive number for each of " + layers + " layers");
        return all;
    }

    Json configuration() throws FormatException {
        int layers = metadata.requireInt(key("block_count"), 1, Architecture.MOST_LAYERS);
        metadata.check(key("block_count"), layers <= tensors.names().size(), "at most one block for each tensor");
        Object length = metadata.root().get(key("context_length"));
        List<Long> embedding = tensors.tensor(GgufVocabulary.EMBEDDING).shape();
        String epsilon = key("attention.layer_norm_rms_epsilon");
        metadata.check(epsilon, metadata.has(epsilon), "a number");
        Map<String, Object> json = Json.object("model_type", "gemma4_text", "pad_token_id", Json.NULL);
        json.put("tie_word_embeddings", !tensors.names().contains("output.weight"));
        json.put("vocab_size", (int) Math.min(embedding.isEmpty() ? 1 : embedding.getFirst(), Integer.MAX_VALUE));
        json.put("hidden_size", require("embedding_length"));
        json.put("num_hidden_layers", layers);
        json.put("num_attention_heads", require(HEADS));
        json.put("max_position_embeddings", length instanceof Long ? Architecture.MOST : require("context_length"));
        json.put("rms_norm_eps", metadata.number(epsilon, 0, 0, 1));
        String cap = "final_logit_softcapping";
        json.put(cap, metadata.has(key(cap)) ? metadata.number(key(cap), 0, 1e-9, 1e9) : Json.NULL);
        List<Boolean> local = local(layers);
        json.put(
                "layer_types",
                local.stream()
                        .map(is -> is ? "sliding_attention" : "full_attention")
                        .toList());
        json.put("sliding_window", local.contains(true) ? require(WINDOW) : Json.NULL);
        int shared = metadata.integer(key(SHARED), 0, 0, layers - 1);
        json.put("num_kv_shared_layers", shared);
        checkShared(local, layers - shared);
        heads(json, local, layers - shared);
        inner(json, layers, layers - shared);
        int own = integer(OWN_INPUT, 0, 0);
        json.put("hidden_size_per_layer_input", own);
        if (own > 0) {
            List<Long> table = tensors.tensor(TABLE).shape();
            json.put("vocab_size_per_layer_input", (int) Math.min(table.getFirst(), Integer.MAX_VALUE));
        }
        experts(json);
        return new Json(metadata.subject(), json);
    }

    private List<Boolean> local(int layers) throws FormatException {
        boolean listed = metadata.root().get(key(PATTERN)) instanceof List<?> all
                && all.size() == layers
                && all.stream().allMatch(Boolean.class::isInstance);
        metadata.check(key(PATTERN), listed, "true or false for each of " + layers + " layers");
        List<Boolean> local = ((List<?>) Objects.requireNonNull(metadata.root().get(key(PATTERN))))
                .stream().map(Boolean.class::cast).toList();
        support(PATTERN, !local.getLast(), "false of the last layer");
        return local;
    }

    /** llama.cpp reads the last layer before those that share if it is full, the one before if it has a window. */
    private void checkShared(List<Boolean> local, int first) throws FormatException {
        for (boolean kind : local.subList(first, local.size())) {
            int source = local.subList(0, first).lastIndexOf(kind);
            support(SHARED, source == first - (kind ? 2 : 1), "a layer with a window and a full one before those");
        }
    }

    private void heads(Map<String, Object> json, List<Boolean> local, int first) throws FormatException {
        int full = require(HEAD_SIZE);
        int windowed = integer(HEAD_SIZE + LOCAL, full, 1);
        for (String suffix : List.of("", LOCAL)) {
            int size = suffix.isEmpty() ? full : windowed;
            support(VALUE_SIZE + suffix, integer(VALUE_SIZE + suffix, size, 1) == size, "the key length, " + size);
            String turned = "rope.dimension_count" + suffix;
            support(turned, integer(turned, size, 1) == size, "the key length, " + size);
        }
        json.put("head_dim", windowed);
        json.put("global_head_dim", full);
        List<Integer> all = each(KEY_HEADS, local.size());
        int fullHeads = all.getLast();
        int localHeads = local.contains(true) ? all.get(local.indexOf(true)) : fullHeads;
        boolean equal = IntStream.range(0, all.size())
                .allMatch(layer -> all.get(layer) == (local.get(layer) ? localHeads : fullHeads));
        support(KEY_HEADS, equal, "equal numbers in layers of a kind");
        long without = IntStream.range(0, first)
                .filter(layer -> !local.get(layer) && !tensors.names().contains("blk." + layer + ".attn_v.weight"))
                .count();
        boolean keysAreValues = without > 0;
        long fulls = local.subList(0, first).stream().filter(is -> !is).count();
        support(KEY_HEADS, keysAreValues || fullHeads == localHeads, "equal numbers in layers with values");
        metadata.check(key(KEY_HEADS), without == 0 || without == fulls, "attn_v in all full layers or in none");
        json.put("num_key_value_heads", localHeads);
        json.put("attention_k_eq_v", keysAreValues);
        json.put("num_global_key_value_heads", keysAreValues ? fullHeads : Json.NULL);
        json.put(
                "rope_parameters",
                Json.object("sliding_attention", rope(LOCAL), "full_attention", turned(rope(""), full)));
    }

    private Map<String, Object> rope(String suffix) throws FormatException {
        String scaling = "rope.scaling.type";
        support(scaling, metadata.string(key(scaling), "none").equals("none"), "none");
        double theta = metadata.number(key("rope.freq_base" + suffix), 10000, 1e-30, 1e300);
        return Json.object("rope_type", "default", "rope_theta", theta);
    }

    /** The first pairs of a head turn. The numbers of a tensor say how many, and what their frequencies are divided by. */
    private Map<String, Object> turned(Map<String, Object> rope, int headSize) throws FormatException {
        if (tensors.names().contains(FACTORS)) {
            List<Long> shape = tensors.tensor(FACTORS).shape();
            metadata.check(key(HEAD_SIZE), shape.equals(List.of(headSize / 2L)), "twice the numbers in " + FACTORS);
            float[] factors = tensors.tensor(FACTORS).toArray();
            int count = 0;
            while (count < factors.length && factors[count] < NEVER) {
                count++;
            }
            for (int j = 0; j < factors.length; j++) {
                boolean fits = j < count ? factors[j] == factors[0] && factors[j] > 0 : factors[j] >= NEVER;
                String expected = "tensor " + FACTORS + " of equal numbers, then " + NEVER;
                metadata.support(GgufArchitecture.KEY, fits, expected);
            }
            double share = 2.0 * count / headSize;
            rope.put("rope_type", "proportional");
            rope.put("partial_rotary_factor", (int) (share * headSize / 2) == count ? share : Math.nextUp(share));
            rope.put("factor", count == 0 ? 1.0 : (double) factors[0]);
        }
        return rope;
    }

    private void inner(Map<String, Object> json, int layers, int first) throws FormatException {
        List<Integer> all = each(INNER, layers);
        int inner = all.getFirst();
        boolean wide = all.getLast() == 2L * inner;
        boolean equal = IntStream.range(0, layers)
                .allMatch(layer -> all.get(layer) == (wide && layer >= first ? 2 * inner : inner));
        support(INNER, equal, "equal numbers, or twice as much in layers that share keys");
        json.put("intermediate_size", inner);
        json.put("use_double_wide_mlp", wide);
    }

    private void experts(Map<String, Object> json) throws FormatException {
        int count = metadata.integer(key("expert_count"), 0, 0, Architecture.MOST_EXPERTS);
        json.put("enable_moe_block", count > 0);
        if (count > 0) {
            json.put("num_experts", count);
            json.put("top_k_experts", metadata.requireInt(key("expert_used_count"), 1, count));
            json.put("moe_intermediate_size", require("expert_feed_forward_length"));
        }
    }

    /**
     * The keys of a model.
     *
     * @param tensors receives the tensor that is read with them
     */
    static Map<String, Object> write(Architecture model, Map<String, float[]> tensors) {
        DecoderConfig decoder = model.decoder();
        List<BlockConfig> blocks = decoder.blocks();
        List<AttentionConfig> all = decoder.attentions();
        AttentionConfig full = all.getLast();
        AttentionConfig local =
                all.stream().filter(a -> a.window() > 0).findFirst().orElse(full);
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("vocab_size", model.vocabularySize());
        keys.put("context_length", decoder.contextLength());
        keys.put("embedding_length", decoder.hiddenSize());
        keys.put("block_count", blocks.size());
        keys.put(
                INNER,
                blocks.stream()
                        .map(block -> block.feedForward().each().innerSize())
                        .toList());
        keys.put(HEADS, full.heads());
        keys.put(KEY_HEADS, all.stream().map(AttentionConfig::kvHeads).toList());
        keys.put("attention.layer_norm_rms_epsilon", decoder.lastNorm().epsilon());
        keys.put(PATTERN, all.stream().map(a -> a.window() > 0).toList());
        if (local.window() > 0) {
            keys.put(WINDOW, local.window());
        }
        keys.put(SHARED, (int)
                all.stream().filter(a -> a.keysOf() != AttentionConfig.OWN).count());
        keys.put(OWN_INPUT, decoder.perLayer() == null ? 0 : decoder.perLayer().width());
        writeKind(model, full, "", keys);
        writeKind(model, local, LOCAL, keys);
        if (model.logitCap() > 0) {
            keys.put("final_logit_softcapping", model.logitCap());
        }
        blocks.getFirst().feedForward().experts().ifPresent(experts -> {
            keys.put("expert_count", experts.count());
            keys.put("expert_used_count", experts.chosen());
            keys.put("expert_feed_forward_length", experts.each().innerSize());
        });
        writeFactors(model, full.rope(), tensors);
        Map<String, Object> named = new LinkedHashMap<>();
        keys.forEach((name, value) -> named.put(key(name), value));
        return named;
    }

    private static void writeKind(Architecture model, AttentionConfig kind, String suffix, Map<String, Object> keys) {
        RopeConfig rope = Objects.requireNonNull(kind.rope());
        keys.put(HEAD_SIZE + suffix, kind.headSize());
        keys.put(VALUE_SIZE + suffix, kind.headSize());
        keys.put("rope.dimension_count" + suffix, kind.headSize());
        keys.put("rope.freq_base" + suffix, (float)
                Objects.requireNonNull(model.ropes().get(rope)).theta());
    }

    private static void writeFactors(Architecture model, @Nullable RopeConfig rope, Map<String, float[]> tensors) {
        if (rope != null && rope.frequencies().contains(0.0)) {
            float factor =
                    (float) Objects.requireNonNull(model.ropes().get(rope)).factor();
            float[] factors = new float[rope.frequencies().size()];
            for (int j = 0; j < factors.length; j++) {
                factors[j] = rope.frequencies().get(j) == 0 ? NEVER : factor;
            }
            tensors.put(FACTORS, factors);
        }
    }
}
