package dev.causal4j.cli;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.json.Json;
import dev.causal4j.json.WholeFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import java.util.stream.Stream;

/** Reads the messages and commands of a conversation, and prints the answers. Not thread-safe. */
final class ChatLoop {
    private static final String HELP = """
            /system TEXT   tell the model how to answer; without TEXT take that back
            /undo          take your last message and its answer back
            /regenerate    another answer to your last message
            /clear         forget all messages; what /system told stays
            /show          the conversation and the settings
            /set NAME X    change a setting, as in /set temperature 0.7
            /save FILE     write the conversation as JSON; /save! FILE replaces a file
            /load FILE     go on with a conversation that was saved
            /help          this help
            /quit          end, as Ctrl-D does; Ctrl-C stops an answer
            //...          a message that begins with /""";

    final Chat chat;
    private final Chat.Format format;
    private SamplingOptions sampling;
    private final ConstraintOptions constraint;
    private final ReceiptOptions receipts;
    private final PrintWriter out;
    private final PrintWriter notes;
    /** Asks for an answer, whose parts go to a listener, and shows it. */
    private Consumer<Consumer<Answer.Listener>> answering = asking -> print(asking, false);

    private Thoughts thoughts; // of the answer
    private IntSupplier width = () -> Integer.MAX_VALUE;
    private final Deque<ToolCall> called = new ArrayDeque<>(); // calls whose results come next
    private final List<Message> results = new ArrayList<>();

    /** @param notes gets all but the answers */
    ChatLoop(
            Chat.Format format,
            SamplingOptions sampling,
            ConstraintOptions constraint,
            ReceiptOptions receipts,
            PrintWriter out,
            PrintWriter notes)
            throws IOException {
        this.format = format;
        this.sampling = sampling;
        this.constraint = constraint;
        this.receipts = receipts;
        this.out = out;
        this.notes = notes;
        chat = Chat.of(format).options(sampling.build(options()));
        thoughts = new Thoughts(out, false, width);
    }

    private GenerationOptions options() {
        return constraint.addTo(format.options());
    }

    /** Answers each line, until the first failure. */
    void run(LineReader lines, boolean json) throws IOException {
        answering = asking -> print(asking, json);
        Optional<byte[]> line = lines.next();
        while (line.isPresent() && obeys(TextInput.decode("line " + lines.number(), line.get()))) {
            line = lines.next();
        }
    }

    private void print(Consumer<Answer.Listener> asking, boolean json) {
        TokenListener text = json ? TokenListener.NONE : Streaming.to(out, true);
        Generator generator = new Generator(format.model());
        chat.through(noting((request, tokens) -> {
            TokenListener reading = token -> tokens.accept(token) && !out.checkError();
            return generator
                    .generate(List.of(request), offers() ? reading : text)
                    .getFirst();
        }));
        asking.accept(
                json || !offers()
                        ? Answer.Listener.NONE
                        : new CallPrinter((piece, _) -> out.print(Streaming.shown(piece))));
        if (json) {
            out.println(document(chat.last().orElseThrow()));
        } else {
            out.println();
        }
    }

    private Document document(Chat.Turn turn) {
        int cached = turn.generation().timing().cachedTokens();
        Document document = GenerateCommand.document(turn.generation(), new Document().put("cached_tokens", cached));
        if (offers()) {
            ToolOptions.put(document, turn.answer());
        }
        return constraint.addTo(document, turn.generation());
    }

    private boolean offers() {
        return !format.tools().isEmpty();
    }

    /** Answers at a terminal, where a failure does not end the conversation. */
    void run(ChatTerminal terminal) {
        answering = asking -> answer(terminal, asking);
        width = terminal::width;
        note("/help shows the commands; Ctrl-D ends");
        boolean goesOn = true;
        while (goesOn) {
            Optional<String> line = terminal.next();
            try {
                goesOn = line.isPresent() && obeys(line.get());
            } catch (CancellationException e) {
                note("stopped before an answer began; the conversation is as before");
            } catch (IOException | RuntimeException e) {
                tell(Main.message(e), false);
            }
        }
    }

    private void answer(ChatTerminal terminal, Consumer<Answer.Listener> asking) {
        chat.through(noting((request, tokens) -> computed(terminal, request, tokens)));
        asking.accept(
                offers() ? new CallPrinter((piece, dimmed) -> thoughts.print(piece, dimmed)) : Answer.Listener.NONE);
        thoughts.end();
        note(GenerateCommand.status(chat.last().orElseThrow().generation(), format.model()));
    }

    private Generation computed(ChatTerminal terminal, GenerationRequest request, TokenListener tokens) {
        boolean inThought = format.parser(request, Answer.Listener.NONE).isThinking();
        thoughts = new Thoughts(out, inThought, width);
        AtomicBoolean waits = new AtomicBoolean(true);
        CompletableFuture<Boolean> stopped = new CompletableFuture<>();
        terminal.onInterrupt(() -> stopped.complete(true)); // also before the answer is under way
        Runnable begin = () -> {
            if (waits.getAndSet(false)) {
                out.print("\r     \r"); // the dots, and the ^C that a terminal may have shown after them
                out.flush();
            }
        };
        out.print(Streaming.dimmed(Streaming.TERMINAL, "..."));
        out.flush();
        try {
            CompletableFuture<Generation> result = Engine.shared(format.model()).submit(request, token -> {
                begin.run();
                if (offers()) {
                    tokens.accept(token);
                } else {
                    thoughts.show(token.text());
                }
                return !stopped.isDone() && !out.checkError();
            });
            var _ = stopped.thenAccept(_ -> {
                if (waits.get()) {
                    result.cancel(true);
                }
            });
            return EngineControl.await(result);
        } catch (InterruptedException e) {
            throw new CancellationException("answer: interrupted");
        } finally {
            begin.run(); // without a token, too
            terminal.onInterrupt(() -> {});
        }
    }

    private void note(String text) {
        tell(text, true);
    }

    private void tell(String text, boolean dimmed) {
        boolean wraps = Boolean.getBoolean(Streaming.ERRORS);
        WordWrap lines = new WordWrap(notes, Streaming.ERRORS, wraps ? width : () -> Integer.MAX_VALUE);
        lines.print(text, dimmed);
        lines.end();
    }

    /** Executes a line. Returns whether the conversation continues. */
    private boolean obeys(String line) throws IOException {
        String[] words = line.strip().split("\\s+", 2);
        String rest = words.length > 1 ? words[1] : "";
        switch (words[0]) {
            case "" -> {}
            case "/quit" -> {
                return false;
            }
            case "/help" -> notes.println(HELP);
            case "/system" -> chat.system(rest);
            case "/undo" -> {
                called.clear();
                chat.undo();
                note("(took your last message back; " + turns() + " left)");
            }
            case "/clear" -> {
                note("(forgot " + turns() + ")");
                called.clear();
                chat.clear();
            }
            case "/show" -> show();
            case "/set" -> {
                String[] setting = rest.split("\\s+", 2);
                chat.options(sampling.set(setting[0], setting.length > 1 ? setting[1] : "", options()));
                note("(" + sampling.shown() + ")");
            }
            case "/regenerate" -> {
                called.clear();
                answering.accept(chat::regenerate);
                awaitResults();
            }
            case "/save", "/save!" -> {
                save(file(rest), words[0].endsWith("!"));
                note("(saved " + turns() + " to " + rest + ")");
            }
            case "/load" -> {
                load(file(rest));
                note("(loaded " + turns() + " from " + rest + ")");
            }
            case String word
            when word.startsWith("/") && !word.startsWith("//") ->
                throw new IllegalArgumentException("command: expected one that /help shows, got " + Visible.quoted(word)
                        + "; // begins a message with /");
            default -> say(line.startsWith("//") ? line.substring(1) : line);
        }
        return true;
    }

    /** Sends a message, or the result of a call; the last of several results is answered. */
    private void say(String text) {
        if (called.isEmpty()) {
            answering.accept(printer -> chat.answer(List.of(new Message("user", text)), printer));
        } else {
            ToolCall call = called.getFirst();
            Message result = Message.result(call, text);
            if (called.size() == 1) {
                List<Message> all =
                        Stream.concat(results.stream(), Stream.of(result)).toList();
                answering.accept(printer -> chat.answer(all, printer));
            }
            called.removeFirst(); // not if the answer failed
            results.add(result);
        }
        awaitResults();
    }

    /** Takes the calls of the last answer, unless results of one before are missing. */
    private void awaitResults() {
        if (offers() && called.isEmpty()) {
            results.clear();
            called.addAll(chat.last().orElseThrow().answer().calls());
        }
        if (!called.isEmpty()) {
            note("(the next line is the result of " + called.getFirst().name() + ")");
        }
    }

    private static Path file(String name) {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("file: expected a name after the command, got none");
        }
        return Path.of(name);
    }

    private String turns() {
        return chat.turns() + (chat.turns() == 1 ? " turn" : " turns");
    }

    private void show() {
        for (Message message : chat.messages()) {
            tell(message.fields().get("role") + ": " + message.fields().get("content"), false);
        }
        note("(" + turns() + "; " + sampling.shown() + "; the rest by default)");
    }

    /** Says before the answer if turns are left out for it, and writes its receipt after it. */
    private BiFunction<GenerationRequest, TokenListener, Generation> noting(
            BiFunction<GenerationRequest, TokenListener, Generation> compute) {
        int before = chat.leftOut();
        return (request, tokens) -> {
            int oldest = chat.leftOut();
            if (oldest > before) {
                int context = format.model().contextLength();
                note("(" + oldest + " oldest turn" + (oldest == 1 ? "" : "s") + " left out: the context of " + context
                        + " tokens is full)");
            }
            Generation made = compute.apply(request, tokens);
            try {
                receipts.add(format.model(), request, made);
            } catch (IOException e) {
                tell("receipt: " + Main.message(e), false);
            }
            return made;
        };
    }

    private void save(Path file, boolean overwrite) throws IOException {
        if (!overwrite && Files.exists(file)) {
            throw new IOException(file + ": expected a new file, got one that exists; /save! FILE overwrites it");
        }
        Document document = new Document()
                .put(
                        Document.MESSAGES,
                        chat.messages().stream().map(Message::fields).toList())
                .put("options", sampling.arguments())
                .put("attempts", chat.attempts())
                .put("left_out", chat.leftOut())
                .put("model", digests());
        WholeFile.write(file, (document + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** The digests of the files that the model was loaded from; none if they are not known. */
    private List<String> digests() {
        return format.model().digests().stream()
                .flatMap(each -> Stream.concat(each.files().stream(), each.adapter().stream()))
                .map(each -> each.name() + " sha256:" + each.sha256())
                .toList();
    }

    /** Continues the conversation in a file; this one stays if it cannot be read. */
    private void load(Path file) throws IOException {
        List<Map<String, Object>> loaded = Document.list(file);
        if (!loaded.stream().allMatch(message -> message.get("role") instanceof String)) {
            throw new IOException(file + ": expected messages with a role, got one without");
        }
        Json state = new Json(file.toString(), Document.conversation(file));
        int attempts = state.integer("attempts", 0, 0, Integer.MAX_VALUE);
        int leftOut = state.integer("left_out", 0, 0, Integer.MAX_VALUE);
        if (state.root().get("options") instanceof List<?> arguments) {
            SamplingOptions saved =
                    sampling.with(arguments.stream().map(String::valueOf).toList());
            chat.options(saved.build(options()));
            sampling = saved;
        }
        called.clear();
        chat.messages(loaded.stream().map(Message::new).toList(), attempts, leftOut);
        List<?> model = state.root().get("model") instanceof List<?> files ? files : List.of();
        if (!model.isEmpty() && !digests().isEmpty() && !model.equals(digests())) {
            note("(it was saved with other files of a model: the next answers may differ)");
        }
    }
}
