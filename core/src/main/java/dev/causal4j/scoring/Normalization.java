package dev.causal4j.scoring;

/** By what the log-probability of a choice is divided, so that long choices can be compared with short ones. */
public enum Normalization {
    /** By nothing: the log-probability of the whole choice. Every further token makes a choice less likely. */
    SUM,
    /** By its tokens: the mean log-probability. */
    PER_TOKEN,
    /** By its bytes of UTF-8, which does not depend on how the tokenizer cuts it. Needs a tokenizer. */
    PER_BYTE
}
