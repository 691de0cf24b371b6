package dev.causal4j.springai;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.document.Document;
import org.springframework.ai.document.MetadataMode;

/** Translates what Spring AI says to the engine's terms, and back. */
final class Translation {
    /** The name of these models in observations. */
    static final String PROVIDER = "causal4j";

    private Translation() {}

    /** Checks that an option is ours, if it is set. */
    static void require(String subject, @Nullable Object own, @Nullable Object asked) {
        if (asked != null && !asked.equals(own)) {
            throw new IllegalArgumentException(subject + ": expected " + own
                    + ", since others are not supported here, got " + asked + "; leave it out");
        }
    }

    static String text(Document document, MetadataMode mode) {
        if (document.getText() == null) {
            throw new IllegalArgumentException("document: expected text, since media are not supported, got none");
        }
        return mode == MetadataMode.NONE // formatted it would begin with two line ends
                ? Objects.requireNonNull(document.getText())
                : document.getFormattedContent(mode);
    }
}
