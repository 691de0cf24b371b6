/**
 * JSON of strangers, and what reads and writes files safely. {@link dev.causal4j.json.Json} reads JSON as plain objects,
 * checks the values of a configuration, and writes JSON. {@link dev.causal4j.json.Unicode} knows texts that have a form
 * in UTF-8. {@link dev.causal4j.json.UntrustedInput} reads files with bounds, {@link dev.causal4j.json.WholeFile} writes
 * them atomically. {@link dev.causal4j.json.Sha256} is their digest.
 *
 * <p>Input is untrusted until checked: sizes are bounded before anything is allocated, and every fault becomes a {@link
 * dev.causal4j.FormatException} with a message of one line. Failures to read or write stay {@link java.io.IOException}s.
 */
@NullMarked
package dev.causal4j.json;

import org.jspecify.annotations.NullMarked;
