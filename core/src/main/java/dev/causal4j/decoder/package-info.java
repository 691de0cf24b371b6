/**
 * The backbone: hidden vectors in, hidden vectors out, {@code [rows, D] -> [rows, D]}. It knows neither the vocabulary
 * nor the head; {@link dev.causal4j.decoder.GPT2Backbone} is read from top to bottom like a recipe.
 *
 * <p>A {@link dev.causal4j.decoder.Batch} is a list of (cache, tokens) pairs, so one forward can prefill several prompts,
 * decode many sequences, or do both: linear layers see rows, attention sees sequences. Weights are immutable and shared
 * between threads; {@link dev.causal4j.decoder.KVCache} and {@link dev.causal4j.decoder.Activations} belong to one
 * caller.
 *
 * <p>Training is the same forward with {@link dev.causal4j.decoder.Activations#forTraining activations that are kept}, and
 * {@link dev.causal4j.decoder.GPT2Backbone#backward}, its mirror, by hand. {@link dev.causal4j.decoder.Dropout} is by
 * address, so that the backward asks for a mask again instead of keeping it.
 */
@NullMarked
package dev.causal4j.decoder;

import org.jspecify.annotations.NullMarked;
