/**
 * Untrusted files. Weights: {@link dev.causal4j.format.TensorStore} holds the tensors of a folder, {@link
 * dev.causal4j.format.SafeTensors} reads and writes files, alone or with an index. {@link dev.causal4j.format.Json}
 * reads JSON as plain objects and checks the values of a configuration. This package does not know what a tensor or key
 * means to a model. {@link dev.causal4j.format.UntrustedInput} reads with bounds, {@link
 * dev.causal4j.format.WholeFile} writes atomically.
 *
 * <p>Input is untrusted until checked: sizes are bounded before anything is allocated, a file is checked whole before
 * its first number is handed out, and every fault becomes a {@link dev.causal4j.FormatException} with a message of one
 * line. Failures to read or write stay {@link java.io.IOException}s.
 *
 * <p>The safetensors format (github.com/huggingface/safetensors), whose rules the reader enforces:
 * <pre>
 *   8 bytes      N, the length of the header, an unsigned little-endian integer; at most 100,000,000
 *   N bytes      the header: strict UTF-8, a JSON object that starts with "{" and may be padded with spaces
 *   the rest     the data, little-endian and row-major
 *   header       {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}; no key twice
 *   __metadata__ an optional entry that maps strings to strings
 *   data_offsets [begin, end) in the data; end - begin is product(shape) times the size of the dtype
 *   tensors      sorted by offset they cover the data: from 0 to the end of the file, no hole, no overlap
 *   legal        no dimension at all (a scalar), a dimension of 0 (no data)
 *   the writer   orders by descending size of dtype, then name, and pads the header to 8 bytes
 *   aligned      for files that are mapped: first all tensors of a multiple of 64 bytes; the header padded to 64
 * </pre>
 *
 * <p>Limits of ours beyond the format: half a million tensors, 16 million tokens of JSON, 64 dimensions, names of 50,000
 * characters, no unknown field in a tensor's entry, names of shards in plain ASCII. All dtypes of the format are known
 * by size; only F32, F16, BF16 and I8 are handed out.
 */
@NullMarked
package dev.causal4j.format;

import org.jspecify.annotations.NullMarked;
