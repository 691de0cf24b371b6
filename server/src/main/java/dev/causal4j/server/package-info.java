/**
 * An HTTP server for one model: OpenAI's API for completions and chats, scoring of given texts through {@code echo}, and
 * metrics. {@link dev.causal4j.server.Server} starts it.
 *
 * <p>A request is read without a thread, then handled on a virtual one: {@code Routes} finds what answers a path and who
 * may ask; {@code JsonIn} checks the fields, and {@code CompletionRequest} and {@code ChatRequest} make one {@code Ask}
 * of them; {@code Sequences} are what it costs the engine; {@code Choice} tells what of a text can be said when, and
 * {@code CompletionAnswer} and {@code ChatAnswer} how. A whole answer and a stream are made of the same pieces, so they
 * are equal. {@code Reply} writes without blocking a thread, and {@code Departure} notices a client that is gone.
 */
@NullMarked
package dev.causal4j.server;

import org.jspecify.annotations.NullMarked;
