/**
 * A model: {@link dev.causal4j.model.CausalLM} is tokenizer, head and decoder, loaded from a folder in Hugging Face layout,
 * or created with seeded initial weights.
 *
 * <p>{@link dev.causal4j.model.Checkpoint} is a folder of files, checked against each other, of which a model is loaded;
 * {@link dev.causal4j.model.Conversion} writes such a folder with the weights as they are used. All of it goes through one
 * list, {@link dev.causal4j.model.families.ModelConfig#specs}: a file, a random number generator and another model are
 * sources of {@link dev.causal4j.decoder.Parameters}.
 */
@NullMarked
package dev.causal4j.model;

import org.jspecify.annotations.NullMarked;
