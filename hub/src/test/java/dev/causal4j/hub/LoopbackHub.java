package dev.causal4j.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.causal4j.austen.AustenModel;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The hub's HTTP on this machine, with its faults: one address for the API and small files, another host (the name {@code
 * localhost} and a second port) for large ones, to which it redirects.
 */
public final class LoopbackHub implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    static final String TOKEN = "hf_good";

    /** A request of a client. */
    record Asked(
            String host,
            String method,
            String path,
            @Nullable String range,
            @Nullable String authorization) {}

    /** Files by repository and path. */
    final Map<String, Map<String, byte[]>> repositories = new ConcurrentHashMap<>();

    private final Map<byte[], String> hashes = Collections.synchronizedMap(new IdentityHashMap<>());

    final List<Asked> asked = new CopyOnWriteArrayList<>();

    /** Bytes of large files that were sent. */
    final AtomicLong sent = new AtomicLong();

    /** How many of the next large files break off after a third of what is asked, and how many then stand still there. */
    final AtomicInteger cuts = new AtomicInteger();

    final AtomicInteger stalls = new AtomicInteger();

    /** How many of the next answers are this status, with {@link #retryAfter}. */
    final AtomicInteger busy = new AtomicInteger();

    volatile int busyStatus = 429;
    volatile String retryAfter = "0";

    /** How many of the next requests for the rest of a file get all of it (200), or are refused (416). */
    final AtomicInteger wholes = new AtomicInteger();

    final AtomicInteger refusals = new AtomicInteger();

    /** Whether a byte of large files is another one. */
    volatile boolean flipped;

    /** Whether a proxy answers everything, or large files, with a page. */
    volatile boolean page;

    volatile boolean pageForLarge;

    /** Entries that stand in every listing, as JSON. */
    volatile List<String> moreEntries = List.of();

    /** Where large files are sent on to; null for the other host. */
    volatile @Nullable String location;

    /** Where the other host sends them on to; null for nowhere. */
    volatile @Nullable String back;

    /** Whether the pages of a listing are on this and the other host in turn. */
    volatile boolean wandering;

    /** The Content-Length that large files claim. */
    volatile @Nullable String length;

    /** Nanoseconds to rest after 16 KB of a large file. */
    volatile long rest;

    private final HttpServer hub;
    private final HttpServer other;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    public LoopbackHub() throws IOException {
        hub = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        other = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        hub.createContext("/", exchange -> answer(exchange, "hub"));
        other.createContext("/", exchange -> answer(exchange, "other"));
        hub.setExecutor(threads);
        other.setExecutor(threads);
        hub.start();
        other.start();
    }

    String url() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    String otherUrl() {
        return "http://localhost:" + other.getAddress().getPort();
    }

    /** A client of this hub, with a token or none. */
    Hub client(Path cache, @Nullable String token) throws IOException {
        return client(cache, token, Duration.ofSeconds(30));
    }

    Hub client(Path cache, @Nullable String token, Duration patience) throws IOException {
        Map<String, String> variables = new HashMap<>(Map.of("HF_ENDPOINT", url(), "HF_HOME", cache + "/home"));
        variables.put("HF_HUB_CACHE", cache.toString());
        variables.put("HF_TOKEN", token == null ? "" : token);
        return new Hub(Environment.of(variables), patience, Duration.ofMillis(1));
    }

    Hub client(Path cache) throws IOException {
        return client(cache, null);
    }

    /** The embedded model's files, and others that a repository has beside them. */
    void addAusten(String repository) throws IOException {
        Path folder = Files.createTempDirectory("austen");
        AustenModel.export(folder);
        Map<String, byte[]> files = new LinkedHashMap<>();
        for (String path : List.of(
                ".gitattributes", "README.md", "pytorch_model.bin", "onnx/model.onnx", "consolidated.safetensors")) {
            files.put(path, new byte[100]);
        }
        for (String path : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            files.put(path, Files.readAllBytes(folder.resolve(path)));
            Files.delete(folder.resolve(path));
        }
        Files.delete(folder);
        files.put("chat_template.jinja", "{{ messages[0].content }}".getBytes(StandardCharsets.UTF_8));
        files.put("additional_chat_templates/tool_use.jinja", new byte[0]);
        files.put("original/params.json", new byte[1]);
        add(repository, files);
    }

    /** Bytes without any order. */
    static byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        new Random(count).nextBytes(bytes);
        return bytes;
    }

    /** How many files were asked for. */
    long files() {
        return asked.stream().filter(each -> !each.path().startsWith("/api/")).count();
    }

    /** The content of a file. */
    byte[] content(String repository, String path) {
        return Objects.requireNonNull(
                Objects.requireNonNull(repositories.get(repository)).get(path));
    }

    /** Adds a repository. */
    void add(String repository, Map<String, byte[]> files) {
        files.forEach((path, content) -> hashes.put(content, hash(path, content)));
        repositories.put(repository, new LinkedHashMap<>(files));
    }

    static boolean isLarge(String path) {
        return path.endsWith(".safetensors") || path.endsWith(".gguf") || path.endsWith(".bin");
    }

    static String hash(String path, byte[] content) {
        try {
            if (isLarge(path)) {
                return HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256").digest(content));
            }
            MessageDigest git = MessageDigest.getInstance("SHA-1");
            git.update(("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII));
            return HexFormat.of().formatHex(git.digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private void answer(HttpExchange exchange, String host) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            String authorization = exchange.getRequestHeaders().getFirst("Authorization");
            String range = exchange.getRequestHeaders().getFirst("Range");
            asked.add(new Asked(
                    host, exchange.getRequestMethod(), exchange.getRequestURI().getRawPath(), range, authorization));
            if (page || (pageForLarge && host.equals("other"))) {
                exchange.getResponseHeaders().set("Content-Type", "text/html; charset=utf-8");
                send(
                        exchange,
                        200,
                        "<html><body>Sign in to the network</body></html>".getBytes(StandardCharsets.UTF_8));
            } else if (busy.getAndUpdate(LoopbackHub::less) > 0) {
                exchange.getResponseHeaders().set("Retry-After", retryAfter);
                send(exchange, busyStatus, new byte[0]);
            } else if (host.equals("other") && back != null) {
                exchange.getResponseHeaders().set("Location", back);
                send(exchange, 302, new byte[0]);
            } else if (host.equals("other") && !path.startsWith("/api/")) {
                String[] parts = path.substring(1).split("/", 3);
                large(exchange, content(parts[0] + "/" + parts[1], parts[2]));
            } else {
                String[] parts = path.substring(1).split("/", -1);
                boolean api = parts[0].equals("api");
                int from = api ? 2 : 0;
                ask(
                        exchange,
                        parts[from] + "/" + parts[from + 1],
                        api,
                        parts[from + 2],
                        String.join("/", Arrays.asList(parts).subList(from + 3, parts.length)),
                        authorization);
            }
        }
    }

    private static int less(int count) {
        return Math.max(0, count - 1);
    }

    private void ask(
            HttpExchange exchange,
            String repository,
            boolean api,
            String what,
            String rest,
            @Nullable String authorization)
            throws IOException {
        if (repository.startsWith("old/")) {
            String to = exchange.getRequestURI().toString().replace("/old/", "/austen/");
            exchange.getResponseHeaders().set("Location", to);
            send(exchange, 307, new byte[0]);
            return;
        }
        if (authorization != null && !authorization.equals("Bearer " + TOKEN) && !repository.endsWith("gated")) {
            refuse(exchange, 401, "", "Invalid credentials in Authorization header");
        } else if (repository.endsWith("gated")) {
            refuse(
                    exchange,
                    authorization == null ? 401 : 403,
                    "GatedRepo",
                    "Access to model " + repository + " is restricted.");
        } else if (!repositories.containsKey(repository)) {
            refuse(exchange, 401, "RepoNotFound", "Repository not found");
        } else if (api && what.equals("revision")) {
            if (List.of("main", "v1.0", "refs/pr/1", COMMIT).contains(rest)) {
                List<String> siblings = Objects.requireNonNull(repositories.get(repository)).keySet().stream()
                        .map(path -> "{\"rfilename\": \"" + path + "\"}")
                        .toList();
                json(
                        exchange,
                        "{\"id\": \"" + repository + "\", \"sha\": \"" + COMMIT + "\", \"siblings\": " + siblings
                                + "}");
            } else {
                refuse(exchange, 404, "RevisionNotFound", "Invalid rev id: " + rest);
            }
        } else if (api) {
            tree(exchange, repository, Objects.requireNonNull(repositories.get(repository)));
        } else {
            file(exchange, repository, rest.substring(rest.indexOf('/') + 1));
        }
    }

    /** Two entries a page, folders among them. */
    private void tree(HttpExchange exchange, String repository, Map<String, byte[]> files) throws IOException {
        List<String> entries = new ArrayList<>();
        TreeSet<String> folders = new TreeSet<>();
        files.forEach((path, content) -> {
            if (path.contains("/") && folders.add(path.substring(0, path.lastIndexOf('/')))) {
                entries.add("{\"type\":\"directory\",\"oid\":\"" + "a".repeat(40) + "\",\"size\":0,\"path\":\""
                        + folders.last() + "\"}");
            }
            String large = isLarge(path)
                    ? ",\"lfs\":{\"oid\":\"" + hashes.get(content) + "\",\"size\":" + content.length
                            + ",\"pointerSize\":134}"
                    : "";
            String oid = isLarge(path) ? "b".repeat(40) : hashes.get(content);
            entries.add("{\"type\":\"file\",\"oid\":\"" + oid + "\",\"size\":" + content.length + large + ",\"path\":\""
                    + path + "\"}");
        });
        entries.addAll(moreEntries);
        String query = String.valueOf(exchange.getRequestURI().getQuery());
        int from = query.contains("cursor=") ? Integer.parseInt(query.replaceAll(".*cursor=", "")) : 0;
        int to = Math.min(from + 2, entries.size());
        if (to < entries.size()) {
            boolean here =
                    exchange.getLocalAddress().getPort() == hub.getAddress().getPort();
            String next = wandering && here ? otherUrl() : url();
            exchange.getResponseHeaders()
                    .set(
                            "Link",
                            "<" + next + "/api/models/" + repository + "/tree/" + COMMIT + "?recursive=true&cursor="
                                    + to + ">; rel=\"next\"");
        }
        json(exchange, entries.subList(from, to).toString());
    }

    private void file(HttpExchange exchange, String repository, String path) throws IOException {
        byte[] content = Objects.requireNonNull(repositories.get(repository)).get(path);
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        if (content == null) {
            refuse(exchange, 404, "EntryNotFound", "Entry not found");
        } else if (isLarge(path)) {
            exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + hashes.get(content) + "\"");
            exchange.getResponseHeaders().set("X-Linked-Size", Integer.toString(content.length));
            String there = otherUrl() + "/" + repository + "/" + path;
            exchange.getResponseHeaders().set("Location", location == null ? there + "?signature=secret" : location);
            send(exchange, 302, new byte[0]);
        } else {
            exchange.getResponseHeaders().set("ETag", "\"" + hashes.get(content) + "\"");
            send(exchange, 200, content);
        }
    }

    private void large(HttpExchange exchange, byte[] content) throws IOException {
        byte[] body = content.clone();
        if (flipped) {
            body[body.length / 2] ^= 1;
        }
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
        if (from > 0 && refusals.getAndUpdate(LoopbackHub::less) > 0) {
            exchange.getResponseHeaders().set("Content-Range", "bytes */" + body.length);
            send(exchange, 416, new byte[0]);
            return;
        }
        if (from > 0 && wholes.getAndUpdate(LoopbackHub::less) > 0) {
            from = 0;
        }
        if (from > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (body.length - 1) + "/" + body.length);
        }
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        if (length != null) {
            exchange.getResponseHeaders().set("Content-Length", length);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, length != null ? 0 : body.length - from);
        boolean cut = cuts.getAndUpdate(LoopbackHub::less) > 0;
        boolean stalls = !cut && this.stalls.getAndUpdate(LoopbackHub::less) > 0;
        boolean breaks = cut || stalls;
        int end = breaks ? from + (body.length - from) / 3 : body.length;
        OutputStream out = exchange.getResponseBody();
        for (int at = from; at < end; at += 1 << 14) {
            int count = Math.min(1 << 14, end - at);
            out.write(body, at, count);
            out.flush();
            sent.addAndGet(count);
            if (rest > 0) {
                LockSupport.parkNanos(rest);
            }
        }
        if (stalls) {
            LockSupport.parkNanos(20_000_000_000L);
        }
    }

    private static void refuse(HttpExchange exchange, int status, String code, String message) throws IOException {
        if (!code.isEmpty()) {
            exchange.getResponseHeaders().set("X-Error-Code", code);
        }
        exchange.getResponseHeaders().set("X-Error-Message", message);
        send(exchange, status, new byte[0]);
    }

    private static void json(HttpExchange exchange, String body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
        send(exchange, 200, body.getBytes(StandardCharsets.UTF_8));
    }

    private static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
            exchange.sendResponseHeaders(status, -1);
            return;
        }
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
    }

    @Override
    public void close() {
        hub.stop(0);
        other.stop(0);
        threads.shutdownNow();
    }
}
