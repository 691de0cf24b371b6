/**
 * An HTTP server for one model: OpenAI's API for completions and chats, scoring of given texts through {@code echo}, and
 * metrics. {@link dev.causal4j.server.Server} starts it.
 *
 * <p>A request's body is read without a thread, then handled on a virtual one. {@code Routes} routes a path after {@code
 * Access} has checked the client. {@code JsonIn} checks the fields. {@code CompletionApi} and {@code ChatApi} make a {@code
 * TextRequest} from them; {@code Sequences} are its work in the engine. {@code Choice} splits a sequence into fragments, which the
 * same {@code CompletionApi} or {@code ChatApi} writes. A whole response and a stream are made of equal fragments, so they are
 * equal. {@code Call} writes without blocking a platform thread, and {@code Departure} notices a client that is gone.
 */
@NullMarked
package dev.causal4j.server;

import org.jspecify.annotations.NullMarked;
