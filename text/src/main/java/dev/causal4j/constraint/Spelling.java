package dev.causal4j.constraint;

/** How a constraint's text writes characters. */
enum Spelling {
    /** As they are. */
    RAW,
    /**
     * Inside a JSON string: quotes, backslashes and controls escaped, in the shortest way, the others as they are. Only
     * the case of hexadecimal digits is free.
     */
    PLAIN
}
