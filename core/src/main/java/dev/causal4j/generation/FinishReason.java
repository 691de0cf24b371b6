package dev.causal4j.generation;

/** Why a sequence ended. */
public enum FinishReason {
    /** It has as many new tokens as were asked for, or fills the context. */
    LENGTH("length"),
    /** Its text reached a stop string. */
    STOP("stop"),
    /** The model ended it with an end-of-sequence token. */
    EOS("eos"),
    /** The caller wanted no more of it. */
    CANCELLED("cancelled");

    private final String label;

    FinishReason(String label) {
        this.label = label;
    }

    /** The word for it in JSON. */
    public String label() {
        return label;
    }
}
