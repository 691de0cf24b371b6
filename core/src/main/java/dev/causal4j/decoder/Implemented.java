package dev.causal4j.decoder;

import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.NormConfig;

/** The configuration values that the layers implement: those of GPT-2. */
final class Implemented {
    private final String subject;

    private Implemented(String subject) {
        this.subject = subject;
    }

    static void check(String subject, DecoderConfig config) throws UnsupportedModelException {
        new Implemented(subject).check(config);
    }

    private void check(DecoderConfig config) throws UnsupportedModelException {
        is("embedding scale", 1f, config.embeddingScale());
        is("learned positions", true, config.learnedPositions());
        check("last norm", config.lastNorm());
        for (int layer = 0; layer < config.blocks().size(); layer++) {
            check("layer " + layer + ", ", config.blocks().get(layer));
        }
    }

    private void check(String at, BlockConfig block) throws UnsupportedModelException {
        check(at + "norm", block.norm());
        is(at + "norms", BlockConfig.NormPlaces.BEFORE, block.norms());
        is(at + "residual", BlockConfig.Residual.SEQUENTIAL, block.residual());
        is(at + "residual scale", 1f, block.residualScale());
        AttentionConfig attention = block.attention();
        is(at + "key heads", attention.heads(), attention.kvHeads());
        is(at + "soft cap", 0f, attention.softCap());
        is(at + "window", 0, attention.window());
        is(at + "rotary positions", false, attention.rope() != null);
        is(at + "query and key norm", AttentionConfig.QueryKeyNorm.NONE, attention.queryKeyNorm());
        is(at + "query, key and value bias", true, attention.qkvBias());
        is(at + "attention output bias", true, attention.outBias());
        is(at + "sinks", false, attention.sinks());
        switch (block.feedForward()) {
            case FeedForwardConfig.Dense dense -> {
                is(at + "activation", FeedForwardConfig.Activation.GELU_TANH, dense.activation());
                is(at + "gate", false, dense.gated());
                is(at + "feed-forward bias", true, dense.bias());
            }
            case FeedForwardConfig.Experts experts -> is(at + "experts", 0, experts.count());
        }
    }

    private void check(String at, NormConfig norm) throws UnsupportedModelException {
        is(at, NormConfig.Kind.LAYER, norm.kind());
        is(at + " bias", true, norm.bias());
    }

    private void is(String knob, Object implemented, Object asked) throws UnsupportedModelException {
        if (!implemented.equals(asked)) {
            throw new UnsupportedModelException(
                    subject + ", " + knob,
                    implemented.toString(),
                    asked.toString(),
                    "this version cannot compute that");
        }
    }
}
