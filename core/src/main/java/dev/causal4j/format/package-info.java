/**
 * Untrusted files. Weights: {@link dev.causal4j.format.TensorStore} holds the tensors of a folder, {@link
 * dev.causal4j.format.SafeTensors} reads and writes files, alone or with an index. {@link dev.causal4j.format.Gguf}
 * reads the metadata and tensors of a GGUF file, {@link dev.causal4j.format.BlockType} the numbers in them, {@link
 * dev.causal4j.format.GgufWriter} writes one. This package does not know what a tensor means to a model.
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
 * <p>Limits of ours beyond the format: half a million tensors, 16 million tokens of JSON, 64 dimensions, names of
 * 50,000 characters, no unknown field in a tensor's entry, names of shards in plain ASCII. All dtypes of the format are
 * known by size; only F32, F16, BF16 and I8 are handed out.
 *
 * <p>The GGUF format (github.com/ggml-org/ggml/blob/master/docs/gguf.md), little-endian throughout:
 * <pre>
 *   header       "GGUF", u32 version (2 and 3 are the same), u64 number of tensors, u64 number of keys
 *   keys         string key, u32 type, value; no key twice
 *   types        0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool (0 or 1), 8 string, 9 array,
 *                10 u64, 11 i64, 12 f64
 *   string       u64 length, UTF-8 without NUL        array   u32 type of elements, u64 number, elements
 *   tensors      string name, u32 dimensions (1 to 4), u64 each, the length of a row first, u32 type, u64 offset
 *   padding      zeros up to a multiple of general.alignment (u32, a multiple of 8, 32 if absent)
 *   data         each tensor at an aligned offset from here, in any order, inside the file, without overlap
 *   legal        gaps, no padding after the last tensor, bytes after the data, arrays of arrays
 *   split        NAME-00001-of-00003.gguf and so on, each file with split.no and split.count, its own alignment and
 *                data; the model's metadata in the first, split.tensors.count there the number in all of them
 * </pre>
 *
 * <p>Limits of ours: a header of 100,000,000 bytes with half a million keys and tensors, 16 levels of arrays. Tensors
 * of a type that {@link dev.causal4j.format.BlockType} does not have are refused by name.
 */
@NullMarked
package dev.causal4j.format;

import org.jspecify.annotations.NullMarked;
