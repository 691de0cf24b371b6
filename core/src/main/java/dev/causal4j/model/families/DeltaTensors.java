package dev.causal4j.model.families;

import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.model.families.Origin.Heads;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a gated delta net in files: names behind the prefix of its block.
 *
 * @param form how decays are stored
 * @param grouped whether a convolution is [channels, 1, kernel], or else [channels, kernel]
 */
public record DeltaTensors(
        String in,
        String z,
        String rates,
        String decayInputs,
        String convolution,
        String decays,
        Origin.Form form,
        String steps,
        String norm,
        String out,
        boolean grouped) {
    static final DeltaTensors HUGGING_FACE = new DeltaTensors(
            "in_proj_qkv.weight",
            "in_proj_z.weight",
            "in_proj_b.weight",
            "in_proj_a.weight",
            "conv1d.weight",
            "A_log",
            Origin.Form.LOGARITHM,
            "dt_bias",
            "norm.weight",
            "out_proj.weight",
            true);

    /** llama.cpp's. */
    public static final DeltaTensors GGUF = new DeltaTensors(
            "attn_qkv.weight",
            "attn_gate.weight",
            "ssm_beta.weight",
            "ssm_alpha.weight",
            "ssm_conv1d.weight",
            "ssm_a",
            Origin.Form.SAME,
            "ssm_dt.bias",
            "ssm_norm.weight",
            "ssm_out.weight",
            false);

    /**
     * The origin of one of its parameters.
     *
     * @param heads the order of value heads there, or null for the model's
     */
    public Origin origin(GatedDelta delta, @Nullable Heads heads, ParameterSpec spec, String prefix) {
        int count = delta.valueHeads();
        Heads ones = heads == null ? null : new Heads(heads.outer(), heads.inner(), 1);
        return switch (spec.name().substring(spec.name().lastIndexOf("delta"))) {
            case "delta_in.weight" ->
                Origin.of(List.of(
                        rows(prefix + in, spec, delta.channels(), heads),
                        rows(prefix + z, spec, delta.valueWidth(), heads)));
            case "delta_gates.weight" ->
                Origin.of(List.of(
                        rows(prefix + rates, spec, count, ones), rows(prefix + decayInputs, spec, count, ones)));
            case "delta_conv.weight" ->
                Origin.of(Origin.convolution(prefix + convolution, delta.kernel(), spec, grouped).parts().stream()
                        .map(tap -> moved(new Origin(List.of(tap)), heads))
                        .toList());
            case "delta.decay" -> rows(prefix + decays, spec, count, ones).in(form);
            case "delta.bias" -> rows(prefix + steps, spec, count, ones);
            case "delta_norm.weight" -> Origin.tensor(prefix + norm, spec);
            default -> new Origin(Origin.tensor(prefix + out, spec).parts(), Origin.Form.SAME, heads);
        };
    }

    private static Origin rows(String name, ParameterSpec spec, int rows, @Nullable Heads heads) {
        return moved(Origin.stacked(List.of(name), spec, rows), heads);
    }

    private static Origin moved(Origin origin, @Nullable Heads heads) {
        return heads == null ? origin : origin.with(heads);
    }
}
