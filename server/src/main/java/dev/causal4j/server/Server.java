package dev.causal4j.server;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.model.CausalLM;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.handlers.HttpContinueReadHandler;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import org.xnio.Options;

/**
 * Serves a model over HTTP. Thread-safe. To be closed before its model.
 *
 * <p>A request waits in a queue with a bound until the engine has room; a client that goes ends what it asked for at
 * once. Nothing that another client does changes a bit of an answer.
 */
public final class Server implements AutoCloseable {
    private static final int IO_THREADS = 2;

    final Engine engine;
    final Routes routes;
    private final Undertow undertow;
    private final InetSocketAddress address;
    private boolean closed;

    private Server(Engine engine, Routes routes, Undertow undertow, InetSocketAddress address) {
        this.engine = engine;
        this.routes = routes;
        this.undertow = undertow;
        this.address = address;
    }

    /**
     * Starts to listen.
     *
     * @param template that makes texts of conversations; {@link ChatTemplate#plain} for a model without one
     * @throws IOException if the address cannot be used, for instance because another program does
     * @throws IllegalStateException if the model has no tokenizer
     */
    public static Server start(CausalLM model, ChatTemplate template, ServerOptions options) throws IOException {
        return start(Chat.Format.of(model, template), options);
    }

    /**
     * Starts to listen, with a way to hold conversations; its tools are left out, since requests bring theirs. Errors as of
     * {@link #start(CausalLM, ChatTemplate, ServerOptions)}.
     */
    public static Server start(Chat.Format format, ServerOptions options) throws IOException {
        CausalLM model = format.model();
        InetAddress host = InetAddress.getByName(options.host());
        Engine engine = new Engine(
                model,
                EngineOptions.DEFAULT
                        .withParallel(options.parallel())
                        .withQueue(Limits.SEQUENCES + options.queue())
                        .withPrefixBytes(options.cacheBytes()));
        try {
            ServedModel served = ServedModel.of(engine, format, options.aliases());
            Access access = new Access(options, host.isLoopbackAddress());
            Routes routes = new Routes(engine, served, access, new Metrics(engine), options);
            Undertow undertow = Undertow.builder()
                    .addHttpListener(options.port(), options.host())
                    .setIoThreads(IO_THREADS)
                    .setDirectBuffers(false) // whose release would need sun.misc.Unsafe
                    .setWorkerThreads(1) // requests have virtual ones
                    .setHandler(new HttpContinueReadHandler(routes))
                    .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, 2L * Limits.BODY_BYTES)
                    .setServerOption(UndertowOptions.MAX_HEADER_SIZE, Limits.HEAD_BYTES)
                    .setServerOption(UndertowOptions.MAX_HEADERS, Limits.HEADERS)
                    .setServerOption(UndertowOptions.REQUEST_PARSE_TIMEOUT, 1000 * Limits.HEAD_SECONDS)
                    .setServerOption(UndertowOptions.NO_REQUEST_TIMEOUT, 1000 * Limits.IDLE_SECONDS)
                    .setSocketOption(Options.TCP_NODELAY, true)
                    .setSocketOption(Options.BACKLOG, Limits.CONNECTIONS_WAITING)
                    .build();
            listen(undertow, options);
            InetSocketAddress address =
                    (InetSocketAddress) undertow.getListenerInfo().getFirst().getAddress();
            return new Server(engine, routes, undertow, address);
        } catch (Throwable e) {
            engine.close();
            throw e;
        }
    }

    private static void listen(Undertow undertow, ServerOptions options) throws IOException {
        try {
            undertow.start();
        } catch (RuntimeException e) {
            undertow.stop();
            String where = options.host() + ":" + options.port();
            if (e.getCause() instanceof BindException cause) {
                throw new IOException(
                        where + ": expected a free address of this machine, got " + cause.getMessage()
                                + "; choose another port",
                        cause);
            }
            throw new IOException(where + ": expected to be able to listen there, got " + e.getMessage(), e);
        }
    }

    Metrics metrics() {
        return routes.metrics;
    }

    /** Where it listens. */
    public InetSocketAddress address() {
        return address;
    }

    /**
     * Refuses new requests and those that wait, lets the others end, and stops.
     *
     * @param most how long the others may take; then they end with an error
     */
    public synchronized void drain(Duration most) {
        if (closed) {
            return;
        }
        closed = true;
        routes.drain();
        awaitNone(most);
        engine.close();
        awaitNone(Duration.ofSeconds(Limits.LAST_WORDS_SECONDS));
        undertow.stop();
    }

    private void awaitNone(Duration most) {
        long end = System.nanoTime() + most.toNanos();
        try {
            while (routes.open() > 0 && System.nanoTime() < end) {
                Thread.sleep(5);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stops at once. What is not answered ends with an error. */
    @Override
    public void close() {
        drain(Duration.ZERO);
    }
}
