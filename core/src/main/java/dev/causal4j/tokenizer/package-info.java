/**
 * Text to token ids and back: {@link dev.causal4j.tokenizer.Tokenizer}, and {@link
 * dev.causal4j.tokenizer.StreamingDecoder} for text that is shown while it is generated. {@link
 * dev.causal4j.tokenizer.BytePairTrainer} makes a tokenizer from texts.
 *
 * <p>Hugging Face's native tokenizers encode (through DJL's JNI layer), so ids are theirs. Everything else is Java:
 * <ul>
 *   <li>A panic of the native library ends the process. So files are read and checked here, down to the last merge, and
 *       the native library only sees a tokenizer.json written by us. {@code VocabularyReader} accepts byte-level
 *       byte-pair encoding with GPT-2's pattern and refuses the rest by name.
 *   <li>Decoding needs no native library. Streamed text equals text decoded at once, because both come from the same
 *       bytes.
 *   <li>The native library is unpacked and loaded here, at the first {@code encode}, and not by DJL: DJL's loader asks
 *       for CUDA first (100 ms, a log line) and may contact the network.
 * </ul>
 */
@NullMarked
package dev.causal4j.tokenizer;

import org.jspecify.annotations.NullMarked;
