package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.generation.Engine;
import dev.causal4j.json.Json;
import dev.causal4j.server.TokenRoutes.Answer;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.Protocols;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.XnioExecutor;

/** Routes requests: checks access, reads the body without a thread, and answers on a virtual thread. Thread-safe. */
final class Routes implements HttpHandler {
    static final String MODELS = "/models/";
    static final HttpString REQUEST_ID = HttpString.tryFromString("x-request-id");
    private static final HttpString SECURITY = HttpString.tryFromString("Content-Security-Policy");
    private static final String PAGE_POLICY = "default-src 'none'; connect-src 'self'; script-src 'self';"
            + " style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    /** The page, and the files that it loads. */
    private static final Pattern PAGE = Pattern.compile("/([a-z]+\\.(css|js))?");

    private static final byte[] NOTHING = {};
    private static final System.Logger LOG = System.getLogger(Routes.class.getName());

    /** Answers a request. */
    @FunctionalInterface
    private interface Action {
        void answer(Call call) throws IOException, InterruptedException;
    }

    /** @param open whether it needs no key */
    private record Route(String method, boolean open, Action action) {}

    /** Answered on the connection's thread, which is free also when all others are at work. */
    private final Route health = new Route("GET", true, call -> health(call.exchange));

    private final Map<String, Route> routes = new HashMap<>();
    private final Engine engine;
    private final Access access;
    final Metrics metrics;
    private final ServerOptions options;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicInteger open = new AtomicInteger();
    private final Set<Call> calls = ConcurrentHashMap.newKeySet(); // their bodies are whole
    private final Bodies bodies = new Bodies();
    final Turns turns;
    private final Shares requests;
    private final Shares bytes = new Shares(Limits.ANSWERED_BYTES, Limits.ALWAYS_ANSWERED_BYTES); // see Limits
    private volatile boolean draining;

    Routes(Engine engine, ServedModel served, Access access, Metrics metrics, ServerOptions options) {
        this.engine = engine;
        this.access = access;
        this.metrics = metrics;
        this.options = options;
        turns = new Turns(engine.model().head().compute());
        requests = new Shares(options.parallel() + options.queue(), 1);
        ResponseWriter writer = new ResponseWriter(engine, served, turns, bytes, metrics);
        Discovery discovery = new Discovery(served, options.parallel());
        TokenRoutes tokens = new TokenRoutes(served);
        routes.put("/health", health);
        add("GET", "/metrics", this::metrics);
        add("GET", "/models", discovery::models);
        add("GET", MODELS, discovery::model);
        add("GET", "/tokenizer_info", discovery::tokenizer);
        add("GET", "/props", discovery::props);
        add("POST", "/tokenize", call -> read(call, tokens::tokenize));
        add("POST", "/detokenize", call -> read(call, tokens::detokenize));
        add("POST", "/apply-template", call -> read(call, tokens::applyTemplate));
        add("POST", "/completions", call -> writer.answer(new CompletionApi(), call));
        EmbeddingApi embeddings = new EmbeddingApi(engine, served, options, turns, bytes, metrics);
        add("POST", "/embeddings", embeddings::answer);
        add("POST", "/chat/completions", call -> writer.answer(new ChatApi(), call));
    }

    private void read(Call call, Function<JsonIn, Answer> answer) throws IOException, InterruptedException {
        Answer made = turns.read(call, () -> answer.apply(JsonIn.parse(call.body.get())));
        if (!bytes.take(call.caller, made.bytes())) {
            throw ApiError.bytesFull();
        }
        try {
            call.json(made.told());
        } finally {
            bytes.give(call.caller, made.bytes());
        }
    }

    private void add(String method, String path, Action action) {
        routes.put(path, new Route(method, false, action));
    }

    /** Refuses new and waiting requests. */
    void drain() {
        draining = true;
        turns.cancel();
        engine.control().cancelWaiting().run();
    }

    /** Requests that are being read or answered. */
    int open() {
        return open.get();
    }

    @Override
    public void handleRequest(HttpServerExchange exchange) {
        String id = "req_" + UUID.randomUUID().toString().replace("-", "").substring(0, 24);
        exchange.getResponseHeaders().put(REQUEST_ID, id);
        open.incrementAndGet();
        whenDone(exchange, open::decrementAndGet);
        Trailers.bound(exchange);
        exchange.addResponseCommitListener(Routes::linger);
        try {
            begin(exchange);
        } catch (ApiError e) {
            start(new Call(exchange, "", 0, () -> NOTHING), call -> fail(call, e));
        }
    }

    /** Runs a task when an exchange has ended. */
    static void whenDone(HttpServerExchange exchange, Runnable task) {
        exchange.addExchangeCompleteListener((_, next) -> {
            task.run();
            next.proceed();
        });
    }

    /** Closes a connection whose body is not read to its end, after a while: closing at once could lose the response. */
    private static void linger(HttpServerExchange exchange) {
        if (!exchange.isRequestComplete()) {
            XnioExecutor.Key timer = exchange.getIoThread()
                    .executeAfter(
                            () -> IoUtils.safeClose(exchange.getConnection()), Limits.LINGER_SECONDS, TimeUnit.SECONDS);
            whenDone(exchange, timer::remove);
        }
    }

    /** Refuses requests that Undertow accepts, but that servers between here and the client might read in another way. */
    private static void checkHead(HttpServerExchange exchange) {
        boolean latest = exchange.getProtocol().equals(Protocols.HTTP_1_1);
        String coding = exchange.getRequestHeaders().getFirst(Headers.TRANSFER_ENCODING);
        String expected = exchange.getRequestHeaders().getFirst(Headers.EXPECT);
        String line = "";
        int status = 400;
        if (!latest && !exchange.getProtocol().equals(Protocols.HTTP_1_0)) {
            status = 505;
            line = "protocol: expected HTTP/1.1 or HTTP/1.0, got another";
        } else if (coding != null && (!latest || !coding.equalsIgnoreCase("chunked"))) {
            line = "Transfer-Encoding: expected chunked alone, in HTTP/1.1, got another; send a length";
        } else if (expected != null && latest && !expected.equalsIgnoreCase("100-continue")) {
            status = 417;
            line = "Expect: expected 100-continue, got another; leave it out";
        }
        if (!line.isEmpty()) {
            exchange.setPersistent(false);
            throw new ApiError(status, "invalid_head", null, line);
        }
    }

    private void begin(HttpServerExchange exchange) {
        checkHead(exchange);
        String method = exchange.getRequestMethod().toString();
        Route route = route(exchange.getRequestPath());
        if (route != null) {
            access.checkHost(exchange);
        }
        access.addOrigin(exchange);
        if (route == null) {
            String path = FormatException.quote(exchange.getRequestPath());
            String line = "path: expected /v1/chat/completions or another that is served, got " + path
                    + ", which is not; see the guide to serving";
            throw new ApiError(404, "unknown_url", null, line);
        }
        List<String> known =
                route.method.equals("GET") ? List.of("GET", "HEAD", "OPTIONS") : List.of("POST", "OPTIONS");
        String methods = String.join(", ", known);
        if (method.equals("OPTIONS")) {
            access.addPreflight(exchange, methods);
            start(new Call(exchange, "", 0, () -> NOTHING), Call::empty);
            return;
        }
        if (!known.contains(method)) {
            exchange.getResponseHeaders().put(Headers.ALLOW, methods);
            throw new ApiError(405, "method_not_allowed", null, "method: expected " + methods + ", got another");
        }
        String owner = route.open ? "" : access.owner(exchange);
        if (route.equals(health)) {
            health(exchange);
            return;
        }
        if (route.method.equals("GET")) {
            start(new Call(exchange, owner, 0, () -> NOTHING), route.action);
            return;
        }
        String coding = exchange.getRequestHeaders().getFirst(Headers.CONTENT_ENCODING);
        if (coding != null && !coding.equalsIgnoreCase("identity")) {
            exchange.setPersistent(false);
            throw new ApiError(415, "unsupported_media_type", null, "body: expected plain JSON, got an encoding");
        }
        if (draining) {
            throw ApiError.shuttingDown();
        }
        receive(exchange, owner, route.action);
    }

    private @Nullable Route route(String path) {
        String name = path.startsWith("/v1/") ? path.substring(3) : path;
        return PAGE.matcher(name).matches()
                ? new Route("GET", true, call -> page(call, name.equals("/") ? "index.html" : name.substring(1)))
                : routes.get(name.startsWith(MODELS) ? MODELS : name);
    }

    /** Reads the body as it comes; a connection that takes too long is closed. */
    private void receive(HttpServerExchange exchange, String owner, Action action) {
        if (exchange.getRequestContentLength() > Limits.BODY_BYTES) {
            exchange.setPersistent(false);
            String line = "body: expected at most " + Limits.BODY_BYTES + " bytes, got more; send less at once";
            throw new ApiError(413, "request_too_large", null, line);
        }
        Runnable close = () -> IoUtils.safeClose(exchange.getConnection());
        XnioExecutor.Key timer = exchange.getIoThread().executeAfter(close, Limits.BODY_SECONDS, TimeUnit.SECONDS);
        Bodies.Body body = bodies.begin(
                Access.network(exchange.getSourceAddress()),
                () -> exchange.getIoThread().execute(close));
        whenDone(exchange, () -> {
            timer.remove();
            body.release();
        });
        exchange.getRequestReceiver()
                .receivePartialBytes(
                        (_, bytes, last) -> {
                            if (body.add(bytes) && last) {
                                timer.remove();
                                body.end();
                                Call call = new Call(exchange, owner, body.size(), body::take);
                                Departure.watch(exchange, call::depart);
                                admit(call, action);
                            }
                        },
                        (_, _) -> close.run());
    }

    /**
     * Starts a request, unless its caller has others and there are too many, or their bodies are too large. A request whose client
     * does not read is ended for it.
     */
    private void admit(Call call, Action action) {
        int others = calls.size();
        if (!requests.take(call.caller, 1) && !(giveUpOne() && requests.take(call.caller, 1))) {
            int seconds = (int) Math.ceil(others * metrics.meanSeconds() / options.parallel());
            start(call, each -> fail(each, ApiError.queueFull(Math.clamp(seconds, 1, Limits.RETRY_SECONDS))));
        } else if (!bytes.take(call.caller, call.size)) {
            requests.give(call.caller, 1);
            start(call, each -> fail(each, ApiError.bytesFull()));
        } else {
            calls.add(call);
            whenDone(call.exchange, () -> {
                leaves(call);
                bytes.give(call.caller, call.size);
            });
            start(call, action);
        }
    }

    /** Gives the place of a request to others; false if it has no place any more. */
    private boolean leaves(Call call) {
        boolean left = calls.remove(call);
        if (left) {
            requests.give(call.caller, 1);
        }
        return left;
    }

    /** Closes the connection whose client has read nothing for longest, if that is long. */
    private boolean giveUpOne() {
        Optional<Call> stalled = calls.stream()
                .filter(call -> call.stalledSeconds() > Limits.STALL_SECONDS_IF_FULL)
                .max(Comparator.comparingDouble(Call::stalledSeconds))
                .filter(this::leaves); // else it was given up for another
        stalled.ifPresent(Call::close);
        return stalled.isPresent();
    }

    private void start(Call call, Action action) {
        call.exchange.dispatch(threads, () -> {
            try {
                answer(call, action);
            } catch (IOException e) {
                call.close(); // the client is gone, or reads nothing
            } catch (RuntimeException | Error e) {
                call.close();
                log(call, e);
            } finally {
                metrics.cancelled.add(call.isGone() ? 1 : 0);
                options.log().accept(call.answered());
            }
        });
    }

    /** Answers, with an error if that fails. */
    private void answer(Call call, Action action) throws IOException {
        try {
            action.answer(call);
        } catch (ApiError e) {
            fail(call, e);
        } catch (ConstraintException e) { // a limit that was met while a text was generated
            fail(call, new ApiError(400, "constraint_limit", null, String.valueOf(e.getMessage())));
        } catch (InputException e) {
            fail(call, new ApiError(400, "invalid_value", null, String.valueOf(e.getMessage())));
        } catch (RejectedExecutionException e) { // also of a request that made room for one of another caller
            fail(call, ApiError.queueFull(1));
        } catch (CancellationException | InterruptedException e) {
            if (call.isGone()) {
                call.close();
            } else {
                fail(call, ApiError.shuttingDown());
            }
        } catch (RuntimeException | Error e) {
            if (draining && e instanceof IllegalStateException) { // of the engine, which was closed
                fail(call, ApiError.shuttingDown());
                return;
            }
            log(call, e);
            fail(
                    call,
                    new ApiError(500, "internal_error", null, "server: expected an answer, got an error; see its log"));
        }
    }

    private void fail(Call call, ApiError error) throws IOException {
        metrics.rejected.add(error.code(), 1);
        call.error(error);
    }

    private static void log(Call call, Throwable e) {
        LOG.log(System.Logger.Level.ERROR, call.exchange.getRequestPath() + ": expected an answer, got " + e);
    }

    /** The page talks to this server alone, and to its public paths. */
    private static void page(Call call, String name) throws IOException {
        try (InputStream file = Routes.class.getResourceAsStream("page/" + name)) {
            if (file == null) {
                throw new ApiError(404, "unknown_url", null, "page: expected one in this build, got none");
            }
            call.exchange.getResponseHeaders().put(SECURITY, PAGE_POLICY).put(Headers.CACHE_CONTROL, "no-cache");
            call.exchange.getResponseHeaders().put(Headers.X_CONTENT_TYPE_OPTIONS, "nosniff");
            String type = name.endsWith(".js") ? "javascript" : name.substring(name.lastIndexOf('.') + 1);
            call.bytes(200, "text/" + type + "; charset=utf-8", file.readAllBytes());
        }
    }

    private void health(HttpServerExchange exchange) {
        if (draining) {
            throw ApiError.shuttingDown();
        }
        exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "application/json");
        exchange.getResponseSender().send(ByteBuffer.wrap(Json.write(Json.object("status", "ok"))));
        options.log().accept(new Call(exchange, "", 0, () -> NOTHING).answered());
    }

    private void metrics(Call call) throws IOException {
        call.bytes(
                200, "text/plain; version=0.0.4; charset=utf-8", metrics.text().getBytes(StandardCharsets.UTF_8));
    }
}
