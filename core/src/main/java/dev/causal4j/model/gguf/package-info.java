/**
 * Models in GGUF files, as llama.cpp reads and writes them: {@link dev.causal4j.model.gguf.GgufModel} opens one, {@link
 * dev.causal4j.model.gguf.GgufFiles} writes one. {@code GgufArchitecture} lists the architectures, {@code GgufKeys} has
 * the keys in both directions, {@link dev.causal4j.model.gguf.GgufFamily} the names and places of parameters, {@link
 * dev.causal4j.model.gguf.GgufVocabulary} reads the tokens and {@code GgufTokens} writes them. Before a file is written
 * its metadata are read again, and refused if they mean something else.
 */
@NullMarked
package dev.causal4j.model.gguf;

import org.jspecify.annotations.NullMarked;
