package dev.causal4j.kernel;

/**
 * The blocking of products on this machine. It changes speed, never bits. Measured on an Emerald Rapids and a Zen 5,
 * see docs/results.
 *
 * @param tileRows rows of a tile: 6 by 2 W sums of 16 registers; twice as many sums of the 32 of AVX-512 gained nothing
 * @param fewRows most rows that are multiplied straight from the weights, in one tile of 8; it takes 32 registers
 * @param readAhead whether few rows read the next panel while they multiply this one ({@link Hardware#readsAhead})
 * @param tasksPerThread enough to even out a slow core, few enough that each reads a long run
 * @param leastRun panels of a task for few tiles, at least, where there are so many: they are read in one run
 * @param leastTiles fewest tiles for which a panel is worth a task of its own
 * @param manyTiles fewest tiles for which each panel is finished before the next, since all results no longer fit the
 *     cache
 * @param tileBytes most bytes of tiles prepared at once; 512 rows of 3,072 inputs take 6.3 MB
 */
public record Tuning(
        int tileRows,
        int fewRows,
        boolean readAhead,
        int tasksPerThread,
        int leastRun,
        int leastTiles,
        int manyTiles,
        int tileBytes) {
    /** The values for vectors of this many lanes. */
    static Tuning of(int lanes) {
        return new Tuning(6, lanes == 16 ? 8 : 1, !Hardware.readsAhead(), 16, 12, 8, 44, 12 << 20);
    }
}
