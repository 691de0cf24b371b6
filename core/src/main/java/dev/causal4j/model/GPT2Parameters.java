package dev.causal4j.model;

import dev.causal4j.decoder.GPT2Backbone;
import dev.causal4j.decoder.GPT2Block;
import dev.causal4j.decoder.LayerNorm;
import dev.causal4j.decoder.Linear;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;

/** Walks through a GPT-2, names its parameters and puts others in their place. */
final class GPT2Parameters {
    private final UnaryOperator<Parameter> replacement;
    private final BiFunction<String, Linear, Linear> layers;

    /**
     * @param replacement of parameters
     * @param layers called with the name of a linear layer first; what it gives has the parameters that are replaced
     */
    GPT2Parameters(UnaryOperator<Parameter> replacement, BiFunction<String, Linear, Linear> layers) {
        this.replacement = replacement;
        this.layers = layers;
    }

    static List<Parameter> of(CausalLM model) {
        List<Parameter> parameters = new ArrayList<>();
        new GPT2Parameters(
                        parameter -> {
                            parameters.add(parameter);
                            return parameter;
                        },
                        (name, layer) -> layer)
                .model(model);
        return List.copyOf(parameters);
    }

    CausalLM model(CausalLM model) {
        CausalLMHead head = model.head();
        GPT2Backbone backbone = model.backbone();
        Matrix embedding = matrix("wte.weight", Parameter.Kind.EMBEDDING, head.embedding(), false);
        Matrix positions = matrix("wpe.weight", Parameter.Kind.EMBEDDING, backbone.positions(), false);
        List<GPT2Block> blocks = new ArrayList<>();
        for (GPT2Block block : backbone.blocks()) {
            blocks.add(block("h." + blocks.size() + ".", block));
        }
        LayerNorm lastNorm = norm("ln_f", backbone.lastNorm());
        Matrix projection =
                head.tied() ? embedding : matrix("lm_head.weight", Parameter.Kind.EMBEDDING, head.projection(), false);
        return new CausalLM(
                new GPT2Backbone(backbone.shape(), positions, blocks, lastNorm),
                head.withMatrices(embedding, projection),
                model.tokenizer(),
                model.bos(),
                model.eos());
    }

    private GPT2Block block(String prefix, GPT2Block block) {
        return new GPT2Block(
                norm(prefix + "ln_1", block.norm1()),
                linear(prefix + "attn.c_attn", block.queryKeyValue()),
                linear(prefix + "attn.c_proj", block.attentionOut()),
                norm(prefix + "ln_2", block.norm2()),
                linear(prefix + "mlp.c_fc", block.up()),
                linear(prefix + "mlp.c_proj", block.down()));
    }

    private Linear linear(String name, Linear given) {
        Linear linear = layers.apply(name, given);
        LowRank adapter = linear.adapter();
        return new Linear(
                matrix(name + ".weight", Parameter.Kind.MATRIX, linear.weight(), true),
                vector(name + ".bias", Parameter.Kind.BIAS, linear.bias()),
                adapter == null ? null : adapter(name, adapter));
    }

    /** The names of PEFT, Hugging Face's library for adapters. */
    private LowRank adapter(String name, LowRank adapter) {
        return new LowRank(
                matrix(name + ".lora_A.weight", Parameter.Kind.ADAPTER, adapter.down(), false),
                matrix(name + ".lora_B.weight", Parameter.Kind.ADAPTER, adapter.up(), false),
                adapter.scale());
    }

    private LayerNorm norm(String name, LayerNorm norm) {
        return new LayerNorm(
                vector(name + ".weight", Parameter.Kind.GAIN, norm.gain()),
                vector(name + ".bias", Parameter.Kind.BIAS, norm.bias()));
    }

    private Matrix matrix(String name, Parameter.Kind kind, Matrix matrix, boolean transposed) {
        Parameter replaced = replacement.apply(new Parameter.OfMatrix(name, kind, matrix, transposed));
        if (replaced instanceof Parameter.OfMatrix other) {
            return other.matrix();
        }
        throw new IllegalArgumentException(name + ": expected a matrix, got a vector");
    }

    private float[] vector(String name, Parameter.Kind kind, float[] numbers) {
        Parameter replaced = replacement.apply(new Parameter.OfVector(name, kind, numbers));
        if (replaced instanceof Parameter.OfVector other) {
            return other.numbers();
        }
        throw new IllegalArgumentException(name + ": expected a vector, got a matrix");
    }
}
