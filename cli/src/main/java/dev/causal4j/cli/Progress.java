package dev.causal4j.cli;

import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Scanner;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;

/**
 * A progress bar on standard error, if that is a terminal. The reporting thread and the drawing thread may differ.
 */
final class Progress implements AutoCloseable {
    /** Whether standard error is a terminal. */
    static final boolean TERMINAL = Boolean.getBoolean(Streaming.ERRORS);

    /** A unit that is shown as kB, MB or GB. */
    static final String BYTES = "bytes";

    private static final int INTERVAL_MILLIS = 200;

    /** Work that ends earlier needs no bar. */
    private static final int LATE_MILLIS = 1000;

    private static final long SECOND = 1_000_000_000;

    /** Units until there is an estimate. */
    private static final int UNITS_TO_ESTIMATE = 3;

    private static final int LEAST_BAR = 12;

    /** Clears to the end of the screen, since a narrower window may have broken the line in two. */
    private static final String CLEAR =
            Optional.ofNullable(System.getenv("TERM")).orElse("dumb").equals("dumb") ? "" : "\033[J";

    /** The progress at a time. */
    private record Report(long done, long total, String message, long nanos) {}

    private final String task;
    private final String unit;
    private final long start = System.nanoTime();
    private final ScheduledExecutorService timer = // starts its thread with the first task
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().factory());
    private Report last;
    private @Nullable Report first; // of the last half or more: the first steps run while code is being compiled
    private @Nullable Report middle;
    private int columns;
    private volatile boolean resized = true;
    private boolean drawn;

    private Progress(String task, String unit, long total, long wait) {
        this.task = task;
        this.unit = unit;
        last = new Report(0, total, "", start);
        if (TERMINAL) {
            Signals.register("WINCH", () -> resized = true);
            var _ = timer.scheduleAtFixedRate(this::draw, wait, INTERVAL_MILLIS, TimeUnit.MILLISECONDS);
        }
    }

    /** @param total total work in {@code unit}; -1 if unknown */
    Progress(String task, String unit, long total) {
        this(task, unit, total, 0);
    }

    /** A bar that is shown after a second. */
    static Progress late(String task, String unit) {
        return new Progress(task, unit, -1, LATE_MILLIS);
    }

    void at(long done) {
        at(done, last.total, "");
    }

    /** Returns true, for a listener of work that continues. */
    boolean at(long done, long total) {
        at(done, total, "");
        return true;
    }

    void at(long done, String message) {
        at(done, last.total, message);
    }

    /** @param message facts, separated by commas, the most important one first */
    synchronized void at(long done, long total, String message) {
        last = new Report(done, total, message, System.nanoTime());
        if (middle == null) {
            middle = last;
        }
        if (first == null || done - middle.done >= middle.done - first.done + UNITS_TO_ESTIMATE) {
            first = middle;
            middle = last;
        }
    }

    /** Prints lines above the bar. */
    synchronized void above(Runnable lines) {
        boolean hides = drawn && Boolean.getBoolean(Streaming.TERMINAL);
        if (hides) {
            hide();
        }
        lines.run();
        if (hides) {
            draw();
        }
    }

    private void hide() {
        System.err.print("\r" + CLEAR + " ".repeat(columns - 1) + "\r");
    }

    synchronized void draw() {
        if (resized) {
            resized = false;
            columns = columns();
        }
        List<String> facts = new ArrayList<>(List.of(amount(last.done, last.total, unit), time()));
        if (!last.message.isEmpty()) {
            facts.addAll(List.of(last.message.split(", ")));
        }
        // The cursor goes back at once, so that the ^C of a terminal or a narrower window spoils no other line.
        double share = last.total > 0 ? (double) last.done / last.total : -1;
        System.err.print("\r" + CLEAR + line(task, share, facts, columns - 1) + "\r");
        drawn = true;
    }

    /** Time left if it can be estimated, else time since the start. */
    private String time() {
        long units = first == null ? 0 : last.done - first.done;
        if (first == null || units < UNITS_TO_ESTIMATE || last.done >= last.total) {
            return clock((System.nanoTime() - start) / SECOND);
        }
        double perUnit = (double) (last.nanos - first.nanos) / units;
        return clock(Math.round(perUnit * (last.total - last.done) / SECOND)) + " left";
    }

    private static String clock(long seconds) {
        String format = seconds < 3600 ? "%2$d:%3$02d" : "%d:%02d:%02d";
        return String.format(format, seconds / 3600, seconds / 60 % 60, seconds % 60);
    }

    static String amount(long done, long total, String unit) {
        if (!unit.equals(BYTES)) {
            return String.format(total > 0 ? "%,d/%,d %s" : "%1$,d %3$s", done, total, unit);
        }
        long most = Math.max(done, total);
        int power = most < 1e6 ? 1 : most < 1e9 ? 2 : 3;
        double size = Math.pow(1000, power);
        String format = total > 0 ? "%.1f/%.1f %cB" : "%1$.1f %3$cB";
        return String.format(format, done / size, total / size, " kMG".charAt(power));
    }

    /**
     * A line of exactly this width. Facts for which a short bar leaves no room are left out, the last ones first.
     *
     * @param share what is done of all; less than 0 if unknown, for no bar
     */
    static String line(String task, double share, List<String> facts, int width) {
        String head = share < 0 ? task + " " : String.format("%s %3d%% ", task, (int) (100 * share));
        int least = head.length() + (share < 0 ? 0 : LEAST_BAR);
        int count = facts.size();
        String tail = String.join(", ", facts);
        while (count > 1 && least + tail.length() > width) {
            tail = String.join(", ", facts.subList(0, --count));
        }
        int inside = width - head.length() - tail.length() - "[] ".length();
        String bar = "";
        if (share >= 0 && inside > 0) {
            String done = "=".repeat((int) (share * inside)) + ">";
            bar = "[" + fit(done, inside) + "] ";
        }
        return fit(head + bar + tail, width);
    }

    private static String fit(String text, int width) {
        return String.format("%-" + width + "." + width + "s", text);
    }

    /** Columns of the terminal; 80 if it does not tell. */
    private static int columns() {
        ProcessBuilder stty = new ProcessBuilder("stty", "size")
                .redirectInput(new File("/dev/tty"))
                .redirectError(ProcessBuilder.Redirect.DISCARD);
        try (Scanner size = new Scanner(stty.start().inputReader())) {
            int _ = size.nextInt(); // rows
            return Math.max(20, size.nextInt());
        } catch (IOException | RuntimeException e) {
            return 80; // not a Unix
        }
    }

    @Override
    public void close() {
        timer.close();
        if (drawn && last.done == 0) { // an error is more than this
            hide();
        } else if (drawn) {
            draw();
            System.err.println();
        }
    }
}
