/**
 * How likely a model finds texts that are given: the log-probability and rank of every token, perplexity, bits per
 * byte, and which of several continuations is the likeliest.
 *
 * <p>{@link dev.causal4j.scoring.Scorer} is the entry. Each text becomes one or more windows no longer than the
 * context; the windows of all texts are cut into chunks and packed into forwards of a few hundred rows without
 * padding, and the head turns the rows that have a token to predict into a {@link dev.causal4j.scoring.Score}. Since
 * hidden vectors have the same bits in every batch and chunking, so has a score.
 *
 * <p>With n scored tokens t of log-probability ln p(t): nll = -sum ln p(t), perplexity = exp(nll / n), bits per byte =
 * nll / ln 2 / bytes of UTF-8 that the scored tokens stand for. Nothing is put before a text: its first token has no
 * prediction unless a prefix precedes it.
 */
@NullMarked
package dev.causal4j.scoring;

import org.jspecify.annotations.NullMarked;
