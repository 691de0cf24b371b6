/**
 * The head: {@link dev.causal4j.head.CausalLMHead} turns tokens into vectors and hidden vectors into next-token
 * predictions, with one matrix when both are tied.
 *
 * <p>Position i of the logits predicts token i + 1. Tying is identity, not a flag: the head is tied when its embedding
 * and its projection are the same object (Press and Wolf 2017, "Using the output embedding to improve language
 * models").
 *
 * <p>Scores, losses and gradients are computed from tiles or chunks of logits, never from those of all rows;
 * docs/guides/head.md has formulas, costs and guarantees.
 */
@NullMarked
package dev.causal4j.head;

import org.jspecify.annotations.NullMarked;
