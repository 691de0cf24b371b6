package dev.causal4j.generation;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The times of an engine's steps by their rows, learnt from the steps. They decide how many prompt tokens and guesses a
 * step feeds, and no result. Not thread-safe.
 */
final class StepCosts {
    /** The fewest prompt tokens of a step, and of a sequence in it, if there is room. */
    static final int LEAST_ROWS = 32;

    /** The same beside other engines that decode: they may be of smaller models. */
    private static final int LEAST_BESIDE = 8;

    /** How long the prompt tokens of a step may take: another sequence may arrive at any time. */
    private static final double STEP_SECONDS = 0.1;

    /** Beside decoding sequences, prompt tokens may take this many times as long as a step without prompt tokens. */
    private static final double HOLD_UP = 1.5;

    /** The part of the time of one row that another row adds, until its time is known. */
    private static final double SHARE = 0.1;

    /** The part of the times of steps with more rows that a step leaves: a slow one would never be tried again. */
    private static final double KEPT = 0.999;

    // seconds of steps without prompt tokens, by their rows
    private final TreeMap<Integer, Double> plain = new TreeMap<>();
    private final TreeMap<Integer, Double> drafted;
    private final Steps steps;
    private double secondsPerRow; // of prompts
    private double besides; // seconds of prompts that steps of other engines allow; 0 if only this one decodes
    private double owed; // seconds in which others decode before the next step: the last one took more than its part
    private double saved; // seconds of prompt tokens that steps had room for, if only texts to embed wait; may be owed

    /**
     * @param isRecurrent whether steps with guesses also keep states, and so have costs of their own
     * @param steps of all engines that compute with the same threads
     */
    StepCosts(boolean isRecurrent, Steps steps) {
        this.steps = steps;
        drafted = isRecurrent ? new TreeMap<>() : plain;
    }

    /** Learns from a step. */
    void took(List<Sequence<?>> fed, double spent) {
        int prompts = fed.stream()
                .mapToInt(each -> each.promptRows + (each.claims() ? each.draft.length : 0))
                .sum();
        int rows = fed.stream().mapToInt(each -> each.rows).sum() - prompts;
        took(rows, prompts, fed.stream().anyMatch(each -> each.draft.length > 0), spent);
    }

    /**
     * Learns from a step.
     *
     * @param prompts its rows of prompt tokens
     * @param rows its other rows
     */
    void took(int rows, int prompts, boolean hasDraft, double spent) {
        if (prompts == 0) { // a single slow step proves little
            TreeMap<Integer, Double> seconds = hasDraft ? drafted : plain;
            double least = seconds.merge(rows, spent, (before, now) -> Math.min(now, 1.1 * before));
            seconds.tailMap(rows, false).replaceAll((_, known) -> Math.max(least, KEPT * known));
        } else {
            owed = besides > 0 && spent > besides ? spent / HOLD_UP : 0;
            saved -= spent - of(Math.max(1, rows), hasDraft);
            double each = (spent - (rows > 0 ? Math.min(of(rows, hasDraft), spent / 2) : 0)) / prompts;
            boolean proves = prompts >= LEAST_ROWS || each < secondsPerRow; // few rows: one costs no more than that
            secondsPerRow = proves ? each : secondsPerRow;
        }
    }

    /** Seconds to leave to other engines before a step: the fewest rows of the last one took more than their part. */
    double owed() {
        double pause = owed;
        owed = 0;
        return pause;
    }

    /**
     * The seconds of a step by its rows. A number of rows that no step had costs somewhat more than the next smaller
     * one that is known, and no more than the next larger one: the first row of a tile costs many times as much as its
     * others.
     */
    double of(int rows, boolean hasDraft) {
        TreeMap<Integer, Double> seconds = hasDraft && !drafted.isEmpty() ? drafted : plain;
        Map.Entry<Integer, Double> below = seconds.floorEntry(rows);
        Map.Entry<Integer, Double> above = seconds.ceilingEntry(rows);
        double most = above == null ? Double.MAX_VALUE : above.getValue();
        if (below == null) {
            return above == null ? STEP_SECONDS / HOLD_UP : most * share(rows) / share(above.getKey());
        }
        return Math.min(most, below.getValue() * share(rows) / share(below.getKey()));
    }

    private static double share(int rows) {
        return 1 + SHARE * (rows - 1);
    }

    /** Prompt tokens for the next step of these sequences, at most {@code most}: all of them where nobody waits for a token. */
    int rows(List<Sequence<?>> ready, int most) {
        boolean scores = ready.stream().noneMatch(each -> each instanceof GeneratedSequence && !each.claims());
        int decoding = (int)
                ready.stream().filter(each -> each.decodes() && !each.claims()).count();
        if (ready.isEmpty()) {
            steps.rest(this);
            return most;
        }
        boolean prompts = ready.size() > decoding;
        long embedded =
                ready.stream().filter(EmbeddedSequence.class::isInstance).count();
        return rows(decoding, prompts, scores, decoding > 0 && prompts && decoding + embedded == ready.size(), most);
    }

    /**
     * Prompt tokens for the next step. Engines that compute with the same threads share one time for them.
     *
     * @param decoding its sequences without prompts
     * @param prompts whether it has others
     * @param scores whether these are scored alone
     * @param saves whether nobody waits for their first token: if they hold up the others for long, steps save time for them
     */
    int rows(int decoding, boolean prompts, boolean scores, boolean saves, int most) {
        Steps.Load all = steps.plan(this, decoding > 0 ? of(decoding, false) : 0, prompts);
        boolean alone = all.engines() == 1;
        double room = all.decoding() > 0 ? Math.min(STEP_SECONDS, HOLD_UP * all.decoding()) : STEP_SECONDS;
        room /= Math.max(1, all.prompting());
        besides = decoding == 0 && all.decoding() > 0 ? room : 0;
        double longest = LEAST_ROWS * secondsPerRow;
        saved = saves ? Math.min(saved + room, Math.max(room, longest)) : 0;
        if (saves && saved < longest) {
            return 0;
        }
        room = saves ? saved : room;
        if (alone && (scores || secondsPerRow == 0)) {
            return most;
        }
        if (secondsPerRow == 0) {
            return Math.min(most, LEAST_ROWS);
        }
        int least = alone || all.decoding() == 0 ? LEAST_ROWS : LEAST_BESIDE;
        return Math.min(most, Math.max(least, (int) (room / secondsPerRow)));
    }
}
