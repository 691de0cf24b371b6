/**
 * From prompts to texts: {@link dev.causal4j.generation.Generator} with
 * {@link dev.causal4j.generation.GenerationOptions}.
 *
 * <p>A token is chosen from a row of logits in the order of Hugging Face transformers:
 * <ol>
 *   <li>for greedy and sampled choice alike: the mask of a constraint, logit bias, repetition penalty, no-repeat
 *       n-gram, minimum of new tokens, frequency and presence penalty, then the rules of users ({@link
 *       dev.causal4j.generation.LogitRule});
 *   <li>greedy ({@code temperature 0}) takes the largest logit, ties going to the lowest id;
 *   <li>otherwise temperature, top-k, top-p, min-p and typical-p filter the tokens that are not banned; each reads the
 *       softmax of the tokens that the previous one left;
 *   <li>the draw from the softmax of the remaining tokens is the largest sum of logit and Gumbel noise, a number that
 *       depends on (seed, position, token) alone.
 * </ol>
 *
 * <p>An {@link dev.causal4j.generation.Engine} keeps pages of prompts for others that begin alike, and a {@link
 * dev.causal4j.generation.PrefixStore} keeps them on disk.
 *
 * <p>The arithmetic is strict, so a seed gives the same text on every machine.
 */
@NullMarked
package dev.causal4j.generation;

import org.jspecify.annotations.NullMarked;
