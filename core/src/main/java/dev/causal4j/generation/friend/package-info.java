/** What packages and modules of ours ask of an engine, and users need not know. */
@NullMarked
package dev.causal4j.generation.friend;

import org.jspecify.annotations.NullMarked;
