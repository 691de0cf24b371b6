package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * The state of a run besides weights and moments. Immutable.
 *
 * @param step completed steps; the next batch begins at example {@code step * batchSize}
 * @param run what stays when the run is resumed
 * @param validationLoss the lowest held-out loss so far; empty if not measured
 * @param bestStep the step of the lowest loss
 * @param worseEvaluations evaluations since then
 */
record TrainingState(long step, Run run, OptionalDouble validationLoss, long bestStep, int worseEvaluations) {
    private static final int VERSION = 1;
    private static final String LOSS = "validation_loss";

    /**
     * The options that a run keeps.
     *
     * @param seed of dropout
     * @param batchSize sequences of a step
     * @param trained the text of the scope
     * @param data the name of the data
     */
    record Run(long seed, int batchSize, String trained, String data) {
        static Run of(TrainingOptions.Builder options) {
            return new Run(options.seed, options.batchSize, options.scope.toString(), options.data);
        }
    }

    static TrainingState start(Run run) {
        return new TrainingState(0, run, OptionalDouble.empty(), 0, 0);
    }

    TrainingState nextStep() {
        return new TrainingState(step + 1, run, validationLoss, bestStep, worseEvaluations);
    }

    TrainingState evaluated(double loss) {
        return validationLoss.isEmpty() || loss < validationLoss.getAsDouble()
                ? new TrainingState(step, run, OptionalDouble.of(loss), step, 0)
                : new TrainingState(step, run, validationLoss, bestStep, worseEvaluations + 1);
    }

    /** The step whose checkpoint is the one to publish. */
    long stepToPublish() {
        return validationLoss.isPresent() ? bestStep : step;
    }

    byte[] toJson() {
        Map<String, Object> json = Json.object(
                "version",
                VERSION,
                "step",
                Long.toString(step), // strings: JSON's numbers end at 2^53
                "seed",
                Long.toString(run.seed),
                "batch_size",
                run.batchSize,
                "trained",
                run.trained,
                "data",
                run.data);
        validationLoss.ifPresent(loss -> json.put(LOSS, Double.toString(loss)));
        json.put("best_step", Long.toString(bestStep));
        json.put("worse_evaluations", worseEvaluations);
        return Json.write(json);
    }

    static TrainingState from(Json json) throws FormatException {
        json.requireInt("version", VERSION, VERSION);
        long step = number(json, "step", Long::valueOf, value -> value >= 0, "an integer of at least 0");
        Run run = new Run(
                number(json, "seed", Long::valueOf, _ -> true, "an integer"),
                json.requireInt("batch_size", 1, Integer.MAX_VALUE),
                json.requireString("trained"),
                json.requireString("data"));
        OptionalDouble loss = !json.has(LOSS)
                ? OptionalDouble.empty()
                : OptionalDouble.of(number(json, LOSS, Double::valueOf, Double::isFinite, "a finite number"));
        long best = number(json, "best_step", Long::valueOf, n -> n >= 0 && n <= step, "0 to the step " + step);
        return new TrainingState(step, run, loss, best, json.requireInt("worse_evaluations", 0, Integer.MAX_VALUE));
    }

    /** A number that is written as a string. */
    private static <N> N number(Json json, String key, Function<String, N> parse, Predicate<N> right, String expected)
            throws FormatException {
        Optional<N> number = Optional.empty();
        try {
            number = Optional.of(parse.apply(json.requireString(key))).filter(right);
        } catch (NumberFormatException e) {
            // said below
        }
        json.check(key, number.isPresent(), expected);
        return number.orElseThrow();
    }
}
