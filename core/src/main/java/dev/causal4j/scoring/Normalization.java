package dev.causal4j.scoring;

/** The divisor of a choice's log-probability, so that long and short choices can be compared. */
public enum Normalization {
    /** None: the log-probability of the whole choice. It favours short choices. */
    SUM,
    /** Tokens: the mean log-probability. */
    PER_TOKEN,
    /** Bytes of UTF-8, independent of how the tokenizer splits it. Needs a tokenizer. */
    PER_BYTE
}
