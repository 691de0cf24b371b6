package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * The state of a run besides weights, moments and options. Immutable.
 *
 * @param step completed steps; the next batch begins at example {@code step * batchSize}
 * @param validationLoss the lowest held-out loss so far; empty if not measured
 * @param bestStep the step of the lowest loss
 * @param worseEvaluations evaluations since then
 */
record TrainingState(long step, OptionalDouble validationLoss, long bestStep, int worseEvaluations) {
    static final TrainingState START = new TrainingState(0, OptionalDouble.empty(), 0, 0);

    private static final int VERSION = 1;
    private static final String LOSS = "validation_loss";
    private static final String HEAD = "head";

    TrainingState nextStep() {
        return new TrainingState(step + 1, validationLoss, bestStep, worseEvaluations);
    }

    TrainingState evaluated(double loss) {
        return validationLoss.isEmpty() || loss < validationLoss.getAsDouble()
                ? new TrainingState(step, OptionalDouble.of(loss), step, 0)
                : new TrainingState(step, validationLoss, bestStep, worseEvaluations + 1);
    }

    /** The step whose checkpoint is the one to publish. */
    long stepToPublish() {
        return validationLoss.isPresent() ? bestStep : step;
    }

    /** The state, and the options that a resumed run must have, too. */
    byte[] toJson(TrainingOptions options) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("version", VERSION);
        json.put("step", Long.toString(step)); // strings: JSON's numbers end at 2^53
        json.put("seed", Long.toString(options.seed));
        json.put("batch_size", options.batchSize);
        json.put("trained", options.scope.toString());
        json.put("data", options.data);
        if (!options.head.equals(HeadOptions.DEFAULT)) {
            json.put(HEAD, options.head.toString());
        }
        validationLoss.ifPresent(loss -> json.put(LOSS, Double.toString(loss)));
        json.put("best_step", Long.toString(bestStep));
        json.put("worse_evaluations", worseEvaluations);
        return Json.write(json);
    }

    /** Reads a state and checks that its run began with these options. */
    static TrainingState from(Json json, Path run, TrainingOptions options) throws FormatException {
        json.requireInt("version", VERSION, VERSION);
        long step = number(json, "step", Long::valueOf, value -> value >= 0, "an integer of at least 0");
        long seed = number(json, "seed", Long::valueOf, _ -> true, "an integer");
        int batchSize = json.requireInt("batch_size", 1, Integer.MAX_VALUE);
        String trained = json.requireString("trained");
        require(seed == options.seed, run, "a seed of " + seed, options.seed);
        require(batchSize == options.batchSize, run, "a batch size of " + batchSize, options.batchSize);
        require(trained.equals(options.scope.toString()), run, "to train " + trained, options.scope);
        boolean sameData = json.requireString("data").equals(options.data);
        require(sameData, run, "the data that the run began with", "other data");
        String head = json.string(HEAD, HeadOptions.DEFAULT.toString());
        require(head.equals(options.head.toString()), run, head, options.head);
        OptionalDouble loss = !json.has(LOSS)
                ? OptionalDouble.empty()
                : OptionalDouble.of(number(json, LOSS, Double::valueOf, Double::isFinite, "a finite number"));
        long best = number(json, "best_step", Long::valueOf, n -> n >= 0 && n <= step, "0 to the step " + step);
        return new TrainingState(step, loss, best, json.requireInt("worse_evaluations", 0, Integer.MAX_VALUE));
    }

    /** Reads the state of another run, whose step this one begins with, perhaps with other options of the head. */
    static TrainingState branch(Json json, Path run, TrainingOptions options) throws FormatException {
        Json own = json.with(Map.of(HEAD, options.head.toString()));
        return new TrainingState(from(own, run, options).step, OptionalDouble.empty(), 0, 0);
    }

    /** Throws unless {@code right}: the checkpoint belongs to another run. */
    static void require(boolean right, Object subject, String expected, Object got) throws FormatException {
        if (!right) {
            String remedy = "resume with the options the run began with";
            throw new FormatException(subject.toString(), expected, got.toString(), remedy);
        }
    }

    /** Reads a number that is written as a string. */
    private static <N> N number(Json json, String key, Function<String, N> parse, Predicate<N> right, String expected)
            throws FormatException {
        Optional<N> number = Optional.empty();
        try {
            number = Optional.of(parse.apply(json.requireString(key))).filter(right);
        } catch (NumberFormatException e) {
            // reported below
        }
        json.check(key, number.isPresent(), expected);
        return number.orElseThrow();
    }
}
