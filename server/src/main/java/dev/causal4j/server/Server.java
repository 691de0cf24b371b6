package dev.causal4j.server;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.model.CausalLM;
import dev.causal4j.receipt.Receipt;
import io.undertow.UndertowOptions;
import io.undertow.server.DefaultByteBufferPool;
import io.undertow.server.handlers.HttpContinueReadHandler;
import io.undertow.server.protocol.http.HttpOpenListener;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.xnio.ChannelListeners;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.StreamConnection;
import org.xnio.Xnio;
import org.xnio.XnioWorker;
import org.xnio.channels.AcceptingChannel;

/**
 * Serves one or several models over HTTP. Thread-safe. To be closed before its models.
 *
 * <p>A request waits in a queue with a bound until the engine has room; a client that leaves ends its request at
 * once. No other client changes a bit of an answer.
 */
public final class Server implements AutoCloseable {
    final Routes routes;
    private final AcceptingChannel<StreamConnection> channel;
    private boolean closed;
    private volatile boolean stops; // at once

    private Server(Routes routes, AcceptingChannel<StreamConnection> channel) {
        this.routes = routes;
        this.channel = channel;
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
        return start(new LinkedHashMap<>(Map.of(format.model().name(), format)), options);
    }

    /**
     * Starts to listen for requests to several models, whose steps take turns. Equal bits hold for each. A model with an
     * adapter is one of them. Errors as of {@link #start(CausalLM, ChatTemplate, ServerOptions)}.
     *
     * @param models by their names; the first answers requests that name none. Equal formats are one model with several
     *     names
     * @throws IllegalArgumentException if there are none, or an alias is the name of another model
     * @throws dev.causal4j.MemoryLimitException if the keys and values of all together may take more memory than is free
     */
    public static Server start(SequencedMap<String, Chat.Format> models, ServerOptions options) throws IOException {
        if (models.isEmpty()) {
            throw new IllegalArgumentException("models: expected at least one, got none");
        }
        if (options.receipts().isPresent()) {
            models.values().forEach(each -> Receipt.check(each.model(), GenerationOptions.DEFAULT));
        }
        Access access =
                new Access(options, InetAddress.getByName(options.host()).isLoopbackAddress());
        Routes routes = new Routes(models, access, options);
        try {
            return new Server(routes, listen(routes, options));
        } catch (Throwable e) {
            routes.models.close();
            throw e;
        }
    }

    /** Listens as {@link io.undertow.Undertow} does, but bounds the connections. */
    private static AcceptingChannel<StreamConnection> listen(Routes routes, ServerOptions options) throws IOException {
        OptionMap reading = OptionMap.builder()
                .set(UndertowOptions.MAX_ENTITY_SIZE, 2L * Limits.BODY_BYTES)
                .set(UndertowOptions.MAX_HEADER_SIZE, Limits.HEAD_BYTES)
                .set(UndertowOptions.MAX_HEADERS, Limits.HEADERS)
                .set(UndertowOptions.REQUEST_PARSE_TIMEOUT, 1000 * Limits.HEAD_SECONDS)
                .set(UndertowOptions.NO_REQUEST_TIMEOUT, 1000 * Limits.IDLE_SECONDS)
                .getMap();
        // The release of direct buffers would need sun.misc.Unsafe.
        HttpOpenListener reader = new HttpOpenListener(new DefaultByteBufferPool(false, 16 << 10, -1, 4), reading);
        reader.setRootHandler(new HttpContinueReadHandler(routes));
        OptionMap threads = OptionMap.create(Options.WORKER_IO_THREADS, 2, Options.WORKER_TASK_MAX_THREADS, 1);
        XnioWorker worker = Xnio.getInstance(Server.class.getClassLoader()).createWorker(threads);
        try {
            AcceptingChannel<StreamConnection> channel = worker.createStreamConnectionServer(
                    new InetSocketAddress(options.host(), options.port()),
                    ChannelListeners.openListenerAdapter(new Connections(options, reader, routes.figures.rejected())),
                    OptionMap.create(Options.TCP_NODELAY, true, Options.BACKLOG, Limits.CONNECTIONS_WAITING));
            channel.resumeAccepts();
            return channel;
        } catch (IOException e) {
            worker.shutdownNow();
            String got = e instanceof BindException
                    ? "a free address of this machine, got " + e.getMessage() + "; choose another port"
                    : "to be able to listen there, got " + e.getMessage();
            throw new IOException(options.host() + ":" + options.port() + ": expected " + got, e);
        }
    }

    Figures figures() {
        return routes.figures;
    }

    /** Where it listens. */
    public InetSocketAddress address() {
        return channel.getLocalAddress(InetSocketAddress.class);
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
        awaitNone(most, false);
        routes.models.close();
        awaitNone(Duration.ofSeconds(Limits.LAST_WORDS_SECONDS), true);
        IoUtils.safeClose(channel);
        channel.getWorker().shutdown();
        try {
            channel.getWorker().awaitTermination(); // no connection is open then
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Waits until no request is open. {@link #close} cuts this short except for the last words. */
    private void awaitNone(Duration most, boolean lastWords) {
        long end = System.nanoTime() + most.toNanos();
        try {
            while (routes.open() > 0 && System.nanoTime() < end && (lastWords || !stops)) {
                Thread.sleep(5);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stops at once, also while another thread drains. Requests without an answer end with an error. */
    @Override
    public void close() {
        stops = true;
        drain(Duration.ZERO);
    }
}
