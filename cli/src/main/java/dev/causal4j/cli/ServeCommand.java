package dev.causal4j.cli;

import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.PrefixStore;
import dev.causal4j.model.CausalLM;
import dev.causal4j.receipt.Receipt;
import dev.causal4j.server.Server;
import dev.causal4j.server.ServerOptions;
import dev.causal4j.server.ServerOptions.Answered;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.function.UnaryOperator;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Serves models over HTTP. */
@Command(
        name = "serve",
        description =
                "Serves one or several models over HTTP with OpenAI's API, until it is stopped. SIGTERM lets requests end; a second"
                        + " one does not. --model may be repeated, also as NAME=PATH, and --cache-memory as NAME=MB: what has no"
                        + " name is for all models, in equal parts.")
final class ServeCommand extends Subcommand {
    private static final String KEYS = "CAUSAL4J_API_KEY";

    private static final int STOPPED = 143; // the status of a program that SIGTERM ends

    /** The server's parts that log their start. */
    private static final List<Logger> QUIET =
            List.of(Logger.getLogger("io.undertow"), Logger.getLogger("org.xnio"), Logger.getLogger("org.jboss"));

    @Option(names = "--host", paramLabel = "H", description = "Address to listen at; default: ${DEFAULT-VALUE}.")
    private String host = ServerOptions.DEFAULT.host();

    @Option(names = "--port", paramLabel = "N", description = "0 for any that is free; default: ${DEFAULT-VALUE}.")
    private int port = ServerOptions.DEFAULT.port();

    @Option(names = "--parallel", paramLabel = "N", description = "Most sequences at once; default: ${DEFAULT-VALUE}.")
    private int parallel = ServerOptions.DEFAULT.parallel();

    @Option(names = "--queue", paramLabel = "N", description = "Most requests that wait; default: ${DEFAULT-VALUE}.")
    private int queue = ServerOptions.DEFAULT.queue();

    @Option(
            names = "--store",
            paramLabel = "N",
            description = "Most responses that are kept for later requests; default: ${DEFAULT-VALUE}.")
    private int responses = ServerOptions.DEFAULT.responses();

    @Option(
            names = "--api-key-file",
            paramLabel = "FILE",
            description = "Keys, one a line, of which a client must have one; also from " + KEYS + ".")
    private @Nullable Path keyFile;

    @Option(names = "--no-api-key", description = "Answer everybody who can reach the address.")
    private boolean open;

    @Option(
            names = "--cors-origin",
            paramLabel = "ORIGIN",
            description = "Origin of pages that may ask, besides this machine's; * for all; may be repeated.")
    private List<String> origins = List.of();

    @Option(
            names = "--host-name",
            paramLabel = "NAME",
            description =
                    "Name that requests may call this machine by, besides localhost and addresses; * for all; may be repeated.")
    private List<String> hostNames = List.of();

    @Option(
            names = "--shutdown-timeout",
            paramLabel = "S",
            description = "Seconds for requests to end when the server is stopped; default: ${DEFAULT-VALUE}.")
    private int shutdownSeconds = 30;

    @Option(
            names = "--tool-format",
            paramLabel = "NAME",
            description = "How the model writes calls of tools, such as hermes; default: as its template shows.")
    private @Nullable String toolFormat;

    @Option(names = "--log", description = "Write a line for each request to standard error; with --json an object.")
    private boolean log;

    @Option(names = "--mrl", description = "Let requests ask for the first numbers of vectors of any model.")
    private boolean shortens;

    @Option(names = "--receipts", description = "Give receipts to requests with \"receipt\": true.")
    private boolean receipts;

    @Mixin
    private PoolingOptions pooling;

    @Mixin
    private SigningOption signing;

    @Mixin
    private DraftOption draft;

    @Mixin
    private PrefixStoreOption prefixes;

    @Mixin
    private MarkOption mark;

    @Mixin
    private TemplateOption template;

    @Mixin
    private RunOptions model;

    @Mixin
    private ServedModels models;

    @Override
    public Integer call() throws IOException, InterruptedException {
        List<String> keys = keys();
        refuse(
                keys.isEmpty() && !open && !InetAddress.getByName(host).isLoopbackAddress(),
                "host: expected one of this machine alone, or keys, got " + host
                        + "; give --api-key-file, or --no-api-key to let anybody ask");
        refuse(shutdownSeconds < 0, "shutdown-timeout: expected at least 0 seconds, got " + shutdownSeconds);
        refuse(signing.isGiven() && !receipts, "sign-key: expected --receipts beside it, got none");
        UnaryOperator<Receipt> sealing = signing.read();
        PrefixStore store = prefixes.open();
        Map<String, Long> bytes = model.cacheBytesByName();
        ServerOptions unmarked = Usage.of(
                spec,
                () -> ServerOptions.DEFAULT
                        .withAddress(host, port)
                        .withAliases(models.aliases())
                        .withBounds(parallel, queue)
                        .withCacheBytes(bytes.getOrDefault("", ServerOptions.DEFAULT.cacheBytes()))
                        .withResponses(responses)
                        .withDraft(draft.draft())
                        .withPrefixStore(store)
                        .withKeys(keys)
                        .withOrigins(origins)
                        .withHostNames(hostNames)
                        .withPooling(pooling.pooling(), shortens)
                        .withLog(log ? told -> stderr().println(line(told, Instant.now(), json)) : _ -> {}));
        ServerOptions options = mark.read().map(unmarked::withMark).orElse(unmarked);
        Optional<ToolFormat> calls =
                Optional.ofNullable(toolFormat).map(name -> Usage.of(spec, () -> ToolFormat.named(name)));
        ServerOptions all = receipts ? options.withReceipts(sealing) : options;
        QUIET.forEach(logger -> logger.setLevel(Level.WARNING));
        try (ServedModels opened = models) {
            serve(opened.load(model, prefixes.addTo(model.unbounded().withDigests(receipts)), template, calls), all);
        }
        return 0;
    }

    private void serve(SequencedMap<String, Chat.Format> formats, ServerOptions options)
            throws IOException, InterruptedException {
        try (Server server = Server.start(formats, options);
                Interruption stop = new Interruption(shutdownSeconds + 10L)) {
            tellReady(formats, server.address());
            stop.await();
            for (String again : List.of("TERM", "INT")) {
                Signals.register(again, () -> Runtime.getRuntime().halt(STOPPED)); // waits for nothing
            }
            server.drain(Duration.ofSeconds(shutdownSeconds));
        }
    }

    private void tellReady(SequencedMap<String, Chat.Format> formats, InetSocketAddress address) {
        Map<CausalLM, String> names = new LinkedHashMap<>(); // without those that are only another name
        formats.forEach((name, format) -> {
            if (names.putIfAbsent(format.model(), name) == null) {
                tellReady(name, format);
            }
        });
        String name = address.getAddress().getHostAddress();
        String url = "http://" + (name.contains(":") ? "[" + name + "]" : name) + ":" + address.getPort();
        ToolFormat tools = formats.firstEntry().getValue().toolFormat();
        String first = formats.firstEntry().getKey();
        Document document = new Document().put("url", url).put("model", first).put("tool_format", tools.label());
        if (names.size() > 1) {
            document.put("models", List.copyOf(names.values()));
        }
        print(document, "Serving " + String.join(", ", names.values()) + " at " + url);
        stdout().flush();
    }

    private void tellReady(String model, Chat.Format format) {
        if (format.template().isPlain()) {
            stderr().println(model + ": has no chat template; conversations are plain transcripts");
        }
        ToolFormat tools = format.toolFormat();
        boolean shown = tools != ToolFormat.NONE;
        stderr().println(model + ": calls tools "
                + (shown ? "as " + tools.label() : "only where a request requires it"));
    }

    private List<String> keys() throws IOException {
        List<String> keys = new ArrayList<>();
        String given = System.getenv(KEYS);
        if (given != null && !given.isBlank()) {
            keys.add(given.strip());
        }
        if (keyFile != null) {
            TextInput.file(keyFile)
                    .lines()
                    .map(String::strip)
                    .filter(line -> !line.isEmpty())
                    .forEach(keys::add);
            if (keys.isEmpty()) {
                throw new IOException(keyFile + ": expected keys, one a line, got none");
            }
        }
        return keys;
    }

    /** A line of the log. */
    static String line(Answered told, Instant time, boolean json) {
        boolean named = !told.model().isEmpty();
        if (json) {
            Document document = new Document()
                    .put("time", time.toString())
                    .put("id", told.id())
                    .put("method", told.method())
                    .put("path", told.path());
            return (named ? document.put("model", told.model()) : document)
                    .put("status", told.status())
                    .put("seconds", told.seconds())
                    .put("prompt_tokens", told.promptTokens())
                    .put("new_tokens", told.newTokens())
                    .put("first_token_seconds", told.firstTokenSeconds())
                    .put("reason", told.reason().isEmpty() ? null : told.reason())
                    .toString();
        }
        String path = Visible.quoted(told.path());
        String line =
                "%s %s %s %s %d %.3f s".formatted(time, told.id(), told.method(), path, told.status(), told.seconds());
        String tokens = ", %d tokens in, %d out".formatted(told.promptTokens(), told.newTokens());
        OptionalDouble first = told.firstTokenSeconds();
        return line
                + (named ? ", model " + Visible.quoted(told.model()) : "")
                + (told.promptTokens() > 0 ? tokens : "")
                + (first.isPresent() ? ", first after %.3f s".formatted(first.getAsDouble()) : "")
                + (told.reason().isEmpty() ? "" : ", " + Visible.quoted(told.reason()));
    }
}
