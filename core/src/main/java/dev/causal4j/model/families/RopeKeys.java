package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * The keys of rotary positions: {@code rope_scaling} and {@code rope_theta}, or {@code rope_parameters} as transformers
 * 5 writes them. Frequencies follow that library's formulas.
 */
public final class RopeKeys {
    private static final String KIND = "rope_type";

    private final Keys keys;
    private final Json rope;
    private final int width;
    private final double theta;
    private double stretch = 1; // the scaling's factor
    private int originalLength; // the original context length, if the scaling has one
    private double fast = 32; // a bound of yarn's band, in turns
    private double slow = 1;

    /** @param local whether to read the positions of layers with windows, if these have their own (Gemma 3, OLMo 3) */
    RopeKeys(Keys keys, boolean local) throws FormatException {
        this.keys = keys;
        Json json = keys.json;
        Json parameters = json.section("rope_parameters");
        Json scaling = json.section("rope_scaling");
        Json full = parameters.has("full_attention")
                ? parameters.section("full_attention").with(scaling.root())
                : json.has("rope_scaling") ? scaling : parameters;
        this.rope = local ? parameters.section("sliding_attention") : full;
        String thetaKey =
                local ? "rope_local_base_freq" : json.has("rotary_emb_base") ? "rotary_emb_base" : "rope_theta";
        double said = json.number(thetaKey, local ? 1e4 : keys.absent.theta(), 1e-9, 1e300);
        this.theta = rope.number("rope_theta", said, 1e-9, 1e300);
        double share = json.number("partial_rotary_factor", json.number("rotary_pct", 1, 0, 1), 0, 1);
        double partial = rope.number("partial_rotary_factor", share, 0, 1);
        this.width = (int) (keys.headSize * partial);
        json.support("head_dim", width % 2 == 0 && width > 0, "an even number of rotated coordinates");
    }

    /**
     * @param phi whether the family is Phi 3: it has fewer scalings, and its old files have another name for longrope
     */
    RopeConfig read(boolean phi) throws FormatException {
        String said = rope.string(KIND, rope.string("type", "default"));
        rope.support("type", said.equals(rope.string("type", said)), "the value of rope_type");
        String kind = phi && List.of("su", "yarn").contains(said) ? "longrope" : said;
        String known = phi ? "default or longrope" : "default, linear, dynamic, llama3, yarn or longrope";
        boolean isKnown = List.of(known.split(", | or ", -1)).contains(kind);
        rope.support(rope.has(KIND) ? KIND : "type", isKnown, known);
        RopeConfig made = switch (kind) {
            case "linear" -> linear();
            case "dynamic" -> dynamic();
            case "llama3" -> llama3();
            case "yarn" -> yarn();
            case "longrope" -> longRope();
            default -> of(this::plain, 1);
        };
        RopeConfig grown = keys.growingQueries ? growing(made) : made;
        keys.ropes.put(grown, new Formula(theta, kind, stretch, originalLength, fast, slow));
        return grown;
    }

    private RopeConfig growing(RopeConfig made) throws FormatException {
        float growth = (float) rope.number("llama_4_scaling_beta", 0, 0, 1e9);
        int original = growth == 0 ? 0 : original(keys.pretrained);
        return new RopeConfig(made.width(), made.frequencies(), made.gain(), made.longer(), growth, original);
    }

    private RopeConfig of(IntToDoubleFunction frequency, double gain) {
        return new RopeConfig(width, list(frequency), (float) gain, new Longer.Same());
    }

    private List<Double> list(IntToDoubleFunction frequency) {
        return IntStream.range(0, width / 2).mapToObj(frequency::applyAsDouble).toList();
    }

    private double plain(int j) {
        return plain(theta, j, width);
    }

    /** The frequency of a coordinate without scaling. */
    public static double plain(double theta, int j, int width) {
        return StrictMath.pow(theta, -2.0 * j / width);
    }

    private double factor() throws FormatException {
        rope.check("factor", rope.has("factor"), "a number");
        return factor(1);
    }

    private double factor(double whenAbsent) throws FormatException {
        stretch = rope.number("factor", whenAbsent, 1e-9, 1e9);
        return stretch;
    }

    /** The context length of pretraining. */
    private int original(int whenAbsent) throws FormatException {
        String key = "original_max_position_embeddings";
        int inside = rope.integer(key, whenAbsent, 1, Architecture.MOST);
        originalLength = keys.json.integer(key, inside, 1, Architecture.MOST);
        return originalLength;
    }

    private RopeConfig linear() throws FormatException {
        double factor = factor();
        return of(j -> plain(j) / factor, 1);
    }

    private RopeConfig dynamic() throws FormatException {
        double factor = rope.number("factor", factor(), 1, 1e9);
        return new RopeConfig(width, list(this::plain), 1, new Longer.Dynamic(keys.pretrained, theta, factor));
    }

    private RopeConfig llama3() throws FormatException {
        double factor = factor();
        double low = rope.number("low_freq_factor", 1, 0, 1e9);
        double high = rope.number("high_freq_factor", 4, 0, 1e9);
        rope.check("high_freq_factor", high > low, "more than low_freq_factor");
        int original = original(keys.pretrained);
        return of(
                j -> {
                    double turns = original * plain(j) / (2 * Math.PI);
                    double smooth = Math.clamp((turns - low) / (high - low), 0.0, 1.0);
                    return smooth * plain(j) + (1 - smooth) * plain(j) / factor;
                },
                1);
    }

    /** YaRN (Peng et al. 2023). */
    private RopeConfig yarn() throws FormatException {
        int original = original(keys.pretrained);
        double factor = factor((double) keys.pretrained / original);
        fast = rope.number("beta_fast", fast, 1e-9, 1e9);
        slow = rope.number("beta_slow", slow, 1e-9, 1e9);
        double from = turns(original, fast);
        double to = turns(original, slow);
        boolean truncate = rope.bool("truncate", true);
        double low = Math.max(truncate ? Math.floor(from) : from, 0);
        double high = Math.min(truncate ? Math.ceil(to) : to, width - 1);
        double range = high == low ? 0.001 : high - low;
        double scale = rope.number("mscale", 0, 0, 1e9);
        double all = rope.number("mscale_all_dim", 0, 0, 1e9);
        double ratio = scale != 0 && all != 0 ? scale(factor, scale) / scale(factor, all) : scale(factor, 1);
        return of(
                j -> {
                    double ramp = Math.clamp((j - low) / range, 0.0, 1.0);
                    return ramp * plain(j) / factor + (1 - ramp) * plain(j);
                },
                rope.number("attention_factor", ratio, 0, 1e9));
    }

    /** The coordinate that makes this many turns within the context of pretraining. */
    private double turns(int original, double turns) {
        return width * StrictMath.log(original / (turns * 2 * Math.PI)) / (2 * StrictMath.log(theta));
    }

    /** YaRN's factor of cosine and sine. */
    public static double scale(double factor, double weight) {
        return factor <= 1 ? 1 : 0.1 * weight * StrictMath.log(factor) + 1;
    }

    /** LongRoPE's factor of cosine and sine. */
    public static double longGain(double factor, int original) {
        return factor <= 1 ? 1 : Math.sqrt(1 + StrictMath.log(factor) / StrictMath.log(original));
    }

    /** LongRoPE (Ding et al. 2024). */
    private RopeConfig longRope() throws FormatException {
        int original = original(4096);
        double factor = factor((double) keys.pretrained / original);
        double ratio = longGain(factor, original);
        List<Double> shorter = rope.numbers("short_factor", width / 2);
        List<Double> longer = rope.numbers("long_factor", width / 2);
        float gain = (float) rope.number("attention_factor", ratio, 0, 1e9);
        Longer beyond = longer.equals(shorter)
                ? new Longer.Same()
                : new Longer.Other(original, list(j -> plain(j) / longer.get(j)));
        return new RopeConfig(width, list(j -> plain(j) / shorter.get(j)), gain, beyond);
    }
}
