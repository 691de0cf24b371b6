package dev.causal4j.spark;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.scoring.Evaluation;
import dev.causal4j.scoring.EvaluationListener;
import dev.causal4j.scoring.EvaluationOptions;
import dev.causal4j.scoring.EvaluationResult;
import dev.causal4j.scoring.Responder;
import dev.causal4j.spark.Operation.Arguments;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;

/**
 * A causal language model for the rows of Datasets: each operation adds a column and keeps all others, and the order of the
 * rows in each partition. Immutable and thread-safe; nothing is loaded until Spark runs the job.
 *
 * <p>The new column is a struct whose field {@code error} says why a row has no result; a null is such a reason.
 *
 * @param model where executors find it
 * @param batchRows rows of a task that are under way at once
 * @param tokens counts what was scored or generated, tasks that are run again twice; null to count nothing
 */
public record SparkCausalLM(
        ModelSource model, int batchRows, @Nullable LongAccumulator tokens) implements Serializable {
    /** Fewer cost a fifth of the speed at 32; more bring nothing. */
    private static final int BATCH_ROWS = 128;

    private static final String SEED = "__causal4j_seed";
    private static final String JSON = "json";

    /** @throws IllegalArgumentException if there is less than one row in a batch */
    public SparkCausalLM {
        if (batchRows < 1) {
            throw new IllegalArgumentException("batch-rows: expected a whole number >= 1, got " + batchRows);
        }
    }

    /** A model with the default batch. */
    public static SparkCausalLM of(ModelSource model) {
        return new SparkCausalLM(model, BATCH_ROWS, null);
    }

    /** This model with another number of rows that a task computes at once. */
    public SparkCausalLM withBatchRows(int rows) {
        return new SparkCausalLM(model, rows, tokens);
    }

    /** This model, with an accumulator of the session that counts its tokens. */
    public SparkCausalLM withTokens(LongAccumulator counter) {
        return new SparkCausalLM(model, batchRows, counter);
    }

    /**
     * Adds {@code score}: {@code nll}, {@code tokens} and {@code bytes} that were scored, {@code perplexity}, {@code
     * bits_per_byte} and {@code error}. A text longer than the context is scored in windows.
     *
     * @throws IllegalArgumentException if the column is not there, or the new one is
     */
    public Dataset<Row> score(Dataset<Row> data, String textColumn) {
        return each(Operation.SCORE, data, List.of(textColumn), row -> new Arguments(row.getAs(textColumn), List.of()));
    }

    /**
     * Adds {@code log_probabilities}: for each token its {@code token_ids}, {@code pieces}, {@code logprobs} and {@code
     * ranks}, of which those of a first token are null, and {@code error}.
     *
     * @throws IllegalArgumentException as {@link #score}
     */
    public Dataset<Row> logProbabilities(Dataset<Row> data, String textColumn) {
        return each(
                Operation.LOG_PROBABILITIES,
                data,
                List.of(textColumn),
                row -> new Arguments(row.getAs(textColumn), List.of()));
    }

    /**
     * Adds {@code ranking}: for each choice {@code logprob}, {@code logprob_per_token} and {@code logprob_per_byte}; the
     * indexes of the choices by the second of these, the likeliest first, in {@code order}; and {@code error}.
     *
     * @param choicesColumn an array of texts, each with the space before it
     * @throws IllegalArgumentException as {@link #score}
     */
    public Dataset<Row> rank(Dataset<Row> data, String promptColumn, String choicesColumn) {
        return each(
                Operation.RANK,
                data,
                List.of(promptColumn, choicesColumn),
                row -> new Arguments(row.getAs(promptColumn), row.getList(row.fieldIndex(choicesColumn))));
    }

    /**
     * Adds {@code generation}: {@code text}, {@code prompt_tokens}, new {@code tokens}, {@code finish_reason}, {@code seed}
     * and {@code error}. A row's seed is Spark's {@code xxhash64} of its key, so that no partitioning changes a text.
     *
     * @param settings for instance {@code options -> options.withMaxNewTokens(20)}
     * @param keyColumns what a row is known by, for instance an id; none for the prompt
     * @throws IllegalArgumentException as {@link #score}, or if an option is out of its range
     */
    public Dataset<Row> generate(
            Dataset<Row> data, String promptColumn, GenerationSettings settings, String... keyColumns) {
        return generate(Operation.GENERATE, data, promptColumn, settings, null, keyColumns);
    }

    /**
     * Adds {@code extraction}: a {@code value} of a type, {@code prompt_tokens}, new {@code tokens}, {@code lost_logprob} (how
     * much the type bent the model, if log-probabilities are asked for), {@code seed} and {@code error}. The model writes a
     * JSON document that the type allows; one that does not end within the most new tokens is an error. Seeds are those of
     * {@link #generate}.
     *
     * @param type of strings, booleans, numbers, dates, timestamps, and arrays, maps from strings and structs of them; what
     *     is not nullable is always there
     * @throws IllegalArgumentException as {@link #generate}, or if the type has others
     */
    public Dataset<Row> extract(
            Dataset<Row> data,
            String promptColumn,
            StructType type,
            GenerationSettings settings,
            String... keyColumns) {
        String column = Operation.EXTRACT.column;
        Dataset<Row> documents = extract(data, promptColumn, SchemaOfType.json(type), settings, keyColumns);
        Column document = functions.col(column);
        Column[] fields = Arrays.stream(Operation.EXTRACT.type.fieldNames())
                .map(name -> name.equals(JSON)
                        ? functions.from_json(document.getField(JSON), type).as("value")
                        : document.getField(name).as(name))
                .toArray(Column[]::new);
        return documents.withColumn(column, functions.struct(fields));
    }

    /**
     * Adds {@code extraction} with the document as {@code json}, as {@link #extract(Dataset, String, StructType,
     * GenerationSettings, String...)} does.
     *
     * @param schema a JSON Schema
     * @throws IllegalArgumentException as there, or if the schema is refused
     */
    public Dataset<Row> extract(
            Dataset<Row> data, String promptColumn, String schema, GenerationSettings settings, String... keyColumns) {
        Constraint.schema(schema).ignored(); // refused here and not in every row
        return generate(Operation.EXTRACT, data, promptColumn, settings, schema, keyColumns);
    }

    private Dataset<Row> generate(
            Operation operation,
            Dataset<Row> data,
            String promptColumn,
            GenerationSettings settings,
            @Nullable String schema,
            String... keyColumns) {
        var _ = settings.apply(GenerationOptions.DEFAULT); // refused here and not in every row
        Column[] key = (keyColumns.length == 0 ? Stream.of(promptColumn) : Arrays.stream(keyColumns))
                .map(data::col)
                .toArray(Column[]::new);
        return each(
                        operation,
                        data.withColumn(SEED, functions.xxhash64(key)),
                        List.of(promptColumn),
                        row -> new Arguments(
                                row.getAs(promptColumn), List.of(), settings, row.<Long>getAs(SEED), schema))
                .drop(SEED);
    }

    /**
     * Evaluates tasks: executors compute the responses; documents, draws and figures are here. Figures and digests are those
     * of {@link Evaluation#run(dev.causal4j.model.CausalLM, EvaluationOptions, EvaluationListener)} for each number of
     * partitions.
     *
     * @throws dev.causal4j.InputException if a document has no request
     */
    public EvaluationResult evaluate(
            SparkSession session,
            Evaluation evaluation,
            EvaluationOptions options,
            EvaluationListener listener,
            int partitions) {
        Responder executors = new SparkResponder(session, model, batchRows, partitions, options.maxLength());
        return evaluation.run(executors, options, listener);
    }

    /** The columns that an operation reads in a row. */
    @FunctionalInterface
    private interface Reading extends Serializable {
        Arguments of(Row row);
    }

    private Dataset<Row> each(Operation operation, Dataset<Row> data, List<String> columns, Reading reading) {
        StructType schema = data.schema();
        List<String> names = List.of(schema.fieldNames());
        for (int i = 0; i < columns.size(); i++) {
            String column = columns.get(i);
            String expected = operation.inputs.apply(i).dataType().catalogString();
            String got = names.contains(column)
                    ? schema.apply(column).dataType().catalogString()
                    : "columns " + String.join(", ", names);
            if (!got.equals(expected)) {
                throw new IllegalArgumentException(
                        "column " + column + ": expected one of type " + expected + ", got " + got);
            }
        }
        if (names.contains(operation.column)) {
            throw new IllegalArgumentException(
                    "column " + operation.column + ": expected no such column, got one; rename it");
        }
        MapPartitionsFunction<Row, Row> results = rows -> {
            TaskContext task = TaskContext.get();
            ExecutorModel executor = ExecutorModel.of(model, task);
            return new RowsInOrder(
                    rows,
                    batchRows,
                    row -> with(
                            row,
                            operation.apply(
                                    executor, () -> reading.of(complete(row, columns)), () -> !task.isInterrupted())),
                    task);
        };
        return data.mapPartitions(results, Encoders.row(schema.add(operation.column, operation.type)));
    }

    private static Row complete(Row row, List<String> columns) {
        for (String column : columns) {
            if (row.isNullAt(row.fieldIndex(column))) {
                throw new IllegalArgumentException(column + ": expected a value, got null");
            }
        }
        return row;
    }

    private Row with(Row row, Operation.Result result) {
        @Nullable Object[] values = new @Nullable Object[row.size() + 1];
        for (int i = 0; i < row.size(); i++) {
            values[i] = row.get(i);
        }
        values[row.size()] = RowFactory.create(result.values());
        if (tokens != null) {
            synchronized (tokens) { // rows of a task are under way together; each task has its own copy
                tokens.add(result.tokens());
            }
        }
        return RowFactory.create(values);
    }
}
