package dev.causal4j.decoder;

import dev.causal4j.kernel.DeltaRule;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One block: a mixer, which reads other positions, and a feed-forward layer. Both have norms and are added to the
 * residual stream.
 *
 * @param norms the places of the norms; all norms are of one kind
 * @param residualScale factor of both outputs before they are added
 */
public record BlockConfig(
        MixerConfig mixer,
        FeedForwardConfig feedForward,
        NormConfig norm,
        NormPlaces norms,
        Residual residual,
        float residualScale) {
    /** This block with another mixer. */
    public BlockConfig with(MixerConfig other) {
        return new BlockConfig(other, feedForward, norm, norms, residual, residualScale);
    }

    /** Places of a block's norms. */
    public enum NormPlaces {
        /** Inputs of mixer and feed-forward layer (GPT-2, Llama). */
        BEFORE,
        /** Outputs (OLMo 2). */
        AFTER,
        /** Both (Gemma 2 and 3). */
        BEFORE_AND_AFTER
    }

    /** Input of the feed-forward layer. */
    public enum Residual {
        /** The stream with the mixer's output. */
        SEQUENTIAL,
        /** The stream that the mixer read (GPT-NeoX). */
        PARALLEL
    }

    /**
     * A norm over a row.
     *
     * @param epsilon added to the mean square, inside the root
     * @param bias whether the norm has a bias
     */
    public record NormConfig(Kind kind, float epsilon, boolean bias) {
        /** The kind of norm. */
        public enum Kind {
            /** (x - mean) / sqrt(variance + epsilon), Ba et al. 2016. */
            LAYER,
            /** x / sqrt(mean of squares + epsilon), Zhang and Sennrich 2019. */
            RMS
        }
    }

    /** The layer that reads other positions. */
    public sealed interface MixerConfig {
        /** Floats of its state, whatever the length of the sequence; 0 if it keeps keys and values. */
        default int stateSize() {
            return 0;
        }

        /** How many inputs an output of its convolution over positions has; 0 without a convolution. */
        default int kernel() {
            return 0;
        }

        /**
         * A short convolution between gates (LFM 2): with (B, C, u) = in(x), out(C ∘ conv(B ∘ u)). Its state is the
         * last inputs of the convolution.
         *
         * @param channels D
         * @param kernel how many inputs an output has; the last is its own position's
         * @param bias whether its linear layers and the convolution have biases
         */
        record ShortConv(int channels, int kernel, boolean bias) implements MixerConfig {
            @Override
            public int stateSize() {
                return Math.multiplyExact(kernel - 1, channels);
            }
        }

        /**
         * A gated delta net (Yang et al. 2024; Qwen 3.5): a convolution over queries, keys and values, then the rule of
         * {@link DeltaRule} for each value head.
         *
         * @param keyHeads each is read by valueHeads / keyHeads value heads
         * @param keySize numbers of a query and a key
         * @param valueSize numbers of a value
         * @param kernel inputs of an output of the convolution
         * @param interleaved whether the value heads that read a key head are keyHeads apart, as in GGUF files, not
         *     side by side
         */
        record GatedDelta(int keyHeads, int valueHeads, int keySize, int valueSize, int kernel, boolean interleaved)
                implements MixerConfig {
            /** This delta net with the value heads of a key head apart. */
            public GatedDelta asInterleaved() {
                boolean differs = keyHeads > 1 && keyHeads < valueHeads;
                return new GatedDelta(keyHeads, valueHeads, keySize, valueSize, kernel, differs);
            }

            /** Numbers that the convolution reads of a position: queries, keys and values of all heads. */
            public int channels() {
                return 2 * keyHeads * keySize + valueWidth();
            }

            /** Numbers of all value heads. */
            public int valueWidth() {
                return valueHeads * valueSize;
            }

            /** Queries, keys and values, one after another. */
            RecurrentHeads recurrence() {
                int keys = keyHeads * keySize;
                return new RecurrentHeads(
                        true,
                        keyHeads,
                        valueHeads,
                        keySize,
                        valueSize,
                        interleaved,
                        channels(),
                        0,
                        keys,
                        2 * keys,
                        kernel);
            }

            @Override
            public int stateSize() {
                return recurrence().stateSize();
            }
        }

        /**
         * A state space layer, Mamba 2 (Dao and Gu 2024): a convolution over inputs x, B and C, then S [depth,
         * headSize] of each head moves by S = exp(A dt) S + B (dt x)ᵀ and gives Sᵀ C + D x.
         *
         * @param headSize numbers of x
         * @param groups groups of heads; the heads of a group share B and C
         * @param depth numbers of B and C
         * @param kernel inputs of an output of the convolution
         * @param kernelBias whether the convolution has a bias
         * @param bias whether the linear layers have biases
         * @param shortest the lower limit of dt
         * @param longest the upper limit of dt
         */
        record StateSpace(
                int heads,
                int headSize,
                int groups,
                int depth,
                int kernel,
                boolean kernelBias,
                boolean bias,
                float shortest,
                float longest)
                implements MixerConfig {
            /** Numbers of x, of all heads. */
            public int width() {
                return heads * headSize;
            }

            /** x, B and C, one after another. */
            RecurrentHeads recurrence() {
                int all = groups * depth;
                int channels = width() + 2 * all;
                return new RecurrentHeads(
                        false, groups, heads, depth, headSize, false, channels, width() + all, width(), 0, kernel);
            }

            @Override
            public int stateSize() {
                return recurrence().stateSize();
            }
        }
    }

    /**
     * Self-attention.
     *
     * @param heads H
     * @param kvHeads G; H / G consecutive query heads share a key head
     * @param headSize n
     * @param scale factor of q · k
     * @param softCap c of c · tanh(score / c), before the mask; 0 for none
     * @param window positions a token sees, itself included; 0 for all
     * @param bidirectional whether a token also sees those after it: all, or those at most half a window away on either
     *     side
     * @param rope rotation of queries and keys; null for none
     * @param sinks whether each head has a learned logit that joins the softmax with value zero
     * @param gated whether each head's output is multiplied by the sigmoid of a gate, projected together with its query
     * @param keysOf the lower layer whose keys and values this one reads; {@link #OWN} for its own
     */
    public record AttentionConfig(
            int heads,
            int kvHeads,
            int headSize,
            float scale,
            float softCap,
            int window,
            boolean bidirectional,
            @Nullable RopeConfig rope,
            QueryKeyNorm queryKeyNorm,
            boolean qkvBias,
            boolean outBias,
            boolean sinks,
            boolean gated,
            Values values,
            int keysOf)
            implements MixerConfig {
        /** The layer reads its own keys and values. */
        public static final int OWN = -1;

        /** The source of values. */
        public enum Values {
            /** A projection. */
            PROJECTED,
            /** A projection, each head normed without a gain (Gemma 4). */
            NORMED,
            /** The keys before their norm and rotation, normed likewise. */
            KEYS
        }

        /** The outputs of the layer's projections: of queries and their gates, then of keys, then of values. */
        public List<Integer> projected() {
            int keys = kvHeads * headSize;
            List<Integer> all = List.of((gated ? 2 : 1) * heads * headSize, keys, keys);
            return all.subList(0, keysOf != OWN ? 1 : values == Values.KEYS ? 2 : 3);
        }

        /** Whether queries and keys are normed before they are rotated. */
        public enum QueryKeyNorm {
            /** Not at all. */
            NONE,
            /** Each head separately (Qwen 3, Gemma 3). */
            HEAD,
            /** All heads together (OLMo 2). */
            ALL
        }
    }

    /**
     * Rotary positions (Su et al. 2021): coordinates j and j + width / 2, for j below half the width, are rotated by
     * position · frequencies[j].
     *
     * @param width coordinates of a head that are rotated; the others are unchanged
     * @param frequencies radians a position, width / 2 of them, after any scaling
     * @param gain factor of cosine and sine
     * @param longer frequencies of longer sequences
     * @param growth b of the factor 1 + b ln(1 + floor(position / original)) that multiplies rotated queries (Ministral
     *     3); 0 for none
     * @param original positions with the factor 1
     */
    public record RopeConfig(
            int width, List<Double> frequencies, float gain, Longer longer, float growth, int original) {
        public RopeConfig {
            frequencies = List.copyOf(frequencies);
        }

        /** Rotary positions without growth of queries. */
        public RopeConfig(int width, List<Double> frequencies, float gain, Longer longer) {
            this(width, frequencies, gain, longer, 0, 0);
        }

        /** The factor that multiplies queries at a position. */
        float queryFactor(int position) {
            return growth == 0 ? 1 : (float) (1 + growth * StrictMath.log(1 + position / original));
        }

        /** The shortest length with the frequencies of this one; 0 for {@link #frequencies}. Allocates nothing. */
        int longer(int length) {
            return switch (longer) {
                case Longer.Same _ -> 0;
                case Longer.Other other -> length > other.above ? other.above + 1 : 0;
                case Longer.Dynamic dynamic -> length > dynamic.above ? length : 0;
            };
        }

        /** The frequencies of a sequence that has room for {@code length} tokens, the same at all its positions. */
        List<Double> frequencies(int length) {
            return switch (longer) {
                case Longer.Same _ -> frequencies;
                case Longer.Other other -> length > other.above ? other.frequencies : frequencies;
                case Longer.Dynamic dynamic ->
                    length > dynamic.above ? dynamic.frequencies(width, length) : frequencies;
            };
        }

        /**
         * The formula of the frequencies, as files have it.
         *
         * @param theta the base
         * @param scaling the {@code rope_type}: default, linear, dynamic, llama3, yarn or longrope
         * @param factor the factor of the scaling; 1 for default
         * @param original positions of pretraining, before scaling; 0 if the scaling does not need them
         * @param fast turns of the first coordinate that yarn scales, within these positions; 32 for other scalings
         * @param slow turns of the last coordinate that yarn scales in part; 1 for other scalings
         */
        public record Formula(double theta, String scaling, double factor, int original, double fast, double slow) {
            /** A formula without yarn's band. */
            public Formula(double theta, String scaling, double factor, int original) {
                this(theta, scaling, factor, original, 32, 1);
            }
        }

        /** How frequencies change for sequences longer than in pretraining. */
        public sealed interface Longer {
            /** They do not change. */
            record Same() implements Longer {}

            /** Other frequencies for more than {@code above} tokens (LongRoPE, Ding et al. 2024). */
            record Other(int above, List<Double> frequencies) implements Longer {
                public Other {
                    frequencies = List.copyOf(frequencies);
                }
            }

            /** A base that grows with the length above {@code above} tokens. */
            record Dynamic(int above, double theta, double factor) implements Longer {
                private List<Double> frequencies(int width, int length) {
                    double growth = factor * length / above - (factor - 1);
                    double base = theta * StrictMath.pow(growth, width / (width - 2.0));
                    return IntStream.range(0, width / 2)
                            .mapToObj(j -> StrictMath.pow(base, -2.0 * j / width))
                            .toList();
                }
            }
        }
    }

    /** The layer after the mixer, applied to each token. */
    public sealed interface FeedForwardConfig {
        /** The dense layer, or one of several experts of the same shape. */
        Dense each();

        /** The experts that a router chooses from; empty for none. */
        default Optional<Experts> experts() {
            return switch (this) {
                case Dense _ -> Optional.empty();
                case Experts all -> Optional.of(all);
                case Shared shared -> Optional.of(shared.routed);
                case Beside beside -> Optional.of(beside.routed);
            };
        }

        /** The layer of a parameter: an expert, or the dense layer. */
        default Dense each(boolean ofExpert) {
            return ofExpert ? experts().map(Experts::each).orElseThrow() : each();
        }

        /**
         * A feed-forward layer for all tokens: down(act(up x)), or gated: down(act(gate x) · up x).
         *
         * @param bias whether its linear layers have biases
         */
        record Dense(int innerSize, ActivationFunction activation, boolean gated, boolean bias)
                implements FeedForwardConfig {
            @Override
            public Dense each() {
                return this;
            }
        }

        /**
         * Several layers; a router chooses some for each token.
         *
         * @param count experts
         * @param chosen how many experts a token has
         */
        record Experts(int count, int chosen, Dense each, Routing routing, boolean routerBias)
                implements FeedForwardConfig {}

        /**
         * Experts beside a dense layer for all tokens; their outputs are added.
         *
         * @param gated whether the dense layer's output is multiplied by a sigmoid of the token (Qwen 3.5)
         */
        record Shared(Experts routed, Dense shared, boolean gated) implements FeedForwardConfig {
            @Override
            public Dense each() {
                return routed.each;
            }
        }

        /**
         * A dense layer and experts side by side, with a norm after each (Gemma 4). Experts and router read the stream
         * through norms of their own, and each expert's output has a factor.
         */
        record Beside(Dense each, Experts routed) implements FeedForwardConfig {}

        /**
         * The weights of the chosen experts.
         *
         * @param sigmoid whether an expert's score is the sigmoid of its logit, else the softmax over all
         * @param sumsToOne whether the weights are the chosen scores divided by their sum, or for sigmoids by their sum
         *     + 1e-6
         * @param choiceBias whether a bias, which has no gradient, is added to the scores that choose the experts
         * @param factor multiplies the weights
         */
        record Routing(boolean sigmoid, boolean sumsToOne, boolean choiceBias, float factor) {
            /** The softmax over the chosen logits. */
            public static final Routing SOFTMAX_OF_CHOSEN = new Routing(false, true, false, 1);

            /** The softmax over all logits, not renormalised. */
            public static final Routing SOFTMAX_OF_ALL = new Routing(false, false, false, 1);
        }
    }
}
