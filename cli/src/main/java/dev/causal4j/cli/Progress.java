package dev.causal4j.cli;

import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** A progress bar on standard error, if that is a terminal. Not thread-safe. */
final class Progress implements AutoCloseable {
    /** Whether standard error is a terminal; set by the launcher. */
    static final boolean TERMINAL = Boolean.getBoolean("causal4j.terminal");

    private static final int COLUMNS = 80;
    private static final int WIDE_COLUMNS = 130;

    /** Work that ends earlier needs no bar. */
    private static final long LATE_NANOS = 1_000_000_000;

    private @Nullable ProgressBar bar;
    private @Nullable ProgressBarBuilder late;
    private final long start = System.nanoTime();

    /** @param total total work in {@code unit}; -1 if unknown */
    Progress(String task, String unit, long total) {
        this(builder(task, unit, total, COLUMNS).hideEta());
    }

    private Progress(ProgressBarBuilder builder) {
        bar = TERMINAL ? builder.build() : null;
    }

    /** A bar that is shown after a second. */
    static Progress late(String task, String unit) {
        Progress progress = new Progress();
        progress.late = TERMINAL ? builder(task, unit, -1, COLUMNS).hideEta() : null;
        return progress;
    }

    private Progress() {}

    /** A bar for steps of equal duration, with room for a message. */
    static Progress withTimeLeft(String task, long steps) {
        return new Progress(builder(task, "steps", steps, WIDE_COLUMNS));
    }

    private static ProgressBarBuilder builder(String task, String unit, long total, int columns) {
        return new ProgressBarBuilder()
                .setTaskName(task)
                .setUnit(" " + unit, 1)
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.ASCII)
                .setConsumer(new ConsoleProgressBarConsumer(System.err, columns))
                .setUpdateIntervalMillis(200);
    }

    void at(long done) {
        if (bar != null) {
            bar.stepTo(done);
        }
    }

    void at(long done, long total) {
        if (late != null && System.nanoTime() - start > LATE_NANOS) {
            bar = late.build();
            late = null;
        }
        if (bar != null) {
            bar.maxHint(total);
            bar.stepTo(done);
        }
    }

    void at(long done, String message) {
        if (bar != null) {
            bar.setExtraMessage(message);
            bar.stepTo(done);
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
