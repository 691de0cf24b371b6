package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.generation.Chat;
import dev.causal4j.json.Json;
import dev.causal4j.server.Models.Model;
import dev.causal4j.server.TokenRoutes.Answer;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.Methods;
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
import java.util.SequencedMap;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.XnioExecutor;

/** Routes requests: checks access, reads the body without a thread, and answers on a virtual thread. Thread-safe. */
final class Routes implements HttpHandler {
    static final String MODELS = "/models/";
    private static final String CHANGES = "/models/sse"; // of llama.cpp's server of several models
    static final String RESPONSES = "/responses/";
    static final HttpString REQUEST_ID = HttpString.tryFromString("x-request-id");
    private static final HttpString SECURITY = HttpString.tryFromString("Content-Security-Policy");
    private static final String PAGE_POLICY = "default-src 'none'; connect-src 'self'; script-src 'self';"
            + " style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    /** The page, and the files that it loads. */
    private static final Pattern PAGE = Pattern.compile("/([a-z]+\\.(css|js))?");

    private static final List<String> GET = List.of("GET", "HEAD");
    private static final List<String> POST = List.of("POST");
    private static final byte[] NOTHING = {};
    private static final System.Logger LOG = System.getLogger(Routes.class.getName());

    /** Answers a request. */
    @FunctionalInterface
    private interface Action {
        void answer(Call call) throws IOException, InterruptedException;
    }

    /** @param open whether it needs no key */
    private record Route(List<String> methods, boolean open, Supplier<Dialect> dialect, Action action) {}

    /** The request of a body, and its model. */
    private record Read<T>(Model model, T asked) {}

    /** Answered on the connection's thread, which is free also when all others are at work. */
    private final Route health = new Route(GET, true, ChatApi::new, call -> health(call.exchange));

    private final Map<String, Route> routes = new HashMap<>();
    final Models models;
    private final Access access;
    final Figures figures;
    private final ServerOptions options;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicInteger open = new AtomicInteger();
    private final Set<Call> calls = ConcurrentHashMap.newKeySet(); // their bodies are whole
    private final Bodies bodies = new Bodies();
    final Turns turns;
    private final Shares requests;
    private final Shares bytes = new Shares(Limits.ANSWERED_BYTES, Limits.ALWAYS_ANSWERED_BYTES); // see Limits
    private final Shares streams = new Shares(Limits.MODEL_STREAMS, 1);
    private final CountDownLatch drained = new CountDownLatch(1); // when requests are refused

    Routes(SequencedMap<String, Chat.Format> formats, Access access, ServerOptions options) {
        this.access = access;
        this.options = options;
        turns = new Turns(formats.firstEntry().getValue().model().head().compute());
        requests = new Shares(options.parallel() + options.queue(), 1);
        models = new Models(formats, options);
        figures = new Figures(models.all.stream().map(Model::metrics).toList());
        routes.put("/health", health);
        add(GET, "/metrics", this::metrics);
        add(GET, "/models", call -> call.json(models.list()));
        add(GET, MODELS, call -> call.json(models.ofPath(call).discovery().entry()));
        add(GET, "/tokenizer_info", call -> any(models::of, call).discovery().tokenizer(call));
        add(GET, "/props", call -> models.of(call).discovery().props(call));
        add(POST, "/tokenize", call -> tokens(call, TokenRoutes::tokenize));
        add(POST, "/detokenize", call -> tokens(call, TokenRoutes::detokenize));
        add(POST, "/apply-template", call -> tokens(call, TokenRoutes::applyTemplate));
        KeptResponses kept = new KeptResponses(options.responses());
        routes.put("/responses", new Route(POST, false, () -> new Responses(kept), this::generate));
        add(List.of("GET", "HEAD", "DELETE"), RESPONSES, call -> {
            byte[] told = kept.answer(call);
            send(call, told.length, each -> each.bytes(200, "application/json", told));
        });
        routes.put("/completions", new Route(POST, false, CompletionApi::new, this::generate));
        add(POST, "/chat/completions", this::generate);
        add(POST, "/embeddings", this::embed);
        if (models.areSeveral()) {
            add(GET, CHANGES, this::changes);
        }
    }

    /** The model of a request that has never needed its name where there is one model. */
    private <T> Model any(Function<T, Model> which, T from) {
        return models.areSeveral() ? which.apply(from) : models.first();
    }

    /**
     * Reads a body for a model. The tree of one that waits for its turn would be too large to wait with it.
     *
     * @param which finds the model
     */
    private <T> Read<T> read(Call call, Function<JsonIn, Model> which, BiFunction<Model, JsonIn, T> work)
            throws InterruptedException {
        if (call.size > Limits.READ_AT_ONCE_BYTES) {
            return turns.read(call, () -> read(call, JsonIn.parse(call.body.get()), which, work));
        }
        byte[] body = call.body.get();
        Optional<Read<T>> read =
                readSmall(call, body, which, work); // in a frame of its own: a frame that waits keeps its trees
        return read.isPresent() ? read.get() : turns.read(call, () -> read(call, JsonIn.parse(body), which, work));
    }

    /** Reads a body at once; empty if what it refers to is too large. */
    private static <T> Optional<Read<T>> readSmall(
            Call call, byte[] body, Function<JsonIn, Model> which, BiFunction<Model, JsonIn, T> work) {
        JsonIn in = JsonIn.parse(body);
        boolean waits = call.size + call.dialect.remembered(in, call) > Limits.READ_AT_ONCE_BYTES;
        return waits ? Optional.empty() : Optional.of(read(call, in, which, work));
    }

    private static <T> Read<T> read(
            Call call, JsonIn in, Function<JsonIn, Model> which, BiFunction<Model, JsonIn, T> work) {
        long _ = call.dialect.remembered(in, call); // as it is now
        Model model = which.apply(in);
        call.model = model.metrics().model;
        return new Read<>(model, work.apply(model, in));
    }

    private void generate(Call call) throws IOException, InterruptedException {
        Read<TextRequest> read =
                read(call, models::of, (model, in) -> call.dialect.read(in, model.served(), call.owner));
        new ResponseWriter(read.model, turns, bytes).answer(read.asked, call);
    }

    private void embed(Call call) throws IOException, InterruptedException {
        Read<EmbeddingApi.Ask> read =
                read(call, models::of, (model, in) -> EmbeddingApi.read(in, model.served(), options));
        new EmbeddingApi(read.model, bytes).answer(read.asked, call);
    }

    private void tokens(Call call, BiFunction<TokenRoutes, JsonIn, Answer> work)
            throws IOException, InterruptedException {
        Answer made = read(
                        call,
                        each -> any(models::of, each),
                        (model, in) -> work.apply(new TokenRoutes(model.served()), in))
                .asked;
        send(call, made.bytes(), each -> each.json(made.told()));
    }

    /** Sends an answer that holds bytes until it is sent. */
    private void send(Call call, long held, Action sending) throws IOException, InterruptedException {
        if (!bytes.take(call.caller, held)) {
            throw ApiError.bytesFull();
        }
        try {
            sending.answer(call);
        } finally {
            bytes.give(call.caller, held);
        }
    }

    private void add(List<String> methods, String path, Action action) {
        routes.put(path, new Route(methods, false, ChatApi::new, action));
    }

    /** Refuses new and waiting requests. */
    void drain() {
        drained.countDown();
        turns.cancel();
        models.all.forEach(each -> each.engine().control().cancelWaiting().run());
    }

    private boolean drains() {
        return drained.getCount() == 0;
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
        Route route = route(exchange.getRequestPath());
        try {
            begin(exchange, route);
        } catch (ApiError e) {
            start(call(exchange, route, ""), call -> fail(call, e));
        }
    }

    private static Call call(HttpServerExchange exchange, @Nullable Route route, String owner) {
        return new Call(exchange, route == null ? new ChatApi() : route.dialect.get(), owner, 0, () -> NOTHING);
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

    private void begin(HttpServerExchange exchange, @Nullable Route route) {
        checkHead(exchange);
        String method = exchange.getRequestMethod().toString();
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
        String methods = String.join(", ", route.methods) + ", OPTIONS";
        if (method.equals("OPTIONS")) {
            access.addPreflight(exchange, methods);
            start(call(exchange, route, ""), Call::empty);
            return;
        }
        if (!route.methods.contains(method)) {
            exchange.getResponseHeaders().put(Headers.ALLOW, methods);
            throw new ApiError(405, "method_not_allowed", null, "method: expected " + methods + ", got another");
        }
        String owner = route.open ? "" : access.owner(exchange);
        if (route.equals(health)) {
            health(exchange);
            return;
        }
        if (!method.equals("POST")) {
            start(call(exchange, route, owner), route.action);
            return;
        }
        String coding = exchange.getRequestHeaders().getFirst(Headers.CONTENT_ENCODING);
        if (coding != null && !coding.equalsIgnoreCase("identity")) {
            exchange.setPersistent(false);
            throw new ApiError(415, "unsupported_media_type", null, "body: expected plain JSON, got an encoding");
        }
        if (drains()) {
            throw ApiError.shuttingDown();
        }
        receive(exchange, owner, route);
    }

    private @Nullable Route route(String path) {
        String name = path.startsWith("/v1/") ? path.substring(3) : path;
        return PAGE.matcher(name).matches()
                ? new Route(
                        GET,
                        true,
                        ChatApi::new,
                        call -> page(call, name.equals("/") ? "index.html" : name.substring(1)))
                : routes.get(
                        name.startsWith(MODELS) && !routes.containsKey(path)
                                ? MODELS
                                : name.startsWith(RESPONSES) ? RESPONSES : name);
    }

    /** Reads the body as it comes; a connection that takes too long is closed. */
    private void receive(HttpServerExchange exchange, String owner, Route route) {
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
                                Call call = new Call(exchange, route.dialect.get(), owner, body.size(), body::take);
                                Departure.watch(exchange, call::depart);
                                admit(call, route.action);
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
            int seconds = (int) Math.ceil(others * figures.meanSeconds() / options.parallel());
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
                figures.cancelled().add(call.isGone() ? 1 : 0);
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
            if (drains() && e instanceof IllegalStateException) { // of the engine, which was closed
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
        figures.rejected().add(error.code(), 1);
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
        if (drains()) {
            throw ApiError.shuttingDown();
        }
        exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "application/json");
        exchange.getResponseSender().send(ByteBuffer.wrap(Json.write(Json.object("status", "ok"))));
        options.log().accept(call(exchange, health, "").answered());
    }

    /** A stream for editors that wait for models to come or go, which none does: without it they ask every few seconds. */
    private void changes(Call call) throws IOException, InterruptedException {
        if (!streams.take(call.caller, 1)) {
            throw ApiError.full("streams", "at most " + Limits.MODEL_STREAMS + " that wait for models");
        }
        try {
            boolean reads = call.exchange.getRequestMethod().equals(Methods.GET);
            do {
                call.ping();
            } while (reads && !drained.await(Limits.PING_SECONDS, TimeUnit.SECONDS));
        } finally {
            streams.give(call.caller, 1);
            call.close();
        }
    }

    private void metrics(Call call) throws IOException {
        call.bytes(
                200, "text/plain; version=0.0.4; charset=utf-8", figures.text().getBytes(StandardCharsets.UTF_8));
    }
}
