package dev.causal4j.server;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;

/**
 * The bodies of requests, bounded while they come. Where there is no room for one more, one that is still unfinished is
 * given up for it: nobody who is slow, or pretends to be, keeps others out. Thread-safe.
 */
final class Bodies {
    private static final int PIECE = 1 << 16; // larger arrays that grow would make much garbage

    private final SequencedSet<Body> unfinished = new LinkedHashSet<>(); // the oldest first
    private long held; // bytes

    /** The body of a request. */
    final class Body {
        private final Object network;
        private final Runnable whenGivenUp;
        private final List<ByteArrayOutputStream> pieces = new ArrayList<>();
        private int counted;

        private Body(Object network, Runnable whenGivenUp) {
            this.network = network;
            this.whenGivenUp = whenGivenUp;
        }

        /** Takes the next bytes; false if it is given up. */
        boolean add(byte[] more) {
            synchronized (Bodies.this) {
                if (unfinished.contains(this)) {
                    if (pieces.isEmpty() || pieces.getLast().size() >= PIECE) {
                        pieces.add(new ByteArrayOutputStream());
                    }
                    pieces.getLast().writeBytes(more);
                    counted += more.length;
                    held += more.length;
                    if (counted > Limits.BODY_BYTES) {
                        giveUp(this);
                    }
                    while (held > Limits.UNFINISHED_BYTES && !unfinished.isEmpty()) {
                        giveUp(unfinished.stream()
                                .max(Comparator.comparingInt(each -> each.counted))
                                .orElseThrow());
                    }
                }
                return unfinished.contains(this);
            }
        }

        /** Marks it as whole: it counts no more, and is not given up. */
        void end() {
            synchronized (Bodies.this) {
                held -= unfinished.remove(this) ? counted : 0;
            }
        }

        /** Its bytes so far. */
        int size() {
            return counted;
        }

        /** All of it, once. */
        byte[] take() {
            synchronized (Bodies.this) {
                ByteBuffer whole = ByteBuffer.allocate(counted);
                pieces.forEach(piece -> whole.put(piece.toByteArray()));
                release();
                return whole.array();
            }
        }

        /** Drops it. */
        void release() {
            synchronized (Bodies.this) {
                end();
                counted = 0;
                pieces.clear();
            }
        }
    }

    /**
     * Begins a body.
     *
     * @param network of the client
     * @param whenGivenUp run at most once; it must not wait
     */
    synchronized Body begin(Object network, Runnable whenGivenUp) {
        List<Body> same =
                unfinished.stream().filter(each -> each.network.equals(network)).toList();
        if (same.size() >= Limits.UNFINISHED_BODIES_OF_ADDRESS) {
            giveUp(same.getFirst());
        } else if (unfinished.size() >= Limits.UNFINISHED_BODIES) {
            giveUp(unfinished.getFirst());
        }
        Body body = new Body(network, whenGivenUp);
        unfinished.add(body);
        return body;
    }

    private static void giveUp(Body body) {
        body.release();
        body.whenGivenUp.run();
    }
}
