@NullMarked
package dev.causal4j.format;

import org.jspecify.annotations.NullMarked;
