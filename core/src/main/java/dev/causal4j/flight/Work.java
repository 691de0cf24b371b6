package dev.causal4j.flight;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/**
 * A piece of work as an event of the flight recorder. While nobody records, {@code begin} and {@code commit} do nothing;
 * they must be called on the classes below, which the recorder fills in. Not thread-safe.
 */
@Category("Causal4j")
@StackTrace(false)
public abstract class Work extends Event {
    @Label("Model")
    String model = "";

    @Label("Tokens")
    @Description("Tokens that were computed")
    long tokens;

    @Label("Seconds")
    @Description("Seconds of the steps that computed it, perhaps together with others; the duration includes waiting")
    double seconds;

    /** Fills in the event. */
    public final void did(String model, long tokens, double seconds) {
        this.model = model;
        this.tokens = tokens;
        this.seconds = seconds;
    }

    /** Loading a checkpoint; tokens are 0. */
    @Name("dev.causal4j.Load")
    @Label("Load")
    public static final class Load extends Work {}

    /** The prompt of a sequence, from its submission to its first new token. */
    @Name("dev.causal4j.Prefill")
    @Label("Prefill")
    public static final class Prefill extends Work {}

    /** The tokens of a sequence after the first new one. */
    @Name("dev.causal4j.Decode")
    @Label("Decode")
    public static final class Decode extends Work {}

    /** A sequence that was scored, from its submission on. */
    @Name("dev.causal4j.Score")
    @Label("Score")
    public static final class Score extends Work {}

    /** A step of training. */
    @Name("dev.causal4j.Train")
    @Label("Train")
    public static final class Train extends Work {}
}
