package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.json.Sha256;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.Methods;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Checks who may call the server: the Host that a request names, its Origin, and its key. Thread-safe. */
final class Access {
    /** Hosts that no DNS answer can redirect. */
    private static final Pattern ADDRESS =
            Pattern.compile("(localhost|\\d+(\\.\\d+){3}|\\[[0-9a-f:.]+])(:\\d+)?", Pattern.CASE_INSENSITIVE);

    private static final Pattern LOCAL_PAGE =
            Pattern.compile("https?://(localhost|127(\\.\\d+){3}|\\[::1])(:\\d+)?", Pattern.CASE_INSENSITIVE);
    private static final HttpString ALLOW_ORIGIN = HttpString.tryFromString("Access-Control-Allow-Origin");
    private static final HttpString EXPOSE_HEADERS = HttpString.tryFromString("Access-Control-Expose-Headers");
    private static final HttpString ALLOW_HEADERS = HttpString.tryFromString("Access-Control-Allow-Headers");
    private static final HttpString REQUEST_HEADERS = HttpString.tryFromString("Access-Control-Request-Headers");
    private static final HttpString ALLOW_METHODS = HttpString.tryFromString("Access-Control-Allow-Methods");
    private static final HttpString MAX_AGE = HttpString.tryFromString("Access-Control-Max-Age");
    private static final String BEARER = "Bearer ";

    private final List<String> names; // of this machine, in lower case
    private final boolean anyName;
    private final List<String> origins;
    private final List<byte[]> keys; // hashed, so that comparing takes the same time for all

    /** @param loopback whether only this machine can ask */
    Access(ServerOptions options, boolean loopback) {
        this.names = Stream.concat(Stream.of(options.host()), options.hostNames().stream())
                .map(name -> name.toLowerCase(Locale.ROOT))
                .toList();
        this.anyName = names.contains("*") || !(loopback || options.keys().isEmpty());
        this.origins = options.origins();
        this.keys = options.keys().stream().map(Access::digest).toList();
    }

    private static byte[] digest(String key) {
        return Sha256.begin().digest(key.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Refuses unknown hosts. A foreign page can make its own name resolve to this machine (DNS rebinding), but its requests
     * still carry that name.
     *
     * @throws ApiError if the server is called by a name that it does not know
     */
    void checkHost(HttpServerExchange exchange) {
        String host = exchange.getRequestHeaders().getFirst(Headers.HOST);
        if (host != null && !isOurs(host)) {
            String line = "host: expected an address or a known name of this machine, got "
                    + FormatException.quote(host) + "; allow it with --host-name";
            throw new ApiError(403, "unknown_host", null, line);
        }
    }

    /** Whether no foreign page can have this name, with or without a port. */
    boolean isOurs(String host) {
        return anyName
                || ADDRESS.matcher(host).matches()
                || names.contains(host.replaceFirst(":\\d+$", "").toLowerCase(Locale.ROOT));
    }

    /**
     * Lets pages of this machine and of known origins read the answer.
     *
     * @throws ApiError if a page of another origin asks for work, which it may do without reading the answer
     */
    void addOrigin(HttpServerExchange exchange) {
        String origin = exchange.getRequestHeaders().getFirst(Headers.ORIGIN);
        if (origin == null) {
            return;
        }
        if (isKnown(origin, exchange.getRequestHeaders().getFirst(Headers.HOST))) {
            exchange.getResponseHeaders()
                    .put(ALLOW_ORIGIN, origin)
                    .put(EXPOSE_HEADERS, Routes.REQUEST_ID.toString())
                    .put(Headers.VARY, "Origin");
        } else if (exchange.getRequestMethod().equals(Methods.POST)) {
            String line = "origin: expected a page of this machine, got " + FormatException.quote(origin)
                    + "; allow it with --cors-origin";
            throw new ApiError(403, "unknown_origin", null, line);
        }
    }

    private boolean isKnown(String origin, @Nullable String host) {
        return LOCAL_PAGE.matcher(origin).matches()
                || origins.contains("*")
                || origins.contains(origin)
                || (host != null
                        && isOurs(host)
                        && origin.replaceFirst("^https?://", "").equals(host));
    }

    /** The network of a client: its address, of IPv6 the half that a provider gives to each. */
    static Object network(InetSocketAddress client) {
        byte[] address = client.getAddress().getAddress();
        return ByteBuffer.wrap(Arrays.copyOf(address, Math.min(address.length, 8)));
    }

    /** Adds the answer to a browser's preflight request. */
    void addPreflight(HttpServerExchange exchange, String methods) {
        HeaderMap answer = exchange.getResponseHeaders();
        String headers = exchange.getRequestHeaders().getFirst(REQUEST_HEADERS);
        if (headers != null && answer.contains(ALLOW_ORIGIN)) {
            answer.put(ALLOW_HEADERS, headers);
        }
        answer.put(ALLOW_METHODS, methods).put(MAX_AGE, 86_400);
    }

    /**
     * Checks the key.
     *
     * @return the owner: requests of one owner share keys and values
     * @throws ApiError if there is no right one
     */
    String owner(HttpServerExchange exchange) {
        if (keys.isEmpty()) {
            return "";
        }
        String given = exchange.getRequestHeaders().getFirst(Headers.AUTHORIZATION);
        boolean bears = given != null && given.regionMatches(true, 0, BEARER, 0, BEARER.length());
        byte[] digest = digest(given != null && bears ? given.substring(BEARER.length()) : "");
        int found = -1;
        for (int i = 0; i < keys.size(); i++) {
            found = MessageDigest.isEqual(digest, keys.get(i)) ? i : found;
        }
        if (found < 0) {
            exchange.getResponseHeaders().put(Headers.WWW_AUTHENTICATE, "Bearer");
            throw new ApiError(
                    401,
                    "invalid_api_key",
                    null,
                    "key: expected one that is known, got another or none; send it as" + " Authorization: Bearer KEY");
        }
        return "key " + HexFormat.of().formatHex(digest)
                + " "; // not its place in the file, which a store would outlive
    }
}
