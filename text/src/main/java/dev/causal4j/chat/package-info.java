/**
 * Writes conversations as text: {@link dev.causal4j.chat.ChatTemplate} renders {@link dev.causal4j.chat.Message}s and
 * {@link dev.causal4j.chat.ToolDefinition}s as a model was trained to read them.
 *
 * <p>Templates are programs in Jinja 3.1's language, written by strangers; they are run as Hugging Face's transformers
 * run them (sandboxed, {@code trim_blocks}, {@code lstrip_blocks}, loop controls, generation blocks). {@code Lexer}
 * cuts a source into tokens, {@code Parser} makes closures of them, and these run on a {@code Rendering} with
 * Java's strings, booleans, numbers, lists and maps, and the sealed {@code Value}. Nothing else exists for a template:
 * no reflection, file or network. The steps, memory and nesting of a rendering are bounded.
 */
@NullMarked
package dev.causal4j.chat;

import org.jspecify.annotations.NullMarked;
