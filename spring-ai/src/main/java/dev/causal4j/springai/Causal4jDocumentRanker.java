package dev.causal4j.springai;

import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.document.Document;
import org.springframework.ai.rag.Query;
import org.springframework.ai.rag.postretrieval.document.DocumentPostProcessor;

/**
 * Orders documents by how likely the query is after each of them: the mean log-probability of its tokens (Ponte and Croft
 * 1998, the query likelihood). Immutable and thread-safe. Owns nothing: its engine's owner closes that.
 */
public final class Causal4jDocumentRanker implements DocumentPostProcessor {
    private final Engine engine;
    private final int topN;

    private Causal4jDocumentRanker(Builder builder) {
        if (builder.engine == null) {
            throw new IllegalArgumentException("engine: expected one, got none; call engine(...) or model(...)");
        }
        engine = builder.engine;
        engine.model().requireTokenizer();
        topN = builder.topN;
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public List<Document> process(Query query, List<Document> documents) {
        throw new UnsupportedOperationException("top " + topN + engine.running());
    }

    /** Collects the settings; not thread-safe. */
    public static final class Builder {
        private @Nullable Engine engine;
        private int topN = Integer.MAX_VALUE;

        private Builder() {}

        /** The engine that computes. Its owner closes it after the last call. */
        public Builder engine(@Nullable Engine engine) {
            this.engine = engine;
            return this;
        }

        /** The model, computed by the engine that all its callers share. Its owner closes it after the last call. */
        public Builder model(@Nullable CausalLM model) {
            return engine(model == null ? null : Engine.shared(model));
        }

        /**
         * How many documents are kept, from the best; all without it.
         *
         * @throws IllegalArgumentException if it is not above 0
         */
        public Builder topN(int topN) {
            if (topN <= 0) {
                throw new IllegalArgumentException("topN: expected a whole number > 0, got " + topN);
            }
            this.topN = topN;
            return this;
        }

        /**
         * The ranker.
         *
         * @throws IllegalArgumentException if there is no engine
         * @throws IllegalStateException if its model has no tokenizer
         */
        public Causal4jDocumentRanker build() {
            return new Causal4jDocumentRanker(this);
        }
    }
}
