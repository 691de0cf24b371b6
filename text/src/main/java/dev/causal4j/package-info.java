/**
 * The exceptions of the library. {@link dev.causal4j.FormatException}: a file is damaged or not what it should be.
 * {@link dev.causal4j.UnsupportedModelException}: a file is valid, but this version cannot run the model. {@link
 * dev.causal4j.InputException}: a text or its tokens cannot be processed. {@link dev.causal4j.TemplateException}: a
 * chat template is wrong or refuses a conversation. {@link dev.causal4j.NonFiniteException}: the weights are damaged or
 * overflow. Other wrong arguments are an {@link java.lang.IllegalArgumentException}; failures to
 * read or write are {@link java.io.IOException}s.
 */
@NullMarked
package dev.causal4j;

import org.jspecify.annotations.NullMarked;
