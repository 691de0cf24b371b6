/**
 * Statements about generated texts that anybody with the model can recompute: {@link dev.causal4j.receipt.Receipt}.
 */
@NullMarked
package dev.causal4j.receipt;

import org.jspecify.annotations.NullMarked;
