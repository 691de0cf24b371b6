/**
 * What tells one architecture from another: a {@link dev.causal4j.model.families.Family} is one file that reads a
 * configuration and says where each parameter lies in a checkpoint. Everything else works from
 * {@link dev.causal4j.model.families.ModelConfig} alone.
 */
@NullMarked
package dev.causal4j.model.families;

import org.jspecify.annotations.NullMarked;
