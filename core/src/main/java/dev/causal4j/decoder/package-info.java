/**
 * The decoder: embedded tokens in, last hidden vectors out, {@code [N, D] -> [N, D]}. It knows neither the vocabulary
 * nor the head, neither files nor model families: a {@link dev.causal4j.decoder.DecoderConfig} gives the shape, {@link
 * dev.causal4j.decoder.Parameters} the weights.
 *
 * <p>A layer is one file, its backward below its forward. Comments number the steps of the forward; a line of the
 * backward has the number of the step that it undoes.
 *
 * <p>A {@link dev.causal4j.decoder.Batch} is a list of chunks, each the next tokens of one sequence, so one forward can
 * prefill several prompts, decode many sequences, or do both: linear layers see rows, attention sees sequences. Weights
 * are immutable and shared between threads; {@link dev.causal4j.decoder.KVCache} and {@link
 * dev.causal4j.decoder.Activations} belong to one caller. Keys and values lie in pages of a {@link
 * dev.causal4j.decoder.PagePool}; a cache is closed when its sequence ends.
 */
@NullMarked
package dev.causal4j.decoder;

import org.jspecify.annotations.NullMarked;
