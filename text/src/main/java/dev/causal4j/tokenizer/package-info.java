/**
 * Converts text to token ids and back: {@link dev.causal4j.tokenizer.Tokenizer}, and {@link
 * dev.causal4j.tokenizer.StreamingDecoder} for text that is shown while it is generated. {@link
 * dev.causal4j.tokenizer.BytePairTrainer} learns a tokenizer from texts. {@link dev.causal4j.tokenizer.Vocabulary} is
 * what constraints need of a tokenizer, ours or another.
 *
 * <p>A text becomes ids in the steps of Hugging Face's library, and with its results:
 *
 * <pre>AddedTokens, Normalizer, AddedTokens, Splitter, Model (BytePair or Unigram)</pre>
 *
 * <p>{@code TokenizerReader} makes them from a file, whose every number and setting is checked before use. Regular
 * expressions of files are not run: those of the known families are looked up, others refused by name. Streamed text
 * equals text decoded at once, because one decoder does both.
 */
@NullMarked
package dev.causal4j.tokenizer;

import org.jspecify.annotations.NullMarked;
