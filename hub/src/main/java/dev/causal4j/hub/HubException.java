package dev.causal4j.hub;

import dev.causal4j.FormatException;
import java.io.IOException;

/** A model cannot be fetched, and trying again at once would not help. The message is one line and has no token. */
public final class HubException extends IOException {
    private static final long serialVersionUID = 1;

    HubException(Object subject, String expected, String got, String remedy) {
        super(new FormatException(subject.toString(), expected, got, remedy).getMessage());
    }
}
