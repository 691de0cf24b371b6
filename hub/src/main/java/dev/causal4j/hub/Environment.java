package dev.causal4j.hub;

import static dev.causal4j.FormatException.quote;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The settings in the environment variables of Python's huggingface_hub. Immutable.
 *
 * @param endpoint without a slash at its end
 * @param token null for none; never to be shown
 */
record Environment(URI endpoint, @Nullable String token, Path cache, boolean offline) {
    private static final int MOST_PORT = 65_535;

    static Environment of(Map<String, String> variables) throws IOException {
        Path caches = path(variables, "XDG_CACHE_HOME", Path.of(home(variables), ".cache"));
        Path home = path(variables, "HF_HOME", caches.resolve("huggingface"));
        Path cache = path(variables, "HUGGINGFACE_HUB_CACHE", home.resolve("hub"));
        Path tokenFile = path(variables, "HF_TOKEN_PATH", home.resolve("token"));
        String offline = variables.getOrDefault("HF_HUB_OFFLINE", "").toUpperCase(Locale.ROOT);
        return new Environment(
                endpoint(variables.getOrDefault("HF_ENDPOINT", "").strip()),
                token(variables, tokenFile),
                path(variables, "HF_HUB_CACHE", cache).toAbsolutePath(),
                Set.of("1", "ON", "YES", "TRUE").contains(offline));
    }

    private static String home(Map<String, String> variables) {
        String home = variables.getOrDefault("HOME", "");
        return home.isEmpty() ? System.getProperty("user.home") : home;
    }

    private static Path path(Map<String, String> variables, String name, Path otherwise) throws HubException {
        String value = variables.getOrDefault(name, "");
        boolean inHome = value.equals("~") || value.startsWith("~/");
        try {
            return value.isEmpty() ? otherwise : Path.of(inHome ? home(variables) + value.substring(1) : value);
        } catch (InvalidPathException e) {
            throw new HubException(name, "a path that this system can write", quote(value), "correct or unset it");
        }
    }

    private static URI endpoint(String given) throws HubException {
        try {
            URI uri = URI.create(given.isEmpty() ? "https://huggingface.co" : given.replaceAll("/+$", ""));
            boolean web = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (web && hasHost(uri) && uri.getRawQuery() == null) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            // It might have a password, so it is not shown.
        }
        String expected = "a URL such as https://huggingface.co";
        throw new HubException("HF_ENDPOINT", expected, "something else", "correct or unset it");
    }

    private static @Nullable String token(Map<String, String> variables, Path file) throws IOException {
        String token = variables.getOrDefault("HF_TOKEN", "").strip();
        token = token.isEmpty()
                ? variables.getOrDefault("HUGGING_FACE_HUB_TOKEN", "").strip()
                : token;
        token = token.isEmpty() && Files.isRegularFile(file)
                ? Files.readString(file, StandardCharsets.ISO_8859_1).strip()
                : token;
        if (!token.matches("[!-~]{0,10000}")) { // of a header
            String remedy = "correct or unset it, or the token in " + file;
            throw new HubException("HF_TOKEN", "letters, digits and marks", "other characters", remedy);
        }
        return token.isEmpty() ? null : token;
    }

    /** Whether an address has a host, a port that there can be, and no password. */
    static boolean hasHost(URI uri) {
        return uri.getHost() != null && uri.getPort() <= MOST_PORT && uri.getRawUserInfo() == null;
    }

    /** Whether this is the hub itself, which may have the token. */
    boolean isEndpoint(URI uri) {
        return endpoint.getScheme().equals(uri.getScheme())
                && endpoint.getHost().equalsIgnoreCase(uri.getHost())
                && endpoint.getPort() == uri.getPort();
    }

    @Override
    public String toString() {
        return "Environment[endpoint=" + endpoint + ", cache=" + cache + ", offline=" + offline + "]";
    }
}
