package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import dev.causal4j.server.Choice.Piece;
import java.util.List;
import java.util.Map;

/** Writes one choice: as the parts of a stream, or as a whole. Not thread-safe. */
interface Teller {
    /** The parts that a piece completes; none if what it says depends on what comes. */
    List<Map<String, Object>> part(Piece piece);

    /** The last parts, at least one. */
    List<Map<String, Object>> last(Piece piece, Generation made);

    /** The choice of all its pieces, none of which was written. */
    Map<String, Object> whole(List<Piece> pieces, Generation made);

    /** How many tokens of thought so far stand before the answer. */
    default int thoughts() {
        return 0;
    }
}
