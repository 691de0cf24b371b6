package dev.causal4j.model;

import dev.causal4j.backbone.GPT2Backbone;
import dev.causal4j.backbone.GPT2Block;
import dev.causal4j.backbone.LayerNorm;
import dev.causal4j.backbone.Linear;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;

/** Walks through a GPT-2 and names its parameters. */
final class GPT2Parameters {
    private final List<Parameter> parameters = new ArrayList<>();

    private GPT2Parameters() {}

    static List<Parameter> of(CausalLM model) {
        GPT2Parameters walk = new GPT2Parameters();
        CausalLMHead head = model.head();
        GPT2Backbone backbone = model.backbone();
        walk.embedding("wte.weight", head.embedding());
        walk.embedding("wpe.weight", backbone.positions());
        int layer = 0;
        for (GPT2Block block : backbone.blocks()) {
            String prefix = "h." + layer++ + ".";
            walk.norm(prefix + "ln_1", block.norm1());
            walk.linear(prefix + "attn.c_attn", block.queryKeyValue());
            walk.linear(prefix + "attn.c_proj", block.attentionOut());
            walk.norm(prefix + "ln_2", block.norm2());
            walk.linear(prefix + "mlp.c_fc", block.up());
            walk.linear(prefix + "mlp.c_proj", block.down());
        }
        walk.norm("ln_f", backbone.lastNorm());
        if (!head.tied()) {
            walk.embedding("lm_head.weight", head.projection());
        }
        return List.copyOf(walk.parameters);
    }

    private void embedding(String name, Matrix matrix) {
        parameters.add(new Parameter.OfMatrix(name, Parameter.Kind.EMBEDDING, matrix, false));
    }

    private void linear(String name, Linear linear) {
        parameters.add(new Parameter.OfMatrix(name + ".weight", Parameter.Kind.MATRIX, linear.weight(), true));
        parameters.add(new Parameter.OfVector(name + ".bias", Parameter.Kind.BIAS, linear.bias()));
    }

    private void norm(String name, LayerNorm norm) {
        parameters.add(new Parameter.OfVector(name + ".weight", Parameter.Kind.GAIN, norm.gain()));
        parameters.add(new Parameter.OfVector(name + ".bias", Parameter.Kind.BIAS, norm.bias()));
    }
}
