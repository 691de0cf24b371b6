import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Writes {@code VectorLoops} and {@code VectorTileLoops}: the loops of products, one for each shape and format. C2
 * keeps a vector in a register only if it is a local of the method with the loop, so each shape has its accumulators
 * written out. The same method stores them: when all loops called one method for that, C2 boxed them, and a product of
 * 12 rows took eight times as long.
 *
 * <p>{@code java -cp target/classes src/loops/VectorLoopsSource.java}, run in the module's folder, replaces the files;
 * VectorLoopsTest says whether they are current.
 */
final class VectorLoopsSource {
    /** Groups of outputs that a row reads side by side. */
    private static final int GROUPS = 2;

    /** Multiply-adds in one turn of a loop over a group: C1, which counts them first, does not compile many more. */
    private static final int MOST = 16;

    private static final String EXACT = "FloatVector exact = broadcast(S, -0f);";

    private static final String LETTERS = "abcdefghijklmnop";

    private final StringBuilder source = new StringBuilder();

    private VectorLoopsSource() {}

    /** Writes the files to the folder that is given, or to where they belong. */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args.length > 0 ? args[0] : "src/main/java/dev/causal4j/kernel");
        for (Map.Entry<String, String> file : files().entrySet()) {
            Files.writeString(folder.resolve(file.getKey()), file.getValue());
        }
    }

    /** The texts of both files, by their names. */
    private static Map<String, String> files() {
        VectorLoopsSource loops = new VectorLoopsSource();
        loops.source.append(VectorLoopsHeads.LOOPS);
        for (PanelFormat format : PanelFormat.values()) {
            loops.row(format);
        }
        for (PanelFormat format : PanelFormat.values()) {
            loops.tile(format, 4, 4, false);
            if (format != PanelFormat.F32) {
                loops.tile(format, 8, 2, false);
            }
        }
        for (PanelFormat format : PanelFormat.values()) {
            if (format != PanelFormat.F32) {
                loops.widen(format);
            }
        }
        loops.choices();
        VectorLoopsSource tiles = new VectorLoopsSource();
        tiles.source.append(VectorLoopsHeads.TILES);
        for (boolean adds : List.of(false, true)) {
            tiles.tile(PanelFormat.F32, 4, 2, adds);
            tiles.tile(PanelFormat.F32, 6, 4, adds);
        }
        tiles.groups(4, 2);
        tiles.groups(4, 4);
        return Map.of(
                "VectorLoops.java", loops.source.append("}\n").toString(),
                "VectorTileLoops.java", tiles.source.append("}\n").toString());
    }

    /** A line, broken between statements or declarations if it is longer than 120. */
    private void line(int depth, String line) {
        int indent = 4 * depth;
        String rest = line;
        while (indent + rest.length() > 120) {
            int most = 120 - indent;
            int statement = rest.lastIndexOf("; ", most - 1);
            int end = statement > 0
                    ? statement
                    : Math.max(rest.lastIndexOf(" = z, ", most - 6) + 4, rest.lastIndexOf("), ", most - 2) + 1);
            source.append(" ".repeat(indent)).append(rest, 0, end + 1).append('\n');
            rest = rest.substring(end + 2);
            indent = 4 * depth + (statement > 0 ? 0 : 8);
        }
        source.append(" ".repeat(indent)).append(rest).append('\n');
    }

    private static String each(int count, String separator, java.util.function.IntFunction<String> text) {
        return IntStream.range(0, count).mapToObj(text).collect(Collectors.joining(separator));
    }

    private static String name(PanelFormat format) {
        return format.name().charAt(0) + format.name().substring(1).toLowerCase(java.util.Locale.ROOT);
    }

    /** Declares the words that hold {@code count} vectors of weights: a word of f32 holds one, of 16 bits two. */
    private void read(int depth, PanelFormat format, String memory, String at, int first, int count) {
        int held = held(format);
        String load = (format == PanelFormat.F32 ? "fromMemorySegment(S, " : "IntVector.fromMemorySegment(I, ") + memory
                + ", ";
        for (int i = 0; i < Math.ceilDiv(count, held); i++) {
            String from = at + (i == 0 ? "" : " + " + 4 * i + "L * W");
            line(
                    depth,
                    (format == PanelFormat.F32 ? "FloatVector" : "IntVector") + " r" + (first + i) + " = " + load + from
                            + ", LE);");
        }
    }

    /** Outputs of a word. */
    private static int held(PanelFormat format) {
        return 32 / format.bits();
    }

    /** Vector i of the weights in the words read from {@code first} on. */
    private static String weight(PanelFormat format, int first, int i) {
        return switch (format) {
            case F32 -> "r" + (first + i);
            case BF16 ->
                "r" + (first + i / 2)
                        + (i % 2 == 0
                                ? ".lanewise(LSHL, 16).reinterpretAsFloats()"
                                : ".and(HIGH).reinterpretAsFloats()");
            case F16 ->
                "r" + (first + i / 2)
                        + (i % 2 == 0 ? ".lanewise(LSHL, 16)" : "")
                        + ".lanewise(ASHR, 3).and(F16).reinterpretAsFloats().mul(SCALE)";
        };
    }

    private static String plus(String at, int times, String what) {
        return times == 0 ? at : at + " + " + (times == 1 ? what : times + " * " + what);
    }

    private void row(PanelFormat format) {
        source.append('\n');
        line(
                1,
                "/** One row against two groups of 4 W outputs; the second lies {@code stride} further in n than the first in m. */");
        line(1, "static void row" + name(format) + "(");
        line(3, "MemorySegment m, MemorySegment n, long at, long stride, int depth, float[] xs, int x, float[] ys,");
        line(3, "int y, int next) {");
        line(
                2,
                "FloatVector z = FloatVector.zero(S), " + each(4 * GROUPS, ", ", i -> acc(i % 4, i / 4) + " = z")
                        + ";");
        boolean twice = format == PanelFormat.F32; // with one step the loop reads a third less
        line(2, "int k = 0, one = Lanes.one;");
        line(2, "for (; k < depth" + (twice ? " - 1" : "") + "; k += " + (twice ? "2 * " : "") + "one) {");
        rowSteps(3, format, twice ? 2 : 1);
        line(2, "}");
        if (twice) {
            line(2, "if (k < depth) {");
            rowSteps(3, format, 1);
            line(2, "}");
        }
        line(2, EXACT);
        line(2, "int o;");
        for (int g = 0; g < GROUPS; g++) {
            int group = g;
            line(
                    2,
                    "o = " + plus("y", group, "next") + "; "
                            + each(
                                    4,
                                    " ",
                                    i -> "exact.add(" + acc(i, group) + ").intoArray(ys, o" + place(format, i) + ");"));
        }
        line(1, "}");
    }

    private void rowSteps(int depth, PanelFormat format, int steps) {
        int reads = format.stepBytes() / Panels.WIDTH;
        for (int step = 0; step < steps; step++) {
            line(depth, "long o" + step + " = at + " + step("k", format, step) + ";");
            line(depth, "FloatVector v" + step + " = broadcast(S, xs[x + k" + (step == 0 ? "" : " + " + step) + "]);");
        }
        for (int i = 0; i < steps * GROUPS; i++) {
            read(
                    depth,
                    format,
                    i % GROUPS == 0 ? "m" : "n",
                    plus("o" + i / GROUPS, i % GROUPS, "stride"),
                    i * reads,
                    4);
        }
        for (int i = 0; i < steps * GROUPS; i++) {
            for (int j = 0; j < 4; j++) {
                String sum = acc(j, i % GROUPS);
                line(depth, sum + " = v" + i / GROUPS + ".fma(" + weight(format, i * reads, j) + ", " + sum + ");");
            }
        }
    }

    private static String step(String k, PanelFormat format, int step) {
        return "(long) " + (step == 0 ? k : "(" + k + " + " + step + ")") + " * " + format.stepBytes();
    }

    private static String acc(int letter, int number) {
        return LETTERS.charAt(letter) + String.valueOf(number);
    }

    /** The first output of a vector of weights. */
    private static String place(PanelFormat format, int i) {
        return switch (format) {
            case F32 -> i == 0 ? "" : " + " + (i == 1 ? "W" : i + " * W");
            case BF16, F16 -> i == 0 ? "" : i == 1 ? " + 16" : " + NEXT" + (i == 3 ? " + 16" : "");
        };
    }

    /** @param adds whether the sums continue from y; a loop that loads them holds fewer vectors in registers */
    private void tile(PanelFormat format, int rows, int vectors, boolean adds) {
        boolean ahead = rows * vectors == 16; // the smaller tiles of f32 and the larger ones read no next panel
        source.append('\n');
        line(
                1,
                "/** " + (adds ? "Adds" : "Computes") + " a tile of up to " + rows + " rows by " + vectors
                        + " W outputs" + (adds ? " to y" : "") + ". */");
        line(
                1,
                "static " + (ahead ? "int" : "void") + (adds ? " add" : " tile") + name(format) + "x" + rows + "x"
                        + vectors + "(");
        line(
                3,
                "MemorySegment m, long at, int depth, float[] xs, int x, Rows y, int row, int out"
                        + (ahead ? ", long ahead, long run" : "") + ") {");
        line(2, "float[] ys = y.data();");
        line(2, "int last = y.count() - 1;");
        for (int r = 0; r < rows; r++) {
            int row = r;
            if (adds) {
                line(2, start(r));
            }
            String sums = each(
                    vectors,
                    ", ",
                    i -> acc(i, row) + " = "
                            + (adds ? "fromArray(S, ys, y" + row + place(PanelFormat.F32, i) + ")" : "z"));
            line(2, "FloatVector " + (adds || r > 0 ? "" : "z = FloatVector.zero(S), ") + sums + ";");
        }
        if (ahead) {
            line(2, "int read = 0;");
        }
        int step = step(rows, vectors);
        line(2, "int end = " + step + " * depth;");
        line(2, "for (int i = 0; i < end; i += " + step + ") {");
        if (ahead) {
            int lines = format.stepBytes() / 64;
            line(3, "if (run > 0) {");
            line(4, "long line = ahead + (i >> 3 & 7) * run + (long) (i >> 6) * 64;");
            line(
                    4,
                    each(
                            lines,
                            " ",
                            j -> "read += m.get(WORD, line" + (j == 0 ? "" : " + " + 8 * j + " * run") + ");"));
            line(3, "}");
        }
        tileStep(3, format, rows, vectors);
        line(2, "}");
        line(2, EXACT);
        for (int r = 0; r < rows; r++) {
            int row = r;
            if (!adds) {
                line(2, start(r));
            }
            line(
                    2,
                    each(
                            vectors,
                            " ",
                            i -> "exact.add(" + acc(i, row) + ").intoArray(ys, y" + row + place(PanelFormat.F32, i)
                                    + ");"));
        }
        if (ahead) {
            line(2, "return read;");
        }
        line(1, "}");
    }

    private void widen(PanelFormat format) {
        int held = held(format);
        source.append('\n');
        line(1, "/** Widens steps to f32. */");
        line(1, "static void widen" + name(format) + "(MemorySegment m, long from, int steps, MemorySegment wide) {");
        line(2, "for (int word = 0; word < " + Panels.WIDTH / held + " * steps; word += W) {");
        read(3, format, "m", "from + word * 4L", 0, 1);
        line(3, "long at = (word / 16 * " + 16 * held + " + word % 16) * 4L;");
        for (int i = 0; i < held; i++) {
            char part = LETTERS.charAt(i);
            line(3, "FloatVector " + part + " = " + weight(format, 0, i) + ";");
            line(3, part + ".intoMemorySegment(wide, at" + (i == 0 ? "" : " + " + 64 * i) + ", LE);");
        }
        line(2, "}");
        line(1, "}");
    }

    /** The loops by format. */
    private void choices() {
        source.append('\n');
        line(1, "/** One row against two groups of outputs, see {@link #rowF32}. */");
        line(1, "static void row(");
        line(3, "PanelFormat format, MemorySegment m, MemorySegment n, long at, long stride, int depth, float[] xs,");
        line(3, "int x, float[] ys, int y, int next) {");
        line(2, "switch (format) {");
        for (PanelFormat format : PanelFormat.values()) {
            line(3, "case " + format + " -> row" + name(format) + "(m, n, at, stride, depth, xs, x, ys, y, next);");
        }
        line(2, "}");
        line(1, "}");
        source.append('\n');
        line(1, "/** A tile of 4 rows. Returns the sum of words of the next panel, if the loop reads them. */");
        line(1, "static int tile(");
        line(
                3,
                "PanelFormat format, MemorySegment m, long at, int depth, float[] xs, int x, Rows y, int row, int out,");
        line(3, "long ahead, long run) {");
        line(2, "return switch (format) {");
        for (PanelFormat format : PanelFormat.values()) {
            String call = "tile" + name(format) + "x4x4(m, at, depth, xs, x, y, row, out";
            line(3, "case " + format + " -> " + call + ", ahead, run);");
        }
        line(2, "};");
        line(1, "}");
        source.append('\n');
        line(1, "/** Widens steps to f32, from the beginning of {@code wide} on. */");
        line(1, "static void widen(PanelFormat format, MemorySegment m, long from, int steps, MemorySegment wide) {");
        line(2, "switch (format) {");
        line(3, "case F32 -> MemorySegment.copy(m, from, wide, 0, " + PanelFormat.F32.stepBytes() + "L * steps);");
        for (PanelFormat format : PanelFormat.values()) {
            if (format != PanelFormat.F32) {
                line(3, "case " + format + " -> widen" + name(format) + "(m, from, steps, wide);");
            }
        }
        line(2, "}");
        line(1, "}");
    }

    /** Floats of a step in a tile: {@link RowTiles#STEP} where this shape is used. */
    private static int step(int rows, int vectors) {
        return rows == 4 && vectors == 2 ? 4 : 8;
    }

    /** One step of k: the sums of all rows and vectors. */
    private void tileStep(int depth, PanelFormat format, int rows, int vectors) {
        line(depth, "long o = at + (long) i * " + format.stepBytes() / step(rows, vectors) + ";");
        line(depth, "int t = x + i;");
        read(depth, format, "m", "o", 0, vectors);
        for (int i = 0; format != PanelFormat.F32 && i < vectors; i++) {
            line(depth, "FloatVector " + LETTERS.charAt(i) + " = " + weight(format, 0, i) + ";");
        }
        // An input is read where it is used: C2 then spreads it from memory, else with a unit that multiplies.
        line(depth, "FloatVector v;");
        for (int r = 0; r < rows; r++) {
            int row = r;
            line(
                    depth,
                    "v = broadcast(S, xs[t" + (r == 0 ? "" : " + " + r) + "]); "
                            + each(
                                    vectors,
                                    " ",
                                    i -> acc(i, row) + " = v.fma(" + tileWeight(format, i) + ", " + acc(i, row)
                                            + ");"));
        }
    }

    /**
     * A tile of weights in groups that are widened: for each group the chains from +0, then its numbers. Several steps are in a
     * loop that C2 does not count: bounds are checked once for all of them.
     */
    private void groups(int rows, int vectors) {
        source.append('\n');
        line(
                1,
                "/** Adds the groups of " + rows + " rows by " + vectors
                        + " W outputs to ys, whose rows are 64 apart. */");
        line(1, "static void groupsX" + rows + "x" + vectors + "(");
        line(3, "MemorySegment m, long at, float[] ws, int groups, int group, float[] xs, int x,");
        line(3, "float[] fs, int f, boolean minimum, float[] ys, int y) {");
        line(2, "FloatVector z = FloatVector.zero(S);");
        line(2, "int next = " + MOST / (rows * vectors) + " * Lanes.one;");
        line(2, "for (int g = 0; g < groups; g++) {");
        for (int r = 0; r < rows; r++) {
            int row = r;
            line(3, "FloatVector " + each(vectors, ", ", i -> acc(i, row) + " = z") + ";");
        }
        line(3, "int first = g * group;");
        line(3, "int in = x + first / 32 * 512 + first % 32;");
        line(3, "for (int k = 0; k < group; k += next) {");
        groupSteps(4, rows, vectors);
        line(3, "}");
        line(3, "int n = y + g * 128;");
        for (int i = 0; i < vectors; i++) {
            line(3, "FloatVector w" + i + " = fromArray(S, ws, n" + groupPlace(1, i) + ");");
        }
        line(3, "int o = f + g * 32;");
        line(3, "FloatVector v;");
        numbers(rows, vectors, 0, (sum, r, i) -> acc(i, r) + ".fma(w" + i + ".mul(v), " + sum + ")");
        line(3, "if (!minimum) {");
        line(4, "continue;");
        line(3, "}");
        for (int i = 0; i < vectors; i++) {
            line(3, "FloatVector m" + i + " = fromArray(S, ws, n + 64" + groupPlace(1, i) + ");");
        }
        numbers(rows, vectors, 16, (sum, r, i) -> "m" + i + ".fma(v, " + sum + ")");
        line(2, "}");
        line(1, "}");
    }

    private void groupSteps(int depth, int rows, int vectors) {
        int bytes = PanelFormat.F32.stepBytes();
        line(depth, "long o = at + (long) (first + k) * " + bytes + ";");
        line(depth, "int t = in + k;");
        line(depth, "FloatVector v, " + each(vectors, ", ", i -> "r" + i) + ";");
        for (int k = 0; k < MOST / (rows * vectors); k++) {
            for (int i = 0; i < vectors; i++) {
                String from = "o" + (k == 0 ? "" : " + " + bytes * k) + groupPlace(4, i);
                line(depth, "r" + i + " = fromMemorySegment(S, m, " + from + ", LE);");
            }
            for (int r = 0; r < rows; r++) {
                int row = r;
                int at = 32 * r + k;
                line(
                        depth,
                        "v = broadcast(S, xs[t" + (at == 0 ? "" : " + " + at) + "]); "
                                + each(vectors, " ", i -> acc(i, row) + " = v.fma(r" + i + ", " + acc(i, row) + ");"));
            }
        }
    }

    private interface Term {
        String add(String sum, int row, int vector);
    }

    /** Adds a term to each sum in memory, with one factor for each row. */
    private void numbers(int rows, int vectors, int factors, Term term) {
        for (int r = 0; r < rows; r++) {
            int row = r;
            String at = r == 0 ? "y" : "y + " + Panels.WIDTH * r;
            String sums = each(vectors, " ", i -> {
                String to = at + groupPlace(1, i);
                return term.add("fromArray(S, ys, " + to + ")", row, i) + ".intoArray(ys, " + to + ");";
            });
            line(3, "v = broadcast(S, fs[o" + (r + factors == 0 ? "" : " + " + (r + factors)) + "]); " + sums);
        }
    }

    private static String groupPlace(int times, int i) {
        return i == 0 ? "" : times == 1 ? place(PanelFormat.F32, i) : " + " + times * i + "L * W";
    }

    private static String tileWeight(PanelFormat format, int i) {
        return format == PanelFormat.F32 ? weight(format, 0, i) : String.valueOf(LETTERS.charAt(i));
    }

    private static String start(int r) {
        return "int y" + r + " = y.start(" + (r == 0 ? "row" : "Math.min(row + " + r + ", last)") + ") + out;";
    }
}
