/** A causal language model as Spring AI's models, in this process. */
@NullMarked
package dev.causal4j.springai;

import org.jspecify.annotations.NullMarked;
