package dev.causal4j.springai;

import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/** The engine of all models, for their builders. Not thread-safe. */
abstract class Settings<B extends Settings<B>> {
    private @Nullable Engine engine;

    @SuppressWarnings("unchecked") // a builder of B is a B
    private B self() {
        return (B) this;
    }

    final Engine engine() {
        if (engine == null) {
            throw new IllegalArgumentException("engine: expected one, got none; call engine(...) or model(...)");
        }
        return engine;
    }

    /** The engine that computes. Its owner closes it after the last call. */
    public B engine(@Nullable Engine engine) {
        this.engine = engine;
        return self();
    }

    /** The model, computed by the engine that all its callers share. Its owner closes it after the last call. */
    public B model(@Nullable CausalLM model) {
        return engine(model == null ? null : Engine.shared(model));
    }
}
