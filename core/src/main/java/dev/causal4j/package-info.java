/**
 * The exceptions of the library. {@link dev.causal4j.FormatException}: a file is damaged or not what it should be. {@link
 * dev.causal4j.UnsupportedModelException}: a file is valid, but this version cannot run the model. Wrong arguments of a
 * call are an {@link java.lang.IllegalArgumentException}; a failure to read or write is the {@link java.io.IOException}
 * it is.
 */
@NullMarked
package dev.causal4j;

import org.jspecify.annotations.NullMarked;
