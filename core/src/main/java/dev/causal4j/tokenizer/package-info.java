/**
 * Text to token ids and back: {@link dev.causal4j.tokenizer.Tokenizer}, and {@link
 * dev.causal4j.tokenizer.StreamingDecoder} for text that is shown while it is generated. {@link
 * dev.causal4j.tokenizer.BytePairTrainer} makes a tokenizer from texts.
 *
 * <p>Encoding is done by Hugging Face's own native tokenizers (through DJL's JNI layer), so ids are theirs by
 * construction. Everything else is Java:
 * <ul>
 *   <li>The files are hostile input, and a panic of the native library ends the whole process. So they are read and
 *       checked here, down to the last merge, and the native library only ever sees a tokenizer.json written by us.
 *       That admits what GPT-2 uses (byte-level byte-pair encoding with GPT-2's own pattern) and refuses the rest by
 *       name; a further family is a further case in {@code VocabularyReader}.
 *   <li>Decoding needs only the pieces and a table of 256 characters. It works on machines the native library does not
 *       know, and a streamed text equals the text decoded at once because both come from the same bytes.
 *   <li>The native library is unpacked and loaded here, at the first {@code encode}, and not by DJL: DJL's loader asks
 *       for CUDA first (100 ms, a log line) and may contact the network.
 * </ul>
 */
@NullMarked
package dev.causal4j.tokenizer;

import org.jspecify.annotations.NullMarked;
