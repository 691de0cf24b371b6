package dev.causal4j.cli;

import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** How far long work is, on standard error and only if that is a terminal. Belongs to one command; not thread-safe. */
final class Progress implements AutoCloseable {
    /** Whether standard error is a terminal, which the launcher knows. */
    static final boolean TERMINAL = Boolean.getBoolean("causal4j.terminal");

    private static final int COLUMNS = 80;
    private static final int WIDE_COLUMNS = 130;

    private final @Nullable ProgressBar bar;

    /** @param total what is to be done, in {@code unit}; -1 if that is not known */
    Progress(String task, String unit, long total) {
        this(builder(task, unit, total, COLUMNS).hideEta());
    }

    private Progress(ProgressBarBuilder builder) {
        bar = TERMINAL ? builder.build() : null;
    }

    /** For steps that take about the same time each, with room for a message. */
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
