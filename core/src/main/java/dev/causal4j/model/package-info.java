/**
 * A model: {@link dev.causal4j.model.CausalLM} is tokenizer, head and backbone, loaded from a folder in Hugging Face
 * layout, made from parts, or created with seeded initial weights.
 *
 * <p>All foreign names, prefixes and transposes are mapped in one place, {@code GPT2Checkpoint}; nothing above this
 * package knows how a file calls a tensor.
 */
@NullMarked
package dev.causal4j.model;

import org.jspecify.annotations.NullMarked;
