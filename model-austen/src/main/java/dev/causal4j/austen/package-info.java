/** A small model of Jane Austen's prose in a jar: the default of the command line, and something real to test with. */
@NullMarked
package dev.causal4j.austen;

import org.jspecify.annotations.NullMarked;
