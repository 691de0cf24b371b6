/**
 * Models by name: {@link dev.causal4j.hub.Hub} fetches them from the Hugging Face hub into the cache that Python uses, too, and
 * finds them there; {@link dev.causal4j.hub.ModelPath} is a model that is named so, or by its folder or file.
 *
 * <p>{@code Environment} is what the variables say; {@code Client} asks the hub; {@code RemoteFile} is a file of its listing,
 * {@code Needed} chooses those of a model; {@code Download} fetches one and verifies it; {@code Cache} knows the layout:
 * <pre>
 *   models--org--name/blobs/{hash}               a whole file; {hash}.incomplete a part of one
 *   models--org--name/snapshots/{commit}/{path}  a relative link to its blob, made when all blobs of the model are there
 *   models--org--name/refs/{revision}            the commit, without a line end, written last
 *   .locks/models--org--name/{hash}.lock         locked by who fetches the blob
 * </pre>
 *
 * <p>All input from a server is untrusted: paths, hashes and sizes are checked before anything is written, answers are bounded,
 * and nothing waits without end. Failures are one line, <em>subject: expected E, got G; remedy</em>.
 */
@NullMarked
package dev.causal4j.hub;

import org.jspecify.annotations.NullMarked;
