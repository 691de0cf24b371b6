package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.generation.Engine;
import dev.causal4j.json.Sha256;
import dev.causal4j.scoring.Evaluation.Answer;
import dev.causal4j.scoring.Request.Continuation;
import dev.causal4j.scoring.Request.Rolling;
import dev.causal4j.scoring.Request.Until;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;

/** Computes what a model responds to the requests of documents. */
@FunctionalInterface
public interface Responder {
    /** Most requests of a document, each of which may encode a long context. */
    int MOST_REQUESTS = 8192;

    /**
     * The answers, in the order of the documents.
     *
     * @param documents the requests of each, all of one kind
     * @param names of the documents in messages
     */
    List<Answer> respond(List<List<Request>> documents, List<String> names);

    /** How many documents it is asked at once. */
    default int mostDocuments() {
        return 512;
    }

    /**
     * The model of an engine that responds.
     *
     * @param maxLength most tokens of an input; 0 for the context length
     */
    static Responder of(Engine engine, int maxLength) {
        LmEval eval = new LmEval(engine, maxLength == 0 ? engine.model().contextLength() : maxLength);
        return (documents, names) -> {
            Iterator<Answer> each = responses(eval, documents, names).iterator();
            return documents.stream()
                    .map(requests ->
                            joined(requests.stream().map(_ -> each.next()).toList()))
                    .toList();
        };
    }

    private static Answer joined(List<Answer> responses) {
        return new Answer(
                responses.stream().flatMap(each -> each.values().stream()).toList(),
                responses.stream().flatMap(each -> each.tokenBits().stream()).toList(),
                Evaluation.combined(responses.stream().map(Answer::bits).toList()));
    }

    /** An answer to each request. */
    private static List<Answer> responses(LmEval eval, List<List<Request>> documents, List<String> names) {
        for (int i = 0; i < documents.size(); i++) {
            if (documents.get(i).isEmpty() || documents.get(i).size() > MOST_REQUESTS) {
                throw new InputException(names.get(i) + ": expected 1 to " + MOST_REQUESTS + " requests, got "
                        + documents.get(i).size() + "; split them");
            }
        }
        return switch (documents.getFirst().getFirst()) {
            case Continuation _ -> continued(eval, documents, names);
            case Rolling _ ->
                eval.rolling(all(Rolling.class, documents).map(Rolling::text).toList(), ScoringListener.NONE).stream()
                        .map(each -> Answer.of(0 - each.totals().nll(), each.predictions(), each.bits()))
                        .toList();
            case Until _ -> generated(eval, all(Until.class, documents).toList());
        };
    }

    private static <T extends Request> Stream<T> all(Class<T> type, List<List<Request>> documents) {
        return documents.stream().flatMap(List::stream).map(each -> {
            if (!type.isInstance(each)) {
                throw new InputException("arguments: expected requests of one kind, got several; split them");
            }
            return type.cast(each);
        });
    }

    private static List<Answer> continued(LmEval eval, List<List<Request>> documents, List<String> names) {
        List<List<ScoringRequest>> encoded = new ArrayList<>();
        for (List<Request> document : documents) {
            List<ScoringRequest> requests = new ArrayList<>();
            all(Continuation.class, List.of(document)).forEach(each -> {
                String name = names.get(encoded.size()) + ", choice " + requests.size();
                requests.add(eval.request(name, each.context(), each.continuation()));
            });
            encoded.add(requests);
        }
        return eval.loglikelihood(encoded, ScoringListener.NONE).stream()
                .map(each ->
                        Answer.of(List.of(0 - each.totals().nll(), each.isGreedy()), each.predictions(), each.bits()))
                .toList();
    }

    /** Generates texts, neighbours with equal settings together. */
    private static List<Answer> generated(LmEval eval, List<Until> requests) {
        List<Answer> answers = new ArrayList<>();
        while (answers.size() < requests.size()) {
            Until first = requests.get(answers.size());
            List<String> prompts = requests.stream()
                    .skip(answers.size())
                    .takeWhile(each -> each.settings().equals(first.settings()))
                    .map(Until::prompt)
                    .toList();
            for (LmEval.Answer each : eval.generateUntil(prompts, first.stops(), first.most())) {
                ByteBuffer bytes = ByteBuffer.allocate(
                        (Integer.BYTES + Double.BYTES) * each.generation().tokens().length);
                for (int token : each.generation().tokens()) {
                    bytes.putInt(token);
                }
                each.generation().predictions().forEach(token -> bytes.putDouble(token.logProbability()));
                String bits = Sha256.NAME + Sha256.hex(bytes.array());
                answers.add(Answer.of(each.text(), each.generation().predictions(), bits));
            }
        }
        return answers;
    }
}
