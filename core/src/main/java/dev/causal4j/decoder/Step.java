package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Dropout.Place;
import java.util.ArrayList;
import java.util.List;

/** One pass over a batch: its rows and their positions. Immutable. */
final class Step {
    /**
     * The rows of one chunk.
     *
     * @param first its first row
     * @param count how many
     * @param position the first row's position in the sequence
     */
    record Part(KVCache cache, int first, int count, int position) {}

    final Batch batch;
    final Compute compute;
    final List<Part> parts = new ArrayList<>();
    private final Dropout dropout;
    private final int contextLength;
    private final long[] addresses; // [N]
    private final int[] sources; // [N], the rows among all of the batch
    private final int[] partNumbers; // [N]

    /**
     * A pass over rows of a batch, whose positions follow the caches' present ones.
     *
     * @param wantedAlone whether the pass has only the wanted rows
     */
    Step(Batch batch, int contextLength, Dropout dropout, Compute compute, boolean wantedAlone) {
        this.batch = batch;
        this.compute = compute;
        this.dropout = dropout;
        this.contextLength = contextLength;
        this.addresses = new long[wantedAlone ? batch.wanted() : batch.rows()];
        this.sources = new int[addresses.length];
        this.partNumbers = new int[addresses.length];
        int all = 0;
        int row = 0;
        for (Batch.Chunk chunk : batch.chunks()) {
            int tokens = chunk.tokens().length;
            int count = wantedAlone ? chunk.wanted() : tokens;
            int position = chunk.cache().length() + tokens - count;
            long sequence = (long) dropout.firstSequence() + parts.size();
            parts.add(new Part(chunk.cache(), row, count, position));
            all += tokens;
            for (int t = 0; t < count; t++, row++) {
                addresses[row] = sequence * contextLength + position + t;
                sources[row] = all - count + t;
                partNumbers[row] = parts.size() - 1;
            }
        }
    }

    /** The pass over the wanted rows: this step if all rows are wanted. */
    Step wanted() {
        return batch.wanted() == rows() ? this : new Step(batch, contextLength, dropout, compute, true);
    }

    /** How many rows. */
    int rows() {
        return addresses.length;
    }

    /** How many rows have inputs: all, or none in a {@linkplain KVCache#replays replay}. */
    int inputs() {
        return parts.getFirst().cache().replays ? 0 : rows();
    }

    /** Records inputs of a layer's recurrence, [N, width], or reads them in a replay, see {@link KVCache#keep}. */
    void keep(int layer, Rows x, int at, int width) {
        parts.forEach(part -> part.cache().keep(layer, x.rows(part.first(), part.count()), at, width));
    }

    /** A row's number among all rows of the batch. */
    int source(int row) {
        return sources[row];
    }

    /** Moves these rows to the front of an array of the whole batch, [all rows, width]. */
    void choose(float[] x, int width) {
        for (int row = 0; row < sources.length; row++) {
            if (sources[row] != row) {
                System.arraycopy(x, sources[row] * width, x, row * width, width);
            }
        }
    }

    /** A row's position in its sequence. */
    int position(int row) {
        return (int) (addresses[row] % contextLength);
    }

    /** The number of the part that a row belongs to. */
    int part(int row) {
        return partNumbers[row];
    }

    /** The cache of a row's sequence. */
    KVCache cache(int row) {
        return parts.get(partNumbers[row]).cache();
    }

    /**
     * The address of a row's dropout: its position counted over all sequences of an optimizer step, each of
     * contextLength.
     */
    long address(int row) {
        return addresses[row];
    }

    DropoutMask mask(Place place, int layer) {
        return dropout.mask(place, layer);
    }

    /**
     * The dropout of the attention weights of some heads.
     *
     * @param head the first head
     * @param first the row of the first query
     */
    PagedAttention.Weighting weighting(int layer, int heads, int head, int first) {
        DropoutMask mask = mask(Place.ATTENTION, layer);
        return (weights, offset, query, next, from, n) -> {
            long address = addresses[first + query] * heads + head + next;
            mask.apply(weights, offset, n, address * contextLength + from);
        };
    }
}
