package dev.causal4j.springai;

import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.ScoringListener;
import dev.causal4j.scoring.ScoringOptions;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.springframework.ai.document.Document;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.rag.Query;
import org.springframework.ai.rag.postretrieval.document.DocumentPostProcessor;

/**
 * Orders documents by how likely the query is after each of them: the mean log-probability of its tokens (Ponte and Croft
 * 1998, the query likelihood). Immutable and thread-safe. Owns nothing: its engine's owner closes that.
 */
public final class Causal4jDocumentRanker implements DocumentPostProcessor {
    private final Scorer scorer;
    private final int topN;

    private Causal4jDocumentRanker(Builder builder) {
        builder.engine().model().requireTokenizer();
        scorer = new Scorer(builder.engine());
        topN = builder.topN;
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Scores documents, several at once.
     *
     * @return the documents from the best, each with its score below 0; a document has the same score alone and in company
     * @throws dev.causal4j.InputException if the query is empty, or a document does not fit the context with it, naming the
     *     document as a text, from 1
     * @throws IllegalArgumentException if a document has no text
     */
    @Override
    public List<Document> process(Query query, List<Document> documents) {
        List<String> texts = documents.stream()
                .map(document -> Translation.text(document, MetadataMode.NONE))
                .toList();
        List<Score> scores =
                scorer.score(scorer.queries(texts, query.text()), ScoringOptions.DEFAULT, ScoringListener.NONE);
        return IntStream.range(0, scores.size())
                .mapToObj(i -> documents
                        .get(i)
                        .mutate()
                        .score(scores.get(i).totals().meanLogProbability())
                        .build())
                .sorted(Comparator.comparing((Document document) -> Objects.requireNonNull(document.getScore()))
                        .reversed())
                .limit(topN)
                .toList();
    }

    /** Collects the settings; not thread-safe. */
    public static final class Builder extends Settings<Builder> {
        private int topN = Integer.MAX_VALUE;

        private Builder() {}

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
