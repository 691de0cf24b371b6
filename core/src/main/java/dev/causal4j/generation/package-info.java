/**
 * From logits to text: which token comes next, and when a sequence ends.
 *
 * <p>{@link dev.causal4j.generation.GenerationOptions} says what is wanted. A {@link dev.causal4j.generation.Sampler}
 * belongs to one sequence and turns one row of logits into one token. {@link dev.causal4j.generation.StopRule} ends a
 * sequence by its tokens, {@link dev.causal4j.generation.StopStrings} by its text. None of them knows a model: the
 * loop that runs one is the Generator's.
 *
 * <p>What may change a row of logits is a closed set, {@link dev.causal4j.generation.LogitRule}, and always runs in
 * the order of Hugging Face transformers, whatever order it was asked for:
 * <ol>
 *   <li>{@link dev.causal4j.generation.ContextRule}, for greedy and sampled choice alike, on the whole row: logit and
 *       sequence bias, repetition penalty, no-repeat n-gram, bad words, minimum length, minimum of new tokens, forced
 *       first and last token, replacement of non-finite values;
 *   <li>greedy ({@code temperature 0}) then takes the largest logit, of equal ones the lowest id;
 *   <li>otherwise {@link dev.causal4j.generation.SamplingRule}, on the tokens that are not banned: temperature, top-h,
 *       top-k, top-p, min-p, typical-p, epsilon and eta cutoff; each sees the softmax of what the one before left;
 *   <li>the draw from the softmax of what is left: the largest sum of logit and Gumbel noise, a number that depends on
 *       (seed, position, token) alone.
 * </ol>
 *
 * <p>All of it is strict arithmetic and our own exp, so that a seed gives the same text on every machine.
 */
@NullMarked
package dev.causal4j.generation;

import org.jspecify.annotations.NullMarked;
