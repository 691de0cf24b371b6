/** Controls of an engine for packages and modules of Causal4j; users do not need them. */
@NullMarked
package dev.causal4j.generation.friend;

import org.jspecify.annotations.NullMarked;
