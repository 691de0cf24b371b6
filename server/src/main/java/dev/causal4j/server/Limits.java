package dev.causal4j.server;

/**
 * The bounds of resources that a client of the server meets, except those of {@link ServerOptions}. The guide "Serving" lists
 * them under these names, and {@code LimitsTest} compares the numbers. Bounds of templates, JSON and constraints stand where
 * their work is done: {@code Untrusted} and {@code Rendering} of chat, {@code Json}, {@code Limits} of constraint.
 */
final class Limits {
    // Input

    static final int BODY_BYTES = 8 << 20;
    /** Of all bodies that are not whole yet. */
    static final int UNFINISHED_BYTES = 64 << 20;
    /** Of all bodies whose requests are answered, and of one caller's that has no other. */
    static final int ANSWERED_BYTES = 32 << 20;

    static final int ALWAYS_ANSWERED_BYTES = 1 << 20;
    static final int UNFINISHED_BODIES = 1024;
    static final int UNFINISHED_BODIES_OF_ADDRESS = 64;
    static final int HEAD_BYTES = 16 << 10;
    static final int HEADERS = 100;
    /** Sizes of chunks and trailers in a row: the data of a chunk ends the count. */
    static final int TRAILER_BYTES = 4096;
    /** Besides one for each request that may run or wait. */
    static final int CONNECTIONS = 1024;

    static final int CONNECTIONS_WAITING = 1024; // for the server to accept them

    // Seconds

    static final int HEAD_SECONDS = 20;
    static final int BODY_SECONDS = 30;
    static final int IDLE_SECONDS = 60;
    static final int STALL_SECONDS = 30;
    /** After these a client that reads nothing holds no place that others need. */
    static final int STALL_SECONDS_IF_FULL = 2;

    static final int PING_SECONDS = 15;
    static final int RETRY_SECONDS = 30;
    /** For a client to read an answer before its body is whole. */
    static final int LINGER_SECONDS = 2;
    /** For answers to end after the time to shut down is over. */
    static final int LAST_WORDS_SECONDS = 5;

    // A request

    /** Objects, lists and what is in them; as trees of Java they are up to fifty times as large as their text. */
    static final int JSON_VALUES = 1_100_000;
    /** Smaller bodies are read at once, larger ones in the background, where callers take turns. */
    static final int READ_AT_ONCE_BYTES = 64 << 10;

    static final int SEQUENCES = 256;
    static final int EMBEDDED_TEXTS = 2048;
    static final int CHOICES = 128; // n
    static final int BEST_OF = 20;
    static final int ALTERNATIVES = 20;
    static final int STOPS = 64;
    static final int STOP_CHARACTERS = 1024;
    static final int BIASES = 1024;
    static final int CACHE_SALT_CHARACTERS = 256; // kept pages keep it
    static final int MESSAGES = 4096;
    static final int MESSAGE_PARTS = 1024;
    static final int MESSAGE_CALLS = 128;
    static final int TOOLS = 512;
    /** JSON values of all tools: a request that waits keeps them. */
    static final int TOOL_VALUES = 16_384;

    /** Of all tokens of all choices, with alternatives. The new tokens of one sequence alone do not count. */
    static final int LOGPROBS = 1 << 18;
    /** That one of them counts among {@link #ANSWERED_BYTES}. */
    static final int LOGPROB_BYTES = 40;

    static final int TEXT_CHOICES = 20_000; // each an object, of all requests that wait for a compilation
    static final int TOKENIZED = 1 << 20; // characters, or tokens
    static final int DETOKENIZED_BYTES = 8 << 20;
    static final int TOKENIZED_WITH_PIECES = 1 << 16; // each an object
    /** Tokens of a sequence that may wait for a slow reader before the engine pauses it. */
    static final int UNSENT_TOKENS = 64;

    // All requests

    /** Of responses that are kept. */
    static final int KEPT_BYTES = 64 << 20;
    /** Log-probabilities of a response that is kept. */
    static final int KEPT_LOGPROBS = 1 << 14;
    /** Streams for programs that wait for models to come or go. */
    static final int MODEL_STREAMS = 16;
    /** Requests that wait for a compilation of their constraints. */
    static final int COMPILATIONS = 64;
    /** Of the constraints that requests use. */
    static final int CONSTRAINT_BYTES = 64 << 20;
    /** Of a constraint that a caller who uses no other always gets. */
    static final int ALWAYS_CONSTRAINT_BYTES = 4 << 20;

    private Limits() {}
}
