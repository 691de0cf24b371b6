package dev.causal4j.model.gguf;

import static dev.causal4j.model.gguf.GgufKeys.FACTORS;
import static dev.causal4j.model.gguf.GgufKeys.KEY_LENGTH;
import static dev.causal4j.model.gguf.GgufKeys.LOCAL;
import static dev.causal4j.model.gguf.GgufKeys.NEVER;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Reads Gemma 4's own keys of a GGUF file: layers with windows and full layers differ in heads, sizes and positions,
 * and the last layers may read other layers' keys.
 *
 * @param json receives them by Hugging Face's names
 * @param local whether each layer has a window
 */
record Gemma4Keys(GgufKeys keys, Map<String, Object> json, List<Boolean> local) {
    /** @param headSize the head size of full layers */
    void read(int headSize, boolean hasExperts) throws FormatException {
        keys.support("layer_types", !local.getLast(), "false of the last layer");
        // the first that reads another's keys
        int first = local.size() - keys.count("num_kv_shared_layers", local.size() - 1);
        checkShared(first);
        heads(headSize, first);
        inner(first);
        if (keys.count("hidden_size_per_layer_input", Architecture.MOST) > 0) {
            json.put("vocab_size_per_layer_input", keys.rows("per_layer_token_embd.weight"));
        }
        json.put("enable_moe_block", hasExperts);
        if (hasExperts) {
            keys.require("moe_intermediate_size");
        }
    }

    /**
     * Checks that layers share keys as in llama.cpp: full layers read the last layer that has keys of its own, layers
     * with a window read the layer before it.
     */
    private void checkShared(int first) throws FormatException {
        for (boolean kind : local.subList(first, local.size())) {
            int source = local.subList(0, first).lastIndexOf(kind);
            boolean fits = source == first - (kind ? 2 : 1);
            keys.support("num_kv_shared_layers", fits, "a layer with a window and a full one before those");
        }
    }

    private void heads(int full, int first) throws FormatException {
        int windowed = keys.size(KEY_LENGTH + LOCAL, full);
        for (String suffix : List.of("", LOCAL)) {
            int size = suffix.isEmpty() ? full : windowed;
            for (String key : List.of(GgufKeys.VALUE_LENGTH + suffix, GgufKeys.ROTATED + suffix)) {
                keys.support(key, keys.size(key, size) == size, "the key length, " + size);
            }
        }
        json.put("head_dim", windowed);
        json.put("global_head_dim", full);
        String name = "num_key_value_heads";
        List<Integer> all = keys.each(name, 1);
        int fullHeads = all.getLast();
        int localHeads = local.contains(true) ? all.get(local.indexOf(true)) : fullHeads;
        boolean equal = IntStream.range(0, all.size())
                .allMatch(layer -> all.get(layer) == (local.get(layer) ? localHeads : fullHeads));
        keys.support(name, equal, "equal numbers in layers of a kind");
        List<Boolean> withValues = IntStream.range(0, first)
                .filter(layer -> !local.get(layer))
                .mapToObj(layer -> keys.has("blk." + layer + ".attn_v.weight"))
                .distinct()
                .toList();
        boolean keysAreValues = withValues.contains(false);
        keys.support(name, keysAreValues || fullHeads == localHeads, "equal numbers in layers with values");
        keys.check(name, withValues.size() < 2, "attn_v in all full layers or in none");
        json.put(name, localHeads);
        json.put("attention_k_eq_v", keysAreValues);
        json.put("num_global_key_value_heads", keysAreValues ? fullHeads : Json.NULL);
        keys.support(GgufKeys.SCALING, keys.text(GgufKeys.SCALING, "none").equals("none"), "none");
        json.put("rope_parameters", Json.object("sliding_attention", rope(LOCAL), "full_attention", turned(full)));
    }

    private Map<String, Object> rope(String suffix) throws FormatException {
        return Json.object("rope_type", "default", "rope_theta", keys.number("rope.freq_base" + suffix, 10000));
    }

    /** The first pairs of a head are rotated. A tensor gives their number and the divisor of their frequencies. */
    private Map<String, Object> turned(int headSize) throws FormatException {
        Map<String, Object> rope = rope("");
        if (keys.has(FACTORS)) {
            List<Double> factors = keys.numbers(FACTORS);
            keys.check("head_dim", 2 * factors.size() == headSize, "twice the numbers in " + FACTORS);
            List<Double> turning =
                    factors.stream().filter(factor -> !(factor >= NEVER)).toList();
            int count = turning.size();
            boolean first = turning.equals(factors.subList(0, count));
            boolean equal = turning.stream().allMatch(factor -> factor > 0 && factor.equals(factors.getFirst()));
            keys.support(
                    GgufArchitecture.KEY, first && equal, "tensor " + FACTORS + " of equal numbers, then " + NEVER);
            double share = 2.0 * count / headSize;
            rope.put("rope_type", "proportional");
            rope.put("partial_rotary_factor", (int) (share * headSize / 2) == count ? share : Math.nextUp(share));
            rope.put("factor", count == 0 ? 1.0 : factors.getFirst());
        }
        return rope;
    }

    private void inner(int first) throws FormatException {
        String name = "intermediate_size";
        List<Integer> all = keys.each(name, 1);
        int inner = all.getFirst();
        boolean wide = all.getLast() == 2L * inner;
        boolean equal = IntStream.range(0, all.size())
                .allMatch(layer -> all.get(layer) == (wide && layer >= first ? 2 * inner : inner));
        keys.support(name, equal, "equal numbers, or twice as much in layers that share keys");
        json.put(name, inner);
        json.put("use_double_wide_mlp", wide);
    }
}
