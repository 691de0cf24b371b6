package dev.causal4j.flight;

import java.util.function.Supplier;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/**
 * A piece of work. If the flight recorder was initialized when the work was declared, it is an event. Otherwise it is
 * nothing, since the first event takes the recorder some 70 ms. Not thread-safe.
 */
public final class Work {
    private final @Nullable Done event;

    private Work(@Nullable Done event) {
        this.event = event;
    }

    /** Declares a piece of work of a kind. */
    public static Work of(Supplier<? extends Done> kind) {
        return new Work(FlightRecorder.isInitialized() ? kind.get() : null);
    }

    /** Begins it. */
    public void begin() {
        if (event != null) {
            event.begin();
        }
    }

    /** Ends it. */
    public void end(String model, long tokens, double seconds) {
        if (event != null) {
            event.model = model;
            event.tokens = tokens;
            event.seconds = seconds;
            event.commit();
        }
    }

    /** The event of a piece of work. */
    @Category("Causal4j")
    @StackTrace(false)
    public abstract static class Done extends Event {
        @Label("Model")
        String model = "";

        @Label("Tokens")
        @Description("Tokens that were computed")
        long tokens;

        @Label("Seconds")
        @Description(
                "Seconds of the steps that computed it, perhaps together with others; the duration includes waiting")
        double seconds;
    }

    /** Loading a checkpoint; tokens are 0. */
    @Name("dev.causal4j.Load")
    @Label("Load")
    public static final class Load extends Done {}

    /** The prompt of a sequence, from its submission to its first new token. */
    @Name("dev.causal4j.Prefill")
    @Label("Prefill")
    public static final class Prefill extends Done {}

    /** The tokens of a sequence after the first new one. */
    @Name("dev.causal4j.Decode")
    @Label("Decode")
    public static final class Decode extends Done {}

    /** A sequence that was scored, from its submission on. */
    @Name("dev.causal4j.Score")
    @Label("Score")
    public static final class Score extends Done {}

    /** A step of training. */
    @Name("dev.causal4j.Train")
    @Label("Train")
    public static final class Train extends Done {}
}
