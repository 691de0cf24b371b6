package dev.causal4j.generation;

import java.util.Locale;

/** Why a sequence ended. */
public enum FinishReason {
    /** It has as many new tokens as were asked for, or fills the context. */
    LENGTH,
    /** Its text reached a stop string. */
    STOP,
    /** The model ended it with an end-of-sequence token. */
    EOS,
    /** The listener wanted no more of it. */
    CANCELLED;

    /** The word for it in JSON. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
