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

/** A conversation with a model, and the commands in it. Not thread-safe. */
final class Chat {
    private static final int MAX_NEW_TOKENS = 1024;

    private static final String HELP = """
            /system TEXT   tell the model how to answer; without TEXT take that back
            /undo          take your last message and its answer back
            /regenerate    another answer to your last message
            /save FILE     write the conversation as a JSON list of messages
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
    private final GenerationOptions options;
    private final long seed;
    private final PrintWriter out;
    private final PrintWriter notes;
    private int attempts; // to answer the last message

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
        this.out = out;
        this.notes = notes;
        CausalLM model = engine.model();
        tokenizer = model.requireTokenizer();
        seed = sampling.seed();
        Set<Integer> ends = new HashSet<>(template.ends(tokenizer, model.head().vocabularySize()));
        ends.addAll(model.eos());
        options = sampling.build(
                GenerationOptions.builder(model).maxNewTokens(MAX_NEW_TOKENS).eos(ends),
                model.generationDefaults().temperature(),
                template.stops());
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
        notes.println(Thoughts.dimmed("/help shows the commands; Ctrl-D ends"));
        boolean goesOn = true;
        while (goesOn) {
            Optional<String> line = terminal.next();
            try {
                goesOn = line.isPresent() && obeys(line.get(), (prompt, now) -> answer(terminal, prompt, now));
            } catch (CancellationException e) {
                notes.println(Thoughts.dimmed("stopped before an answer began; the conversation is as before"));
            } catch (IOException | RuntimeException e) {
                notes.println(Main.message(e));
            }
        }
    }

    private Generation answer(ChatTerminal terminal, int[] prompt, GenerationOptions now) throws InterruptedException {
        String end = tokenizer.decode(Arrays.copyOfRange(prompt, Math.max(0, prompt.length - 8), prompt.length));
        Thoughts thoughts = new Thoughts(out, end.stripTrailing().endsWith("<think>"));
        AtomicBoolean began = new AtomicBoolean();
        AtomicBoolean stopped = new AtomicBoolean();
        CompletableFuture<Generation> result = engine.submit(new GenerationRequest(prompt, now), token -> {
            began.set(true);
            thoughts.show(token.text());
            return !stopped.get() && !out.checkError();
        });
        terminal.onInterrupt(() -> {
            stopped.set(true);
            if (!began.get()) {
                result.cancel(true);
            }
        });
        try {
            Generation answer = Engine.await(result);
            thoughts.end();
            Generation.Timing timing = answer.timing();
            notes.println(Thoughts.dimmed(String.format(
                    "[%d tokens, %.1f tokens/s; prompt of %d tokens, %d of them cached; seed %d]",
                    answer.tokens().length,
                    timing.decodeTokensPerSecond(),
                    answer.promptTokens().length,
                    timing.cachedTokens(),
                    answer.seed())));
            return answer;
        } finally {
            terminal.onInterrupt(() -> {});
        }
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
            case "/undo" -> conversation.undo();
            case "/regenerate" -> {
                List<Message> before = conversation.removeAnswer();
                attempts++;
                try {
                    answer(answering);
                } catch (RuntimeException e) {
                    conversation.addAll(before);
                    throw e;
                }
            }
            case "/save" -> conversation.save(file(rest));
            case "/load" -> conversation.load(file(rest));
            case String word
            when word.startsWith("/") && !word.startsWith("//") ->
                throw new IllegalArgumentException("command: expected one that /help shows, got " + Visible.quoted(word)
                        + "; // begins a message with /");
            default -> {
                conversation.add("user", line.startsWith("//") ? line.substring(1) : line);
                attempts = 0;
                try {
                    answer(answering);
                } catch (RuntimeException e) {
                    conversation.undo(); // so that a next message can be answered
                    throw e;
                }
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

    private void answer(Answering answering) {
        int[] prompt = template.encode(tokenizer, conversation.messages(), null, true, variables);
        try {
            Generation answer = answering.answer(
                    prompt, options.toBuilder().seed(seed + attempts).build());
            conversation.add("assistant", answer.text());
        } catch (InterruptedException e) {
            throw new CancellationException("answer: interrupted");
        }
    }
}
