package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.generation.Draft;
import dev.causal4j.generation.Mark;
import dev.causal4j.generation.PrefixStore;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.receipt.Receipt;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Options of a {@link Server}. Immutable.
 *
 * @param host the address to listen at
 * @param port the port; 0 for any that is free
 * @param aliases names of the first model besides its own
 * @param parallel most sequences of a model at once
 * @param queue most requests that wait
 * @param cacheBytes most bytes of a model's keys and values that are cached for prompts with the same beginning
 * @param keys a client must have one of them; empty to ask for none. Prompts of different keys share nothing
 * @param origins pages that may call the server, besides this machine's; {@code *} for all
 * @param hostNames names of this machine in requests, besides localhost and addresses; {@code *} for all. A server beyond this
 *     machine that has keys accepts any
 * @param responses most that are kept for later requests
 * @param draft where guesses of next tokens come from, unless a request says so
 * @param store a folder for keys and values of prompts; null for none
 * @param mark the mark of all texts that are generated; empty for none
 * @param receipts signs the receipts that requests ask for; empty to give none
 * @param pooling how the vectors of texts are made, also of a model whose files do not say it; empty for theirs alone
 * @param shortens whether requests may ask for the first numbers of vectors of any model
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
        int responses,
        Draft draft,
        @Nullable PrefixStore store,
        Optional<Mark> mark,
        Optional<UnaryOperator<Receipt>> receipts,
        Optional<Pooling> pooling,
        boolean shortens,
        Consumer<Answered> log) {
    /** As browsers send it; they send null for a page without one. */
    private static final Pattern ORIGIN = Pattern.compile("\\*|null|[a-z][a-z0-9+.-]*://[^/\\s\\p{Lu}]+");

    /** This machine alone, port 8080, 16 sequences at once, 128 requests that wait, 512 MB of keys and values. */
    public static final ServerOptions DEFAULT = new Fields().options();

    /**
     * A request that was answered.
     *
     * @param id that the answer had as {@code x-request-id}
     * @param method such as POST
     * @param path without a query
     * @param model that it asked; empty if the server has one model, or it asked none
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
            String model,
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
        check(responses >= 0, "responses: expected at least 0, got " + responses);
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
        return with(all -> {
            all.host = newHost;
            all.port = newPort;
        });
    }

    /** These options with other names of the first model. */
    public ServerOptions withAliases(List<String> names) {
        return with(all -> all.aliases = names);
    }

    /** These options with other bounds of sequences at once and of requests that wait. */
    public ServerOptions withBounds(int sequences, int requests) {
        return with(all -> {
            all.parallel = sequences;
            all.queue = requests;
        });
    }

    /** These options with another size of the prefix cache. */
    public ServerOptions withCacheBytes(long bytes) {
        return with(all -> all.cacheBytes = bytes);
    }

    /** These options with other keys. */
    public ServerOptions withKeys(List<String> newKeys) {
        return with(all -> all.keys = newKeys);
    }

    /** These options with other origins of pages. */
    public ServerOptions withOrigins(List<String> pages) {
        return with(all -> all.origins = pages);
    }

    /** These options with other names of this machine. */
    public ServerOptions withHostNames(List<String> names) {
        return with(all -> all.hostNames = names);
    }

    /** These options with another bound of responses that are kept. */
    public ServerOptions withResponses(int most) {
        return with(all -> all.responses = most);
    }

    /** These options with another source of guesses. */
    public ServerOptions withDraft(Draft source) {
        return with(all -> all.draft = source);
    }

    /** These options with a folder for keys and values of prompts; null for none. */
    public ServerOptions withPrefixStore(@Nullable PrefixStore folder) {
        return with(all -> all.store = folder);
    }

    /** These options with a mark of all texts. */
    public ServerOptions withMark(Mark wanted) {
        return with(all -> all.mark = Optional.of(wanted));
    }

    /** These options with receipts for requests that ask for them. The model must have digests of its files. */
    public ServerOptions withReceipts(UnaryOperator<Receipt> signing) {
        return with(all -> all.receipts = Optional.of(signing));
    }

    /**
     * These options with a way to make vectors of texts for any model.
     *
     * @param shortened whether requests may ask for fewer numbers than the model has
     */
    public ServerOptions withPooling(Optional<Pooling> wanted, boolean shortened) {
        return with(all -> {
            all.pooling = wanted;
            all.shortens = shortened;
        });
    }

    /** These options with another listener for answered requests. */
    public ServerOptions withLog(Consumer<Answered> listener) {
        return with(all -> all.log = listener);
    }

    private ServerOptions with(Consumer<Fields> change) {
        Fields all = new Fields();
        all.host = host;
        all.port = port;
        all.aliases = aliases;
        all.parallel = parallel;
        all.queue = queue;
        all.cacheBytes = cacheBytes;
        all.keys = keys;
        all.origins = origins;
        all.hostNames = hostNames;
        all.responses = responses;
        all.draft = draft;
        all.store = store;
        all.mark = mark;
        all.receipts = receipts;
        all.pooling = pooling;
        all.shortens = shortens;
        all.log = log;
        change.accept(all);
        return all.options();
    }

    /** The values of options, to change one. Not thread-safe. */
    private static final class Fields {
        private String host = "127.0.0.1";
        private int port = 8080;
        private List<String> aliases = List.of();
        private int parallel = 16;
        private int queue = 128;
        private long cacheBytes = 512L << 20;
        private List<String> keys = List.of();
        private List<String> origins = List.of();
        private List<String> hostNames = List.of();
        private int responses = 1024;
        private Draft draft = Draft.OFF;
        private @Nullable PrefixStore store;
        private Optional<Mark> mark = Optional.empty();
        private Optional<UnaryOperator<Receipt>> receipts = Optional.empty();
        private Optional<Pooling> pooling = Optional.empty();
        private boolean shortens;
        private Consumer<Answered> log = _ -> {};

        private ServerOptions options() {
            return new ServerOptions(
                    host,
                    port,
                    aliases,
                    parallel,
                    queue,
                    cacheBytes,
                    keys,
                    origins,
                    hostNames,
                    responses,
                    draft,
                    store,
                    mark,
                    receipts,
                    pooling,
                    shortens,
                    log);
        }
    }
}
