package dev.causal4j.server;

import java.util.List;
import java.util.function.Consumer;

/**
 * Options of a {@link Server}. Immutable.
 *
 * @param host the address to listen at
 * @param port the port; 0 for any that is free
 * @param aliases names that the model answers to besides its own
 * @param parallel most sequences at once
 * @param queue most requests that wait
 * @param cacheBytes most bytes of keys and values kept for prompts that begin like earlier ones
 * @param keys any of which a client must have; empty for none. Prompts of different keys share nothing
 * @param origins of pages that may ask, besides this machine's; {@code *} for all
 * @param hostNames that requests may call this machine by, besides localhost and addresses; {@code *} for all. Beyond this
 *     machine, keys make them needless
 * @param log takes each request that was answered, on its thread
 */
public record ServerOptions(
        String host,
        int port,
        List<String> aliases,
        int parallel,
        int queue,
        long cacheBytes,
        List<String> keys,
        List<String> origins,
        List<String> hostNames,
        Consumer<Answered> log) {
    /** This machine alone, port 8080, 16 sequences at once, 128 requests that wait, 512 MB of keys and values. */
    public static final ServerOptions DEFAULT = new ServerOptions(
            "127.0.0.1", 8080, List.of(), 16, 128, 512L << 20, List.of(), List.of(), List.of(), _ -> {});

    /**
     * A request that was answered.
     *
     * @param id that the answer had as {@code x-request-id}
     * @param method such as POST
     * @param path without a query
     * @param status of the answer; 499 if the client was gone
     * @param seconds from the end of the request to the end of the answer
     */
    public record Answered(String id, String method, String path, int status, double seconds) {}

    /** @throws IllegalArgumentException if a number is out of its range */
    public ServerOptions {
        if (port < 0 || port > 65_535) {
            throw new IllegalArgumentException("port: expected 0 to 65535, got " + port);
        }
        if (parallel < 1 || queue < 0 || cacheBytes < 0) {
            throw new IllegalArgumentException(
                    "server: expected at least 1 sequence at once, 0 in the queue and 0 bytes," + " got " + parallel
                            + ", " + queue + " and " + cacheBytes);
        }
        if (keys.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException("key: expected a text, got an empty one");
        }
        aliases = List.copyOf(aliases);
        keys = List.copyOf(keys);
        origins = List.copyOf(origins);
        hostNames = List.copyOf(hostNames);
    }

    /** The same at another address. */
    public ServerOptions withAddress(String otherHost, int otherPort) {
        return new ServerOptions(
                otherHost, otherPort, aliases, parallel, queue, cacheBytes, keys, origins, hostNames, log);
    }

    /** The same with other bounds of what is computed and what waits. */
    public ServerOptions withBounds(int sequences, int requests) {
        return new ServerOptions(host, port, aliases, sequences, requests, cacheBytes, keys, origins, hostNames, log);
    }

    /** The same with names of this machine. */
    public ServerOptions withHostNames(List<String> others) {
        return new ServerOptions(host, port, aliases, parallel, queue, cacheBytes, keys, origins, others, log);
    }

    /** The same with keys. */
    public ServerOptions withKeys(List<String> others) {
        return new ServerOptions(host, port, aliases, parallel, queue, cacheBytes, others, origins, hostNames, log);
    }
}
