package dev.causal4j.hub;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;

/**
 * An HTTP client of the hub for one model. It follows redirects itself, so that the token goes to the endpoint alone; retries
 * temporary failures; and bounds every wait. Not thread-safe.
 */
final class Client implements AutoCloseable {
    /** Bytes after which the count of failures restarts. */
    private static final long PROGRESS = 1 << 20;

    /** A body that brings fewer bytes while the client is patient counts as cut. */
    private static final long LEAST_BYTES = 1024;

    private static final int MOST_FAILURES = 5;
    private static final int MOST_REDIRECTS = 10;
    private static final int MOST_FILES = 100_000;
    private static final long MOST_SECONDS = 300; // the window of the hub's limits of rate
    private static final int MOST_BYTES = 16 << 20; // of an answer; a page of a thousand files has 300 KB
    private static final Pattern NEXT = Pattern.compile(".*<([^<>]*)>\\s*;\\s*rel=\"?next\"?.*");

    private static final String CHECK = "check the name, and HF_TOKEN if it is private";

    /** The expectation in an error message, by the hub's error code. */
    private static final Map<String, String> ERRORS = Map.of(
            "GatedRepo", "access to a gated model",
            "RepoNotFound", "a model of this name",
            "RevisionNotFound", "a branch, tag or commit",
            "EntryNotFound", "a file that it lists");

    private final Environment environment;
    private final ModelName name;
    private final Duration patience;
    private final Duration pause;
    private final HttpClient http;
    private boolean reached;
    private long secondsToWait; // Retry-After of the last answer; -1 without one

    /**
     * @param patience how long to wait for a connection, an answer, and more of one
     * @param pause before the second try; doubled before each further one
     */
    Client(Environment environment, ModelName name, Duration patience, Duration pause) {
        this.environment = environment;
        this.name = name;
        this.patience = patience;
        this.pause = pause;
        http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(patience)
                .build(); // follows no redirects
    }

    /** An attempt, which may be repeated. */
    interface Attempt<T> {
        T run() throws IOException, InterruptedException;
    }

    /** Receives the bytes of a body, in order. */
    interface Sink {
        void write(byte[] bytes, int from, int count) throws IOException;
    }

    /** A URI, and whether only the endpoint led there: after an answer of another host the token is not sent any more. */
    private record Address(URI uri, boolean trusted) {}

    private record Answer(Address from, HttpResponse<InputStream> response) {}

    /** The commit that the revision is. */
    String commit() throws IOException, InterruptedException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        URI uri = api("revision/" + URLEncoder.encode(name.revision(), StandardCharsets.UTF_8));
        get(new Address(uri, true), body);
        Json model = json(body.toString(StandardCharsets.UTF_8));
        String commit = model.requireString("sha");
        model.check("sha", Cache.COMMIT.matcher(commit).matches(), "a commit");
        return commit;
    }

    /** All files of a commit by their paths, checked before any is used. */
    Map<String, RemoteFile> files(String commit) throws IOException, InterruptedException {
        Map<String, RemoteFile> files = new LinkedHashMap<>();
        Optional<Address> page = Optional.of(new Address(api("tree/" + commit + "?recursive=true"), true));
        for (int entries = 0; page.isPresent(); entries++) {
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            page = get(page.get(), body);
            for (Json entry : json("{\"files\":" + body.toString(StandardCharsets.UTF_8) + "}")
                    .objects("files")) {
                entries++;
                if (entry.requireString("type").equals("file")) {
                    RemoteFile file = RemoteFile.of(entry);
                    files.put(file.path(), file);
                }
            }
            if (entries > MOST_FILES) {
                throw new HubException(name, "at most " + MOST_FILES + " files", "more", "is this a model?");
            }
        }
        return files;
    }

    private URI api(String path) {
        return URI.create(environment.endpoint() + "/api/models/" + name.repository() + "/" + path);
    }

    private Json json(String text) throws IOException {
        String subject = name + ", answer of " + environment.endpoint();
        return new Json(subject, Json.tree(subject, text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Reads an answer into the body and returns the address of the next page, if there is one. */
    private Optional<Address> get(Address address, ByteArrayOutputStream body)
            throws IOException, InterruptedException {
        Attempt<Optional<Address>> attempt = () -> {
            body.reset();
            Answer answer = open(address, 0);
            read(answer.response(), MOST_BYTES, body::write);
            var link = NEXT.matcher(header(answer.response(), "Link"));
            return link.matches() ? Optional.of(next(answer.from(), link.group(1))) : Optional.empty();
        };
        return persist(attempt, () -> 0);
    }

    private static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    /**
     * Runs an attempt until it succeeds; gives up after some that failed without progress.
     *
     * @param done how many bytes are there
     */
    <T> T persist(Attempt<T> attempt, LongSupplier done) throws IOException, InterruptedException {
        long most = done.getAsLong();
        for (int failures = 1; ; failures++) {
            try {
                secondsToWait = -1;
                return attempt.run();
            } catch (HubException e) {
                throw e;
            } catch (IOException e) {
                if (Thread.interrupted()) { // a channel and a body report it as a failure
                    throw new InterruptedException();
                }
                if (done.getAsLong() - most >= PROGRESS) { // beyond the best attempt, so that this ends
                    most = done.getAsLong();
                    failures = 1;
                }
                if (failures == MOST_FAILURES || !reached || secondsToWait > MOST_SECONDS) {
                    String got = Objects.requireNonNullElse(e.getMessage(), "no connection");
                    String remedy = reached
                            ? "try again: a pull goes on where it stopped"
                            : "is there a network, and is HF_ENDPOINT right?";
                    throw new HubException(name, "an answer by way of " + environment.endpoint(), got, remedy);
                }
                Thread.sleep(
                        secondsToWait < 0 ? pause.multipliedBy(1L << failures) : Duration.ofSeconds(secondsToWait));
            }
        }
    }

    /** Opens a file of a commit like {@link #open(Address, long)}. */
    HttpResponse<InputStream> open(String commit, RemoteFile file, long from) throws IOException, InterruptedException {
        String path = URLEncoder.encode(file.path(), StandardCharsets.UTF_8)
                .replace("+", "%20")
                .replace("%2F", "/");
        URI uri = URI.create(environment.endpoint() + "/" + name.repository() + "/resolve/" + commit + "/" + path);
        return open(new Address(uri, true), from).response();
    }

    /**
     * Opens a file or an answer, following redirects.
     *
     * @param from the first byte that is wanted
     * @return of status 200 (all of it), 206 (the rest) or 416 (there is no such rest); to be read or closed
     */
    private Answer open(Address address, long from) throws IOException, InterruptedException {
        Address at = address;
        for (int redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(at.uri())
                    .header("User-Agent", "causal4j")
                    .header("Accept-Encoding", "identity");
            if (environment.token() != null && at.trusted()) {
                request.header("Authorization", "Bearer " + environment.token());
            }
            if (from > 0) {
                request.header("Range", "bytes=" + from + "-");
            }
            HttpResponse<InputStream> response = send(request.build());
            reached = true;
            if (response.statusCode() / 100 != 3) {
                check(response);
                return new Answer(at, response);
            }
            response.body().close();
            at = next(at, header(response, "Location"));
        }
        throw new HubException(name, "at most " + MOST_REDIRECTS + " redirects", "more", "is HF_ENDPOINT right?");
    }

    /** Waits for the beginning of an answer. The timeout of a request would bound its body, too. */
    private HttpResponse<InputStream> send(HttpRequest request) throws IOException, InterruptedException {
        var response = http.sendAsync(request, HttpResponse.BodyHandlers.ofInputStream());
        try {
            return response.get(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw new IOException(nothing(), e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException failure ? failure : new IOException(e.getCause());
        } finally {
            response.cancel(true); // if there is none yet
        }
    }

    private String nothing() {
        return "nothing for " + patience.toMillis() / 1000.0 + " s";
    }

    private Address next(Address from, String location) throws HubException {
        URI to = target(from.uri(), location);
        return new Address(to, from.trusted() && environment.isEndpoint(to));
    }

    /** The target of a redirect; it may not leave HTTPS for HTTP. */
    URI target(URI from, String location) throws HubException {
        try {
            URI to = from.resolve(location);
            boolean safe = "https".equals(to.getScheme()) || from.getScheme().equals(to.getScheme());
            if (safe && Environment.hasHost(to)) {
                return to;
            }
        } catch (IllegalArgumentException e) {
            // It may be signed, so it is not shown.
        }
        String got = "another one of " + from.getHost();
        throw new HubException(name, "a redirect to a " + from.getScheme() + " address", got, "is HF_ENDPOINT right?");
    }

    private void check(HttpResponse<InputStream> response) throws IOException {
        int status = response.statusCode();
        boolean given = status == 200 || status == 206 || status == 416;
        if (given && !header(response, "Content-Type").startsWith("text/html")) {
            return;
        }
        response.body().close();
        if (given) {
            String subject = name + ", " + response.uri().getHost();
            throw new HubException(subject, "a file", "a web page", "does a proxy answer instead?");
        }
        if (status == 408 || status == 429 || status >= 500) {
            String wait = header(response, "Retry-After");
            secondsToWait = wait.matches("\\d{1,9}") ? Long.parseLong(wait) : -1;
            throw new IOException("status " + status + (wait.isEmpty() ? "" : ", to wait " + wait + " s"));
        }
        String code = header(response, "X-Error-Code");
        String message = header(response, "X-Error-Message");
        String got = status + (message.isEmpty() ? "" : " (" + quote(message) + ")");
        String remedy = code.equals("GatedRepo") ? "accept its terms on its page and set HF_TOKEN" : CHECK;
        throw new HubException(
                name, ERRORS.getOrDefault(code, "an answer of " + response.uri().getHost()), got, remedy);
    }

    /**
     * Reads a body to its end, closes it, and gives up on one that brings nothing any more.
     *
     * @param most how many bytes it may have
     */
    void read(HttpResponse<InputStream> response, long most, Sink to) throws IOException {
        AtomicLong count = new AtomicLong();
        AtomicBoolean stalled = new AtomicBoolean();
        InputStream in = response.body();
        Thread watch = Thread.ofVirtual().start(() -> {
            try {
                for (long before = -LEAST_BYTES; count.get() - before >= LEAST_BYTES; ) {
                    before = count.get();
                    Thread.sleep(patience);
                }
                stalled.set(true);
                in.close(); // wakes the reader
            } catch (InterruptedException | IOException e) {
                // The reading has ended.
            }
        });
        try (in) {
            byte[] buffer = new byte[1 << 16];
            for (int read; (read = in.read(buffer)) >= 0; ) {
                if (count.addAndGet(read) > most) {
                    throw new HubException(name, "at most " + most + " bytes", "more", "is HF_ENDPOINT right?");
                }
                to.write(buffer, 0, read);
            }
        } catch (IOException e) {
            throw stalled.get() ? new IOException(nothing(), e) : e;
        } finally {
            watch.interrupt();
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
