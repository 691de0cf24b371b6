/**
 * Scoring of given texts: log-probability and rank of every token, perplexity, bits per byte, and ranking of
 * continuations.
 *
 * <p>{@link dev.causal4j.scoring.Scorer} is the entry. Each text becomes one or more windows no longer than the
 * context. Windows are cut into chunks and packed into forwards of a few hundred rows without padding; the head turns
 * the rows that predict a token into a {@link dev.causal4j.scoring.Score}. Hidden vectors have the same bits in every
 * batch and chunking, so scores do too.
 *
 * <p>With n scored tokens t of log-probability ln p(t): nll = -sum ln p(t), perplexity = exp(nll / n), bits per byte =
 * nll / ln 2 / bytes of UTF-8 that the scored tokens stand for. No BOS token is added: the first token has no
 * prediction unless a prefix precedes it.
 *
 * <p>{@link dev.causal4j.scoring.LmEval} encodes texts by the rules of another program, so that figures are comparable;
 * {@link dev.causal4j.scoring.Evaluation} runs its tasks.
 */
@NullMarked
package dev.causal4j.scoring;

import org.jspecify.annotations.NullMarked;
