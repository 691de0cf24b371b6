package dev.causal4j.decoder;

import static dev.causal4j.decoder.ParameterSpec.NO_EXPERT;
import static dev.causal4j.decoder.ParameterSpec.NO_LAYER;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.Values;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig.PerLayerConfig;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.kernel.NormRule;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The only walk over a decoder's layers, in the order of the forward. For each layer it lists the parameters and keeps
 * a function that makes the layer from them, so no other class knows to which layer a parameter belongs. Not
 * thread-safe.
 */
final class Layout {
    private static final double DEVIATION = 0.02;

    final List<ParameterSpec> specs = new ArrayList<>();
    final @Nullable ParameterSpec positions;
    final @Nullable Function<Parameters, PerLayerInputs> perLayer;
    final List<Function<Parameters, Block>> blocks = new ArrayList<>();
    final Function<Parameters, Norm> lastNorm;
    private final DecoderConfig config;
    private final int hiddenSize;
    private final double residualDeviation;
    private final Map<RopeConfig, Rope> ropes = new HashMap<>();
    private int layer = NO_LAYER; // the layer at which the walk is
    private int expert = NO_EXPERT;

    Layout(DecoderConfig config) {
        this.config = config;
        this.hiddenSize = config.hiddenSize();
        this.residualDeviation = DEVIATION / Math.sqrt(2.0 * config.blocks().size());
        this.positions = config.learnedPositions()
                ? add("positions.weight", Role.POSITIONS, config.contextLength(), hiddenSize)
                : null;
        this.perLayer = config.perLayer() == null ? null : perLayerInputs(config.perLayer());
        for (layer = 0; layer < config.blocks().size(); layer++) {
            blocks.add(block(layer, config.blocks().get(layer)));
        }
        layer = NO_LAYER;
        this.lastNorm = norm("norm", hiddenSize, config.lastNorm());
    }

    private Function<Parameters, PerLayerInputs> perLayerInputs(PerLayerConfig perLayer) {
        int stride = config.blocks().size() * perLayer.width();
        ParameterSpec table = add("per_layer_embedding.weight", Role.TABLE, perLayer.rows(), stride);
        var projection = linear("per_layer_inputs", Role.PER_LAYER, stride, hiddenSize, false);
        var norm = norm("per_layer_norm", perLayer.width(), config.lastNorm());
        return from -> {
            Matrix.Source stored = from.stored(table);
            Matrix matrix = stored == null ? from.matrix(table) : null;
            Matrix.Source rows = matrix == null ? Objects.requireNonNull(stored) : (n, row) -> matrix.row(n, row, 0);
            return new PerLayerInputs(rows, matrix, projection.apply(from), norm.apply(from));
        };
    }

    private Function<Parameters, ? extends @Nullable PerLayer> perLayer(int number, BlockConfig block) {
        if (config.perLayer() == null) {
            return _ -> null;
        }
        int p = config.perLayer().width();
        var gate = linear("per_layer_gate", Role.PER_LAYER, p, hiddenSize, false);
        var projection = linear("per_layer_projection", Role.PER_LAYER, hiddenSize, p, false);
        var norm = norm("per_layer_out_norm", hiddenSize, block.norm());
        int stride = config.blocks().size() * p;
        var activation = block.feedForward().each().activation();
        return from ->
                new PerLayer(number, stride, activation, gate.apply(from), projection.apply(from), norm.apply(from));
    }

    private Function<Parameters, Block> block(int number, BlockConfig block) {
        NormConfig norm = block.norm();
        boolean before = block.norms() != NormPlaces.AFTER;
        boolean after = block.norms() != NormPlaces.BEFORE;
        var mixerNorm = norm(before, "attention_norm", hiddenSize, norm);
        var mixer = mixer(number, block.mixer(), norm);
        var mixerOutNorm = norm(after, "attention_out_norm", hiddenSize, norm);
        var feedForwardNorm = norm(before, "feed_forward_norm", hiddenSize, norm);
        var feedForward = feedForward(block.feedForward(), norm);
        var feedForwardOutNorm = norm(after, "feed_forward_out_norm", hiddenSize, norm);
        var perLayer = perLayer(number, block);
        ParameterSpec scale = config.scaledLayers() ? add("layer_scale.weight", Role.BUFFER, 1, 1) : null;
        return from -> new Block(
                hiddenSize,
                number,
                new Block.Norms(mixerNorm.apply(from), mixerOutNorm.apply(from)),
                mixer.apply(from),
                new Block.Norms(feedForwardNorm.apply(from), feedForwardOutNorm.apply(from)),
                feedForward.apply(from),
                block.residual(),
                block.residualScale(),
                perLayer.apply(from),
                scale == null ? 1 : from.vector(scale)[0]);
    }

    private Function<Parameters, ? extends Mixer> mixer(int number, MixerConfig mixer, NormConfig norm) {
        return switch (mixer) {
            case AttentionConfig attention -> attention(number, attention, norm);
            case MixerConfig.ShortConv conv -> shortConvolution(number, conv);
            case MixerConfig.GatedDelta delta -> gatedDelta(number, delta, norm);
            case MixerConfig.StateSpace space -> stateSpace(number, space, norm);
        };
    }

    private Function<Parameters, ShortConvolution> shortConvolution(int number, MixerConfig.ShortConv conv) {
        int width = conv.channels();
        var in = linear("conv_in", Role.MIXER_IN, 3 * width, hiddenSize, conv.bias());
        var convolution = convolution("conv", width, conv.kernel(), conv.bias());
        var out = linear("conv_out", Role.MIXER_OUT, hiddenSize, width, conv.bias());
        return from -> new ShortConvolution(number, in.apply(from), convolution.apply(from), out.apply(from));
    }

    private Function<Parameters, GatedDeltaNet> gatedDelta(int number, MixerConfig.GatedDelta delta, NormConfig norm) {
        int values = delta.valueWidth();
        var in = linear("delta_in", Role.MIXER_IN, delta.channels() + values, hiddenSize, false);
        var gates = linear("delta_gates", Role.MIXER_IN, 2 * delta.valueHeads(), hiddenSize, false);
        var conv = convolution("delta_conv", delta.channels(), delta.kernel(), false);
        ParameterSpec decays = add("delta_decay.weight", Role.DECAY, delta.valueHeads(), 1);
        ParameterSpec steps = add("delta_step.bias", Role.BIAS, delta.valueHeads(), 1);
        var deltaNorm = norm("delta_norm", delta.valueSize(), norm);
        var out = linear("delta_out", Role.MIXER_OUT, hiddenSize, values, false);
        double root = Math.sqrt(delta.keySize());
        return from -> new GatedDeltaNet(
                number,
                delta,
                delta.recurrence(),
                in.apply(from),
                gates.apply(from),
                conv.apply(from),
                from.vector(decays),
                from.vector(steps),
                unit(delta.keySize(), 1 / root),
                unit(delta.keySize(), 1),
                deltaNorm.apply(from),
                out.apply(from));
    }

    private Function<Parameters, Mamba2> stateSpace(int number, MixerConfig.StateSpace space, NormConfig norm) {
        RecurrentHeads heads = space.recurrence();
        int width = space.width() + heads.width() + space.heads();
        var in = linear("mamba_in", Role.MIXER_IN, width, hiddenSize, space.bias());
        var conv = convolution("mamba_conv", heads.width(), space.kernel(), space.kernelBias());
        ParameterSpec decays = add("mamba_decay.weight", Role.DECAY, space.heads(), 1);
        ParameterSpec steps = add("mamba_step.bias", Role.BIAS, space.heads(), 1);
        ParameterSpec skips = add("mamba_skip.weight", Role.GAIN, space.heads(), 1);
        var mambaNorm = norm("mamba_norm", space.width(), norm);
        var out = linear("mamba_out", Role.MIXER_OUT, hiddenSize, space.width(), space.bias());
        return from -> new Mamba2(
                number,
                space,
                heads,
                in.apply(from),
                conv.apply(from),
                from.vector(decays),
                from.vector(steps),
                from.vector(skips),
                mambaNorm.apply(from),
                out.apply(from));
    }

    /** A norm without parameters that gives a vector this length: x · length / sqrt(sum of x² + 1e-6). */
    private static Norm unit(int size, double length) {
        float[] gain = new float[size];
        Arrays.fill(gain, (float) (length / Math.sqrt(size)));
        return new Norm(new NormRule(gain, new float[size], 1e-6f / size, false));
    }

    private Function<Parameters, CausalConv> convolution(String module, int channels, int kernel, boolean biased) {
        ParameterSpec weight = add(module + ".weight", Role.CONVOLUTION, Math.multiplyExact(kernel, channels), 1);
        ParameterSpec bias = biased ? add(module + ".bias", Role.BIAS, channels, 1) : null;
        return from -> new CausalConv(from.vector(weight), bias == null ? null : from.vector(bias), kernel);
    }

    private Function<Parameters, Attention> attention(int number, AttentionConfig a, NormConfig norm) {
        int keys = a.kvHeads() * a.headSize();
        int queries = a.heads() * a.headSize();
        int projected = a.projected().stream().mapToInt(Integer::intValue).sum();
        boolean own = a.keysOf() == AttentionConfig.OWN;
        boolean norms = a.queryKeyNorm() != QueryKeyNorm.NONE;
        boolean all = a.queryKeyNorm() == QueryKeyNorm.ALL;
        var qkv = linear("qkv", Role.QUERY_KEY_VALUE, projected, hiddenSize, a.qkvBias());
        var queryNorm = norm(norms, "query_norm", all ? queries : a.headSize(), norm);
        var keyNorm = norm(norms && own, "key_norm", all ? keys : a.headSize(), norm);
        ParameterSpec sinks = a.sinks() ? add("sinks.weight", Role.SINK, a.heads(), 1) : null;
        var out = linear("attention_out", Role.ATTENTION_OUT, hiddenSize, queries, a.outBias());
        RopeConfig rope = a.rope();
        return from -> new Attention(
                number,
                a,
                qkv.apply(from),
                out.apply(from),
                new Attention.Extras(
                        rope == null ? null : ropes.computeIfAbsent(rope, r -> new Rope(r, config.contextLength())),
                        queryNorm.apply(from),
                        keyNorm.apply(from),
                        own && a.values() != Values.PROJECTED ? plain(a.headSize(), norm) : null,
                        sinks == null ? null : from.vector(sinks)));
    }

    private Function<Parameters, ? extends FeedForward> feedForward(FeedForwardConfig feedForward, NormConfig norm) {
        return switch (feedForward) {
            case FeedForwardConfig.Dense dense -> dense("", dense);
            case FeedForwardConfig.Experts all -> experts(all, null);
            case FeedForwardConfig.Beside both -> {
                var dense = dense("", both.each());
                var denseOut = norm("dense_out_norm", hiddenSize, norm);
                var routerIn = norm("router_norm", hiddenSize, norm);
                ParameterSpec scales =
                        add("expert_scales.weight", Role.GAIN, both.routed().count(), 1);
                var expertsIn = norm("experts_norm", hiddenSize, norm);
                var experts = experts(both.routed(), scales);
                var expertsOut = norm("experts_out_norm", hiddenSize, norm);
                yield from -> new ExpertsBeside(
                        experts.apply(from),
                        dense.apply(from),
                        null,
                        new ExpertsBeside.Norms(
                                routerIn.apply(from),
                                expertsIn.apply(from),
                                expertsOut.apply(from),
                                denseOut.apply(from)));
            }
            case FeedForwardConfig.Shared both -> {
                var experts = experts(both.routed(), null);
                var shared = dense("shared_", both.shared());
                var gate = both.gated() ? linear("shared_router", Role.ROUTER, 1, hiddenSize, false) : null;
                yield from -> new ExpertsBeside(
                        experts.apply(from), shared.apply(from), gate == null ? null : gate.apply(from), null);
            }
        };
    }

    private Function<Parameters, Experts> experts(FeedForwardConfig.Experts all, @Nullable ParameterSpec scales) {
        var router = linear("router", Role.ROUTER, all.count(), hiddenSize, all.routerBias());
        List<Function<Parameters, DenseLayer>> experts = new ArrayList<>();
        for (expert = 0; expert < all.count(); expert++) {
            experts.add(dense("", all.each()));
        }
        expert = NO_EXPERT;
        ParameterSpec choice = all.routing().choiceBias() ? add("choice.bias", Role.BUFFER, all.count(), 1) : null;
        return from -> new Experts(
                router.apply(from),
                choice == null ? null : from.vector(choice),
                experts.stream().map(each -> each.apply(from)).toList(),
                all.chosen(),
                all.routing(),
                scales == null ? null : from.vector(scales));
    }

    private Function<Parameters, DenseLayer> dense(String prefix, FeedForwardConfig.Dense dense) {
        int width = dense.gated() ? 2 * dense.innerSize() : dense.innerSize();
        var up = linear(prefix + "up", Role.UP, width, hiddenSize, dense.bias());
        var down = linear(prefix + "down", Role.DOWN, hiddenSize, dense.innerSize(), dense.bias());
        return from -> new DenseLayer(dense.activation(), dense.gated(), up.apply(from), down.apply(from));
    }

    private Function<Parameters, Linear> linear(String module, Role role, int rows, int cols, boolean biased) {
        ParameterSpec weight = add(module + ".weight", role, rows, cols);
        ParameterSpec bias = biased ? add(module + ".bias", Role.BIAS, rows, 1) : null;
        return from -> new Linear(from.matrix(weight), bias == null ? null : from.vector(bias), from.adapter(weight));
    }

    private Function<Parameters, ? extends @Nullable Norm> norm(
            boolean there, String module, int size, NormConfig norm) {
        return there ? norm(module, size, norm) : _ -> null;
    }

    private Function<Parameters, Norm> norm(String module, int size, NormConfig norm) {
        ParameterSpec gain = add(module + ".weight", Role.GAIN, size, 1);
        ParameterSpec bias = norm.bias() ? add(module + ".bias", Role.BIAS, size, 1) : null;
        boolean centered = norm.kind() == NormConfig.Kind.LAYER;
        return from -> new Norm(new NormRule(
                from.vector(gain), bias == null ? new float[size] : from.vector(bias), norm.epsilon(), centered));
    }

    /** A norm without parameters. */
    private static Norm plain(int size, NormConfig norm) {
        float[] ones = new float[size];
        Arrays.fill(ones, 1);
        return new Norm(new NormRule(ones, new float[size], norm.epsilon(), norm.kind() == NormConfig.Kind.LAYER));
    }

    private ParameterSpec add(String name, Role role, int rows, int cols) {
        boolean residual = role == Role.ATTENTION_OUT || role == Role.MIXER_OUT || role == Role.DOWN;
        boolean constant = role.isVector() && role != Role.CONVOLUTION;
        double deviation = constant ? 0 : residual ? residualDeviation : DEVIATION;
        String block = layer == NO_LAYER ? "" : "layers." + layer + ".";
        String inside = expert == NO_EXPERT ? "" : "experts." + expert + ".";
        specs.add(new ParameterSpec(block + inside + name, role, layer, expert, rows, cols, deviation));
        return specs.getLast();
    }
}
