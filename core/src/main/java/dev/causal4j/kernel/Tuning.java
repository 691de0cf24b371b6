package dev.causal4j.kernel;

/**
 * What decides how a product is cut up on this machine: how soon a result comes, never its bits. Measured on an Emerald Rapids
 * and a Zen 5, see docs/results.
 *
 * @param tileRows rows of a tile: 8 by 32 sums of the 32 registers of AVX-512, 6 by 2 W of 16 registers
 * @param fewRows up to so many rows are served straight from the weights, which takes the 32 registers of AVX-512
 * @param rowPanels panels that one row reads side by side: memory serves three runs a twentieth faster than two
 * @param readAhead whether few rows read the next panel while they multiply this one ({@link Hardware#readsAhead})
 * @param tasksPerThread enough to even out a slow core, few enough that each reads a long run
 * @param leastRun panels of a task for few tiles, at least, where there are so many: they are read in one run
 * @param leastTiles tiles for which a panel is worth reading by itself
 * @param manyTiles from so many tiles on a panel is finished before the next: the results of all no longer stay in the cache
 * @param tileBytes bytes of tiles that are prepared at once; 512 rows of 3,072 inputs take 6.3 MB
 */
public record Tuning(
        int tileRows,
        int fewRows,
        int rowPanels,
        boolean readAhead,
        int tasksPerThread,
        int leastRun,
        int leastTiles,
        int manyTiles,
        int tileBytes) {
    /** For vectors of so many lanes. */
    static Tuning of(int lanes) {
        int rows = lanes == 16 ? 8 : 6;
        return new Tuning(
                rows,
                lanes == 16 ? 8 : 1,
                lanes == 16 ? 3 : 1,
                !Hardware.readsAhead(),
                16,
                12,
                48 / rows,
                264 / rows,
                12 << 20);
    }
}
