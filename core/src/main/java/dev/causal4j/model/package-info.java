/**
 * A model: {@link dev.causal4j.model.CausalLM} is tokenizer, head and backbone, loaded from a folder in Hugging Face
 * layout, made from parts, or created with seeded initial weights.
 *
 * <p>{@link dev.causal4j.model.Checkpoint} is a folder of files, checked against each other, of which a model is loaded;
 * {@link dev.causal4j.model.Conversion} writes such a folder with the weights as they are used. Nothing outside this
 * package knows how a file calls a tensor, and here two classes do: {@code GPT2Parameters} names the parameters of a model
 * in memory, {@code GPT2Checkpoint} finds those of a file, with its prefixes, its transposes and its ways to tie a head.
 */
@NullMarked
package dev.causal4j.model;

import org.jspecify.annotations.NullMarked;
