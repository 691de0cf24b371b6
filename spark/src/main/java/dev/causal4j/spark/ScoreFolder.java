package dev.causal4j.spark;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Observation;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;

/**
 * A job for {@code spark-submit}: scores the texts of a folder of Parquet or JSON Lines files into another folder, whose rows
 * have all columns of the first and {@code score}. Prints the sums; a problem is one line on standard error, and the exit
 * status is 1.
 */
public final class ScoreFolder {
    private static final List<String> NAMES = List.of(
            "--input", "--output", "--format", "--text-column", "--model", "--dtype", "--partitions", "--overwrite");
    private static final String OVERWRITE = NAMES.getLast();
    private static final String SUMS = "format_string('%d texts, %d failed; %d tokens, perplexity %s', count(1),"
            + " count(score.error), coalesce(sum(score.tokens), 0), exp(sum(score.nll) / sum(score.tokens)))";

    private ScoreFolder() {}

    /** Runs the job in the session that {@code spark-submit} sets up. */
    public static void main(String[] args) {
        try {
            System.out.println(
                    run(SparkSession.builder().appName("Causal4j score").getOrCreate(), args));
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }

    /**
     * Scores a folder.
     *
     * @return the sums, in one line
     * @throws IllegalArgumentException if an argument is not known or missing, the output is there and not to be
     *     overwritten, or the job fails
     */
    static String run(SparkSession spark, String... args) {
        Map<String, String> options = options(args);
        String output = required(options, "--output");
        String format = matching(options, "--format", "parquet", "parquet|json", "parquet or json");
        int partitions = Integer.parseInt(matching(options, "--partitions", "0", "\\d{1,8}", "a number"));
        ModelSource model = ModelSource.of(options.getOrDefault("--model", ""), options.get("--dtype"));
        try {
            Dataset<Row> texts = spark.read().format(format).load(required(options, "--input"));
            Observation sums = new Observation("sums");
            SparkCausalLM.of(model)
                    .score(
                            partitions == 0 ? texts : texts.repartition(partitions),
                            options.getOrDefault("--text-column", "text"))
                    .observe(sums, functions.expr(SUMS).as("line"))
                    .write()
                    .format(format)
                    .mode(options.containsKey(OVERWRITE) ? SaveMode.Overwrite : SaveMode.ErrorIfExists)
                    .save(output);
            return String.valueOf(sums.getAsJava().get("line"));
        } catch (IllegalArgumentException e) {
            throw e;
        } catch (Exception e) { // Scala does not say which
            throw new IllegalArgumentException(problem(e, output), e);
        }
    }

    private static String problem(Exception failure, String output) {
        if (failure instanceof AnalysisException e && "PATH_ALREADY_EXISTS".equals(e.getCondition())) {
            return output + ": expected no such folder, got one, which is whole if it has a file _SUCCESS; name another"
                    + " or add " + OVERWRITE;
        }
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return "job: expected to end, got "
                + String.valueOf(cause.getMessage()).lines().findFirst().orElse("");
    }

    private static Map<String, String> options(String... args) {
        Map<String, String> options = new TreeMap<>();
        Deque<String> words = new ArrayDeque<>(List.of(args));
        while (!words.isEmpty()) {
            String name = words.removeFirst();
            String value = name.equals(OVERWRITE) ? "" : words.pollFirst();
            if (value == null || !NAMES.contains(name) || options.put(name, value) != null) {
                throw new IllegalArgumentException(
                        name + ": expected once, with its value, one of " + String.join(" ", NAMES));
            }
        }
        return options;
    }

    private static String required(Map<String, String> options, String name) {
        return matching(options, name, "", ".+", "a folder");
    }

    private static String matching(
            Map<String, String> options, String name, String absent, String pattern, String expected) {
        String value = options.getOrDefault(name, absent);
        if (!value.matches(pattern)) {
            throw new IllegalArgumentException(name + ": expected " + expected + ", got \"" + value + '"');
        }
        return value;
    }
}
