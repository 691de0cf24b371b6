package dev.causal4j.spark;

import dev.causal4j.InputException;
import dev.causal4j.json.Json;
import dev.causal4j.scoring.Evaluation.Answer;
import dev.causal4j.scoring.Request;
import dev.causal4j.scoring.Responder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Asks the executors: documents travel as JSON, and so do their answers, in which each double comes back as it was.
 *
 * @param model where executors find it
 * @param batch documents that a task computes together
 */
record SparkResponder(SparkSession session, ModelSource model, int batch, int partitions, int maxLength)
        implements Responder {
    private static final int MOST_DOCUMENTS = 1 << 14;
    private static final StructType ASKED = StructType.fromDDL("id int, name string, requests string");
    private static final StructType ANSWERED =
            StructType.fromDDL("id int, answers string, tokens array<string>, bits string, error string");

    @Override
    public int mostDocuments() {
        return MOST_DOCUMENTS;
    }

    @Override
    public List<Answer> respond(List<List<Request>> documents, List<String> names) {
        List<Row> asked = IntStream.range(0, documents.size())
                .mapToObj(i -> RowFactory.create(i, names.get(i), json(arguments(documents.get(i)))))
                .toList();
        ModelSource source = model;
        int most = batch;
        int length = maxLength;
        MapPartitionsFunction<Row, Row> computing = rows -> answered(source, length, most, rows);
        List<Row> answered = new ArrayList<>(session.createDataFrame(asked, ASKED)
                .repartition(partitions)
                .mapPartitions(computing, Encoders.row(ANSWERED))
                .collectAsList());
        answered.sort(Comparator.comparingInt(row -> row.getInt(0)));
        List<Answer> answers = new ArrayList<>();
        for (Row each : answered) {
            if (!each.isNullAt(4)) {
                throw new InputException(each.getString(4));
            }
            answers.add(new Answer(values(each.getString(1)), each.getList(2), each.getString(3)));
        }
        return answers;
    }

    private static List<?> arguments(List<Request> requests) {
        return requests.stream().map(Request::arguments).toList();
    }

    private static Iterator<Row> answered(ModelSource source, int length, int most, Iterator<Row> rows) {
        Responder responder = Responder.of(ExecutorModel.of(source, TaskContext.get()).engine, length);
        List<Row> answered = new ArrayList<>();
        while (rows.hasNext()) {
            List<Row> some = new ArrayList<>();
            while (rows.hasNext() && some.size() < most) {
                some.add(rows.next());
            }
            some.sort(Comparator.comparingInt(row -> row.getInt(0)));
            answered.addAll(answered(responder, some));
        }
        return answered.iterator();
    }

    private static List<Row> answered(Responder responder, List<Row> rows) {
        @Nullable String error = null;
        List<Answer> answers = List.of();
        try {
            answers = responder.respond(
                    rows.stream().map(row -> requests(row.getString(2))).toList(),
                    rows.stream().map(row -> row.getString(1)).toList());
        } catch (InputException e) {
            error = e.getMessage();
        }
        List<Row> answered = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            int id = rows.get(i).getInt(0);
            Answer answer = error == null ? answers.get(i) : new Answer(List.of(), List.of(), "");
            String[] tokens = answer.tokenBits().toArray(String[]::new);
            answered.add(RowFactory.create(id, json(answer.values()), tokens, answer.bits(), error));
        }
        return answered;
    }

    private static List<Request> requests(String json) {
        return values(json).stream().map(each -> Request.of((List<?>) each)).toList();
    }

    private static String json(Object value) {
        return new String(Json.write(value), StandardCharsets.UTF_8);
    }

    @SuppressWarnings("unchecked") // what json wrote
    private static List<Object> values(String json) {
        try {
            return (List<Object>) Objects.requireNonNull(Json.value("row", json.getBytes(StandardCharsets.UTF_8)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
