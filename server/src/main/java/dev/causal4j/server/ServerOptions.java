package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.generation.Draft;
import dev.causal4j.generation.PrefixStore;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Options of a {@link Server}. Immutable.
 *
 * @param host the address to listen at
 * @param port the port; 0 for any that is free
 * @param aliases names of the model besides its own
 * @param parallel most sequences at once
 * @param queue most requests that wait
 * @param cacheBytes most bytes of keys and values that are cached for prompts with the same beginning
 * @param keys a client must have one of them; empty to ask for none. Prompts of different keys share nothing
 * @param origins pages that may call the server, besides this machine's; {@code *} for all
 * @param hostNames names of this machine in requests, besides localhost and addresses; {@code *} for all. A server beyond this
 *     machine that has keys accepts any
 * @param draft where guesses of next tokens come from, unless a request says so
 * @param store a folder for keys and values of prompts; null for none
 * @param log receives each answered request, on the request's thread
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
        Draft draft,
        @Nullable PrefixStore store,
        Consumer<Answered> log) {
    /** As browsers send it; they send null for a page without one. */
    private static final Pattern ORIGIN = Pattern.compile("\\*|null|[a-z][a-z0-9+.-]*://[^/\\s\\p{Lu}]+");

    /** This machine alone, port 8080, 16 sequences at once, 128 requests that wait, 512 MB of keys and values. */
    public static final ServerOptions DEFAULT = new ServerOptions(
            "127.0.0.1",
            8080,
            List.of(),
            16,
            128,
            512L << 20,
            List.of(),
            List.of(),
            List.of(),
            Draft.OFF,
            null,
            _ -> {});

    /**
     * A request that was answered.
     *
     * @param id that the answer had as {@code x-request-id}
     * @param method such as POST
     * @param path without a query
     * @param status of the answer; 499 if the client was gone
     * @param seconds from the end of the request to the end of the answer
     * @param promptTokens of all prompts; 0 if it asked for no text
     * @param newTokens that were generated, also for a client that was gone
     * @param firstTokenSeconds from the end of the request to the first of them
     * @param reason the message of an error; empty if there was none
     */
    public record Answered(
            String id,
            String method,
            String path,
            int status,
            double seconds,
            int promptTokens,
            int newTokens,
            OptionalDouble firstTokenSeconds,
            String reason) {}

    /** @throws IllegalArgumentException if a number is out of its range, a text is blank, or an origin is malformed */
    public ServerOptions {
        check(port >= 0 && port <= 65_535, "port: expected 0 to 65535, got " + port);
        check(parallel >= 1, "parallel: expected at least 1, got " + parallel);
        check(queue >= 0, "queue: expected at least 0, got " + queue);
        check(cacheBytes >= 0, "cache bytes: expected at least 0, got " + cacheBytes);
        check(keys.stream().noneMatch(String::isBlank), "key: expected a text, got an empty one");
        check(aliases.stream().noneMatch(String::isBlank), "alias: expected a name, got an empty one");
        check(hostNames.stream().noneMatch(String::isBlank), "host-name: expected a name, got an empty one");
        for (String origin : origins) {
            String expected = "cors-origin: expected * or scheme://host, as https://example.com, in lower case, got ";
            check(ORIGIN.matcher(origin).matches(), expected + FormatException.quote(origin));
        }
        aliases = List.copyOf(aliases);
        keys = List.copyOf(keys);
        origins = List.copyOf(origins);
        hostNames = List.copyOf(hostNames);
    }

    private static void check(boolean right, String otherwise) {
        if (!right) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /** These options with another address. */
    public ServerOptions withAddress(String newHost, int newPort) {
        return new ServerOptions(
                newHost, newPort, aliases, parallel, queue, cacheBytes, keys, origins, hostNames, draft, store, log);
    }

    /** These options with other names of the model. */
    public ServerOptions withAliases(List<String> names) {
        return new ServerOptions(
                host, port, names, parallel, queue, cacheBytes, keys, origins, hostNames, draft, store, log);
    }

    /** These options with other bounds of sequences at once and of requests that wait. */
    public ServerOptions withBounds(int sequences, int requests) {
        return new ServerOptions(
                host, port, aliases, sequences, requests, cacheBytes, keys, origins, hostNames, draft, store, log);
    }

    /** These options with another size of the prefix cache. */
    public ServerOptions withCacheBytes(long bytes) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, bytes, keys, origins, hostNames, draft, store, log);
    }

    /** These options with other keys. */
    public ServerOptions withKeys(List<String> newKeys) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, cacheBytes, newKeys, origins, hostNames, draft, store, log);
    }

    /** These options with other origins of pages. */
    public ServerOptions withOrigins(List<String> pages) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, cacheBytes, keys, pages, hostNames, draft, store, log);
    }

    /** These options with other names of this machine. */
    public ServerOptions withHostNames(List<String> names) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, cacheBytes, keys, origins, names, draft, store, log);
    }

    /** These options with another source of guesses. */
    public ServerOptions withDraft(Draft source) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, cacheBytes, keys, origins, hostNames, source, store, log);
    }

    /** These options with a folder for keys and values of prompts; null for none. */
    public ServerOptions withPrefixStore(@Nullable PrefixStore folder) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, cacheBytes, keys, origins, hostNames, draft, folder, log);
    }

    /** These options with another listener for answered requests. */
    public ServerOptions withLog(Consumer<Answered> listener) {
        return new ServerOptions(
                host, port, aliases, parallel, queue, cacheBytes, keys, origins, hostNames, draft, store, listener);
    }
}
