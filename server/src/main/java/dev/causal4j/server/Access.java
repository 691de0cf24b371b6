package dev.causal4j.server;

import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.Methods;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Who may ask: by the name they call this machine, the page they come from and the key they have. Thread-safe. */
final class Access {
    private static final String NAME = "(localhost|127\\.\\d+\\.\\d+\\.\\d+|\\[::1\\])";
    private static final Pattern LOCAL = Pattern.compile(NAME + "(:\\d+)?", Pattern.CASE_INSENSITIVE);
    private static final Pattern LOCAL_PAGE =
            Pattern.compile("https?://" + NAME + "(:\\d+)?", Pattern.CASE_INSENSITIVE);
    private static final HttpString ALLOW_ORIGIN = HttpString.tryFromString("Access-Control-Allow-Origin");
    private static final HttpString ALLOW_HEADERS = HttpString.tryFromString("Access-Control-Allow-Headers");
    private static final HttpString REQUEST_HEADERS = HttpString.tryFromString("Access-Control-Request-Headers");
    private static final HttpString ALLOW_METHODS = HttpString.tryFromString("Access-Control-Allow-Methods");
    private static final HttpString MAX_AGE = HttpString.tryFromString("Access-Control-Max-Age");
    private static final String BEARER = "Bearer ";

    private final boolean loopback;
    private final List<String> origins;
    private final List<byte[]> keys; // hashed, so that comparing takes the same time for all

    /** @param loopback whether only this machine can ask */
    Access(ServerOptions options, boolean loopback) {
        this.loopback = loopback;
        this.origins = options.origins();
        this.keys = options.keys().stream().map(Access::digest).toList();
    }

    private static byte[] digest(String key) {
        return ServedModel.sha256().digest(key.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * A page of a stranger can make a name of its own mean this machine (DNS rebinding); its requests still have that name.
     *
     * @throws ApiError if a server for this machine alone is called by another name
     */
    void checkHost(HttpServerExchange exchange) {
        String host = exchange.getRequestHeaders().getFirst(Headers.HOST);
        if (loopback && host != null && !LOCAL.matcher(host).matches()) {
            throw new ApiError(
                    403, "unknown_host", null, "host: expected a name of this machine, got another; use localhost");
        }
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
            exchange.getResponseHeaders().put(ALLOW_ORIGIN, origin).put(Headers.VARY, "Origin");
        } else if (exchange.getRequestMethod().equals(Methods.POST)) {
            throw new ApiError(403, "unknown_origin", null, "origin: expected a known one, got another; allow it");
        }
    }

    private boolean isKnown(String origin, @Nullable String host) {
        return LOCAL_PAGE.matcher(origin).matches()
                || origins.contains("*")
                || origins.contains(origin)
                || (host != null && origin.replaceFirst("^https?://", "").equals(host));
    }

    /** Answers what a browser asks before a request. */
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
     * @return whose keys and values the request may share
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
        return "key " + found + " ";
    }
}
