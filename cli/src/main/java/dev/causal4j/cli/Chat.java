package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntSupplier;

/** A conversation with a model, and the commands in it. Not thread-safe. */
final class Chat {
    private static final int MAX_NEW_TOKENS = 1024;

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

    /** Shows an answer. */
    private interface Answering {
        Generation answer(int[] prompt, GenerationOptions options) throws InterruptedException;
    }

    final Conversation conversation = new Conversation();
    private final Engine engine;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final Map<String, Object> variables;
    private final SamplingOptions sampling;
    private final PrintWriter out;
    private final PrintWriter notes;
    private GenerationOptions options;
    private IntSupplier width = () -> Integer.MAX_VALUE;
    private int attempts; // to answer the last message
    private int leftOut; // the oldest turns, which no longer fit

    /** @param notes for what is no answer */
    Chat(
            Engine engine,
            ChatTemplate template,
            Map<String, Object> variables,
            SamplingOptions sampling,
            PrintWriter out,
            PrintWriter notes) {
        this.engine = engine;
        this.template = template;
        this.variables = variables;
        this.sampling = sampling;
        this.out = out;
        this.notes = notes;
        tokenizer = engine.model().requireTokenizer();
        options = options();
    }

    private GenerationOptions options() {
        CausalLM model = engine.model();
        Set<Integer> ends = new HashSet<>(template.ends(tokenizer, model.head().vocabularySize()));
        ends.addAll(model.eos());
        return sampling.build(GenerationOptions.builder(model)
                .maxNewTokens(MAX_NEW_TOKENS)
                .eos(ends)
                .stop(template.stops()));
    }

    /** Answers each line, until the first failure. */
    void run(LineReader lines, boolean json) throws IOException {
        Answering answering = (prompt, settings) -> {
            TokenListener listener = json ? TokenListener.NONE : Streaming.to(out, true);
            Generation answer = Engine.await(engine.submit(new GenerationRequest(prompt, settings), listener));
            if (json) {
                int cached = answer.timing().cachedTokens();
                Json.print(out, GenerateCommand.document(answer, Json.object().put("cached_tokens", cached)));
            } else {
                out.println();
            }
            return answer;
        };
        Optional<byte[]> line = lines.next();
        while (line.isPresent() && obeys(TextInput.decode("line " + lines.number(), line.get()), answering)) {
            line = lines.next();
        }
    }

    /** Answers at a terminal, where a failure does not end the conversation. */
    void run(ChatTerminal terminal) {
        width = terminal::width;
        note("/help shows the commands; Ctrl-D ends");
        boolean goesOn = true;
        while (goesOn) {
            Optional<String> line = terminal.next();
            try {
                goesOn = line.isPresent() && obeys(line.get(), (prompt, now) -> answer(terminal, prompt, now));
            } catch (CancellationException e) {
                note("stopped before an answer began; the conversation is as before");
            } catch (IOException | RuntimeException e) {
                tell(Main.message(e), false);
            }
        }
    }

    private Generation answer(ChatTerminal terminal, int[] prompt, GenerationOptions now) throws InterruptedException {
        String end = tokenizer.decode(Arrays.copyOfRange(prompt, Math.max(0, prompt.length - 8), prompt.length));
        Thoughts thoughts = new Thoughts(out, end.stripTrailing().endsWith("<think>"), width);
        AtomicBoolean waits = new AtomicBoolean(true);
        AtomicBoolean stopped = new AtomicBoolean();
        Runnable begin = () -> {
            if (waits.getAndSet(false)) {
                out.print("\r     \r"); // the dots, and the ^C that a terminal may have shown behind them
                out.flush();
            }
        };
        out.print(Streaming.dimmed(Streaming.TERMINAL, "..."));
        out.flush();
        try {
            CompletableFuture<Generation> result = engine.submit(new GenerationRequest(prompt, now), token -> {
                begin.run();
                thoughts.show(token.text());
                return !stopped.get() && !out.checkError();
            });
            terminal.onInterrupt(() -> {
                stopped.set(true);
                if (waits.get()) {
                    result.cancel(true);
                }
            });
            Generation answer = Engine.await(result);
            begin.run(); // without a token, too
            thoughts.end();
            note(GenerateCommand.status(answer));
            return answer;
        } finally {
            begin.run();
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

    /** Does what a line says. Returns whether the conversation goes on. */
    private boolean obeys(String line, Answering answering) throws IOException {
        String[] words = line.strip().split("\\s+", 2);
        String rest = words.length > 1 ? words[1] : "";
        switch (words[0]) {
            case "" -> {}
            case "/quit" -> {
                return false;
            }
            case "/help" -> notes.println(HELP);
            case "/system" -> conversation.system(rest);
            case "/undo" -> {
                conversation.undo();
                leftOut = 0;
                note("(took your last message back; " + turns() + " left)");
            }
            case "/clear" -> {
                note("(forgot " + turns() + ")");
                conversation.clear();
                leftOut = 0;
            }
            case "/show" -> show();
            case "/set" -> {
                String[] setting = rest.split("\\s+", 2);
                sampling.set(setting[0], setting.length > 1 ? setting[1] : "");
                options = options();
                note("(" + sampling.shown() + ")");
            }
            case "/regenerate" -> {
                List<Message> before = conversation.removeAnswer();
                attempts++;
                answer(answering, () -> conversation.addAll(before));
            }
            case "/save", "/save!" -> {
                conversation.save(file(rest), words[0].endsWith("!"));
                note("(saved " + turns() + " to " + rest + ")");
            }
            case "/load" -> {
                conversation.load(file(rest));
                leftOut = 0;
                note("(loaded " + turns() + " from " + rest + ")");
            }
            case String word
            when word.startsWith("/") && !word.startsWith("//") ->
                throw new IllegalArgumentException("command: expected one that /help shows, got " + Visible.quoted(word)
                        + "; // begins a message with /");
            default -> {
                conversation.add("user", line.startsWith("//") ? line.substring(1) : line);
                attempts = 0;
                answer(answering, conversation::undo); // so that a next message can be answered
            }
        }
        return true;
    }

    private static Path file(String name) {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("file: expected a name behind the command, got none");
        }
        return Path.of(name);
    }

    private String turns() {
        int turns = conversation.turns();
        return turns + (turns == 1 ? " turn" : " turns");
    }

    private void show() {
        for (Message message : conversation.messages()) {
            tell(message.fields().get("role") + ": " + message.fields().get("content"), false);
        }
        note("(" + turns() + "; " + sampling.shown() + "; the rest by default)");
    }

    /** The conversation, without its oldest turns if less than a quarter of the context would be left for an answer. */
    private int[] prompt() {
        int context = engine.model().decoder().config().contextLength();
        int turns = conversation.turns();
        int oldest = Math.min(leftOut, turns - 1);
        int[] prompt = encode(oldest);
        // Half of the context is freed at once, so that the next prompts begin as this one and are found in the cache.
        for (int most = context - context / 4; prompt.length > most && oldest < turns - 1; most = context / 2) {
            prompt = encode(++oldest);
        }
        if (oldest > leftOut && prompt.length <= context) {
            note(String.format(
                    "(%d oldest turn%s left out: the context of %d tokens is full)",
                    oldest, oldest == 1 ? "" : "s", context));
            leftOut = oldest;
        }
        return prompt;
    }

    private int[] encode(int leftOut) {
        return template.encode(tokenizer, conversation.without(leftOut), null, true, variables);
    }

    private void answer(Answering answering, Runnable undo) {
        try {
            Generation answer = answering.answer(
                    prompt(),
                    options.toBuilder().seed(sampling.seed() + attempts).build());
            conversation.add("assistant", answer.text());
        } catch (InterruptedException e) {
            undo.run();
            throw new CancellationException("answer: interrupted");
        } catch (RuntimeException e) {
            undo.run();
            throw e;
        }
    }
}
