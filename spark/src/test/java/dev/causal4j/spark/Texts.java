package dev.causal4j.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Texts to test with: lines of Jane Austen's Emma, whole and mixed, and every hundredth a paragraph longer than a context. */
final class Texts {
    private static final int PARAGRAPH = 25; // lines

    private static final StructType SCHEMA =
            new StructType().add("id", DataTypes.LongType).add("text", DataTypes.StringType);

    private static final List<String> LINES = lines();

    private Texts() {}

    private static List<String> lines() {
        try (InputStream in = Objects.requireNonNull(Texts.class.getResourceAsStream("/emma.txt"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<String> of(int count) {
        return IntStream.range(0, count).mapToObj(Texts::text).toList();
    }

    private static String text(int i) {
        int n = LINES.size();
        if (i % 100 == 50) {
            int from = i % (n - PARAGRAPH);
            return String.join(" ", LINES.subList(from, from + PARAGRAPH));
        }
        String line = LINES.get(i % n);
        String other = LINES.get((7 * i + 3) % n);
        return i < n ? line : line.substring(0, line.length() / 2) + other.substring(other.length() / 2);
    }

    /** Rows with an id, from 0, and a text. */
    static Dataset<Row> dataset(SparkSession spark, List<String> texts, int partitions) {
        List<Row> rows = IntStream.range(0, texts.size())
                .mapToObj(i -> RowFactory.create((long) i, texts.get(i)))
                .toList();
        return spark.createDataFrame(rows, SCHEMA).repartition(partitions);
    }
}
