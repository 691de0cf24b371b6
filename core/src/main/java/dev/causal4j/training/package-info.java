/**
 * Training and its data. Text becomes token ids once and examples many times:
 * <pre>
 *   Documents      text files, folders, JSONL; read strictly, as a stream
 *     -> Tokens        their ids in a file that is mapped into memory; made again when data or tokenizer change;
 *                      splits off the held-out tokens
 *       -> Examples      example i is a pure function of the seed and i, so that a run can resume anywhere
 *         -> Example       tokens and their targets
 * </pre>
 *
 * <p>A {@link dev.causal4j.training.Trainer} takes batches: forward, loss and both gradients of the head, backward,
 * clipping, a step of {@link dev.causal4j.training.AdamW}, and at intervals an evaluation and a checkpoint. A run is a
 * function of model, examples and options.
 *
 * <p>The order of data is drawn by {@link dev.causal4j.kernel.CounterRandom} from the streams that begin at {@code
 * 0x64617461_00000000} ("data"): 256 for each epoch, of which 0 to 64 shuffle the examples, 128 the documents, and 255
 * gives the offset of the windows.
 */
@NullMarked
package dev.causal4j.training;

import org.jspecify.annotations.NullMarked;
