package dev.causal4j.cli;

import java.time.Duration;
import java.util.function.Consumer;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** A progress bar on standard error, if that is a terminal. Not thread-safe. */
final class Progress implements AutoCloseable {
    /** Whether standard error is a terminal; set by the launcher. */
    static final boolean TERMINAL = Boolean.getBoolean("causal4j.terminal");

    /** Work that ends earlier needs no bar. */
    private static final long LATE_NANOS = 1_000_000_000;

    private final ProgressBarBuilder builder;
    private final long wait;
    private final long start = System.nanoTime();
    private @Nullable ProgressBar bar;

    private Progress(String task, String unit, long total, boolean timeLeft, long wait) {
        this.wait = wait;
        builder = new ProgressBarBuilder()
                .setTaskName(task)
                .setUnit(" " + unit, 1)
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.ASCII)
                .setConsumer(new ConsoleProgressBarConsumer(System.err, timeLeft ? 130 : 80))
                .setUpdateIntervalMillis(200);
        if (!timeLeft) {
            builder.hideEta();
        }
        show(_ -> {});
    }

    /** @param total total work in {@code unit}; -1 if unknown */
    Progress(String task, String unit, long total) {
        this(task, unit, total, false, 0);
    }

    /** A bar that is shown after a second. */
    static Progress late(String task, String unit) {
        return new Progress(task, unit, -1, false, LATE_NANOS);
    }

    /** A bar for steps of equal duration, with room for a message. */
    static Progress withTimeLeft(String task, long steps) {
        return new Progress(task, "steps", steps, true, 0);
    }

    /** The same for other work, of which a part may have been done before; shown after a second. */
    static Progress lateWithTimeLeft(String task, String unit) {
        return new Progress(task, unit, -1, true, LATE_NANOS);
    }

    private void show(Consumer<ProgressBar> change) {
        if (bar == null && TERMINAL && System.nanoTime() - start >= wait) {
            bar = builder.build();
        }
        if (bar != null) {
            change.accept(bar);
        }
    }

    void at(long done) {
        show(shown -> shown.stepTo(done));
    }

    void at(long done, long total) {
        show(shown -> shown.maxHint(total).stepTo(done));
    }

    void at(long done, long total, String message) {
        if (bar == null) {
            builder.startsFrom(done, Duration.ZERO); // so that what was there does not count as fast
        }
        show(shown -> shown.maxHint(total).setExtraMessage(message).stepTo(done));
    }

    void at(long done, String message) {
        show(shown -> shown.setExtraMessage(message).stepTo(done));
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
