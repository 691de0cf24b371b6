/**
 * Model families, a file for each: a {@link dev.causal4j.model.families.Family} reads a configuration and gives the
 * origin of each parameter in a checkpoint. Everything else depends only on {@link
 * dev.causal4j.model.ModelConfig}.
 */
@NullMarked
package dev.causal4j.model.families;

import org.jspecify.annotations.NullMarked;
