package dev.causal4j.model;

import dev.causal4j.decoder.Decoder;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.decoder.Role;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Names a GPT-2's parameters and puts others in their place. */
final class GPT2Parameters {
    private static final Map<String, String> LAYERS = Map.of(
            "attention_norm", "ln_1",
            "qkv", "attn.c_attn",
            "attention_out", "attn.c_proj",
            "feed_forward_norm", "ln_2",
            "up", "mlp.c_fc",
            "down", "mlp.c_proj",
            "positions", "wpe",
            "norm", "ln_f");

    private final UnaryOperator<Parameter> replacement;

    GPT2Parameters(UnaryOperator<Parameter> replacement) {
        this.replacement = replacement;
    }

    /** The name a Hugging Face checkpoint has for a parameter, without prefix and {@code .weight} or {@code .bias}. */
    static String layerName(ParameterSpec spec) {
        String[] parts = spec.name().split("\\.", -1);
        String name = Objects.requireNonNull(LAYERS.get(parts[parts.length - 2]));
        return spec.layer() == ParameterSpec.NO_LAYER ? name : "h." + spec.layer() + "." + name;
    }

    private static String name(ParameterSpec spec) {
        return layerName(spec) + (spec.name().endsWith(".bias") ? ".bias" : ".weight");
    }

    static List<Parameter> of(CausalLM model) {
        List<Parameter> parameters = new ArrayList<>();
        new GPT2Parameters(parameter -> {
                    parameters.add(parameter);
                    return parameter;
                })
                .model(model);
        return List.copyOf(parameters);
    }

    CausalLM model(CausalLM model) {
        CausalLMHead head = model.head();
        Matrix embedding = matrix("wte.weight", Parameter.Kind.EMBEDDING, head.embedding(), false);
        Decoder decoder = Decoder.of(model.decoder().config(), replaced(model.decoder()));
        Matrix projection =
                head.tied() ? embedding : matrix("lm_head.weight", Parameter.Kind.EMBEDDING, head.projection(), false);
        return new CausalLM(
                decoder, head.withMatrices(embedding, projection), model.tokenizer(), model.bos(), model.eos());
    }

    private Parameters replaced(Decoder decoder) {
        return new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                boolean linear = spec.role().isLinear();
                Parameter.Kind kind = linear ? Parameter.Kind.MATRIX : Parameter.Kind.EMBEDDING;
                return GPT2Parameters.this.matrix(name(spec), kind, decoder.matrix(spec), linear);
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                Parameter.Kind kind = spec.role() == Role.GAIN ? Parameter.Kind.GAIN : Parameter.Kind.BIAS;
                return GPT2Parameters.this.vector(name(spec), kind, decoder.vector(spec));
            }

            @Override
            public @Nullable LowRank adapter(ParameterSpec weight) {
                LowRank adapter = decoder.adapter(weight);
                return adapter == null ? null : replaced(layerName(weight), adapter);
            }
        };
    }

    /** The names of PEFT, Hugging Face's library for adapters. */
    private LowRank replaced(String name, LowRank adapter) {
        return new LowRank(
                matrix(name + ".lora_A.weight", Parameter.Kind.ADAPTER, adapter.down(), false),
                matrix(name + ".lora_B.weight", Parameter.Kind.ADAPTER, adapter.up(), false),
                adapter.scale());
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

    /** A decoder's parameters with other adapters. */
    static Parameters adapted(Decoder decoder, Function<ParameterSpec, @Nullable LowRank> adapters) {
        return new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                return decoder.matrix(spec);
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                return decoder.vector(spec);
            }

            @Override
            public @Nullable LowRank adapter(ParameterSpec weight) {
                return adapters.apply(weight);
            }
        };
    }

    /** A decoder's parameters, adapters added to their weights. */
    static Parameters merged(Decoder decoder) {
        return new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                LowRank adapter = decoder.adapter(spec);
                return adapter == null ? decoder.matrix(spec) : adapter.merged(decoder.matrix(spec));
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                return decoder.vector(spec);
            }
        };
    }
}
