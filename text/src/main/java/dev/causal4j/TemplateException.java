package dev.causal4j;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A chat template is wrong, wants too much, or refuses a conversation. The message is one line that names the template
 * and its line.
 */
public final class TemplateException extends IllegalArgumentException {
    private static final int SHOWN = 500;

    private final @Nullable String refusal;

    /**
     * @param subject the template, and the place in it
     * @param expected what should be there
     * @param got what is there
     * @param remedy what to do about it
     */
    public TemplateException(String subject, String expected, String got, String remedy) {
        this(FormatException.line(subject, expected, got, remedy), null);
    }

    private TemplateException(String message, @Nullable String refusal) {
        super(message);
        this.refusal = refusal;
    }

    /** The template itself refuses the conversation, in its own words. */
    public static TemplateException refused(String subject, String refusal) {
        String got = '"' + (refusal.length() > SHOWN ? refusal.substring(0, SHOWN) + "..." : refusal) + '"';
        String message =
                FormatException.line(subject, "a conversation that the template accepts", got, "correct the messages");
        return new TemplateException(message, refusal);
    }

    /** The template's own words if it refuses the conversation: those it gives to {@code raise_exception}. */
    public Optional<String> refusal() {
        return Optional.ofNullable(refusal);
    }
}
