package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.format.JsonConfig;
import dev.causal4j.format.JsonTree;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * The state of a run besides weights and moments. Immutable.
 *
 * @param step completed steps; the next batch begins at example {@code step * batchSize}
 * @param seed of dropout
 * @param batchSize sequences of a step
 * @param trained identity of the scope
 * @param data the name of the data
 * @param validationLoss the lowest held-out loss so far; empty if not measured
 * @param bestStep the step of the lowest loss
 * @param worseEvaluations evaluations since then
 */
record TrainingState(
        long step,
        long seed,
        int batchSize,
        String trained,
        String data,
        OptionalDouble validationLoss,
        long bestStep,
        int worseEvaluations) {
    private static final int VERSION = 1;

    static TrainingState start(TrainingOptions options) {
        return new TrainingState(
                0,
                options.seed(),
                options.batchSize(),
                options.scope().identity(),
                options.data(),
                OptionalDouble.empty(),
                0,
                0);
    }

    TrainingState nextStep() {
        return new TrainingState(step + 1, seed, batchSize, trained, data, validationLoss, bestStep, worseEvaluations);
    }

    TrainingState evaluated(double loss) {
        return validationLoss.isEmpty() || loss < validationLoss.getAsDouble()
                ? new TrainingState(step, seed, batchSize, trained, data, OptionalDouble.of(loss), step, 0)
                : new TrainingState(
                        step, seed, batchSize, trained, data, validationLoss, bestStep, worseEvaluations + 1);
    }

    /** The step whose checkpoint is the one to publish. */
    long stepToPublish() {
        return validationLoss.isPresent() ? bestStep : step;
    }

    byte[] toJson() {
        Map<String, Object> json = JsonTree.object(
                "version", VERSION,
                "step", Long.toString(step), // strings: JSON's numbers end at 2^53
                "seed", Long.toString(seed),
                "batch_size", batchSize,
                "trained", trained,
                "data", data);
        validationLoss.ifPresent(loss -> json.put("validation_loss", Double.toString(loss)));
        json.put("best_step", Long.toString(bestStep));
        json.put("worse_evaluations", worseEvaluations);
        return JsonTree.write(json);
    }

    static TrainingState from(JsonConfig json, String subject) throws FormatException {
        json.requireInt("version", VERSION, VERSION);
        OptionalDouble loss = json.has("validation_loss")
                ? OptionalDouble.of(finite(json, "validation_loss", subject))
                : OptionalDouble.empty();
        TrainingState state = new TrainingState(
                integer(json, "step", 0, subject),
                integer(json, "seed", Long.MIN_VALUE, subject),
                json.requireInt("batch_size", 1, Integer.MAX_VALUE),
                json.requireString("trained"),
                json.requireString("data"),
                loss,
                integer(json, "best_step", 0, subject),
                json.requireInt("worse_evaluations", 0, Integer.MAX_VALUE));
        if (state.bestStep > state.step) {
            throw wrong(subject, "best_step", "at most the step " + state.step, Long.toString(state.bestStep));
        }
        return state;
    }

    private static long integer(JsonConfig json, String key, long least, String subject) throws FormatException {
        String text = json.requireString(key);
        try {
            long value = Long.parseLong(text);
            if (value >= least) {
                return value;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw wrong(subject, key, "an integer of at least " + least, FormatException.quote(text));
    }

    private static double finite(JsonConfig json, String key, String subject) throws FormatException {
        String text = json.requireString(key);
        try {
            double value = Double.parseDouble(text);
            if (Double.isFinite(value)) {
                return value;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw wrong(subject, key, "a finite number", FormatException.quote(text));
    }

    private static FormatException wrong(String subject, String key, String expected, String got) {
        return new FormatException(subject + ", key \"" + key + "\"", expected, got, "resume from another checkpoint");
    }
}
