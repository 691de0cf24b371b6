/**
 * Models. {@link dev.causal4j.model.CausalLM} is tokenizer, head and decoder, loaded from a folder in Hugging Face
 * layout or a GGUF file, or created with seeded initial weights.
 *
 * <p>{@link dev.causal4j.model.Checkpoint} opens and checks the files of a model; {@link dev.causal4j.model.Conversion}
 * writes a folder that is memory-mapped. All use one list of parameters, {@link
 * dev.causal4j.model.ModelConfig#specs}; files, random numbers and other models are sources of {@link
 * dev.causal4j.decoder.Parameters}.
 */
@NullMarked
package dev.causal4j.model;

import org.jspecify.annotations.NullMarked;
