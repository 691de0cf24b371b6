package dev.causal4j.generation;

import static dev.causal4j.chat.Answer.Listener.NONE;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.RecordSchema;
import dev.causal4j.constraint.Whitespace;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A conversation with a model. Not thread-safe. Chats on several threads can share a model, which computes their
 * answers together.
 *
 * <p>A turn costs only its new tokens, since the engine keeps the keys and values of earlier ones. When less than a
 * quarter of the context is left for an answer, the oldest turns are left out of the prompt until half of the context
 * is free. The system's message stays.
 */
public final class Chat {
    /** Most new tokens of an answer, unless the options set them. */
    public static final int MAX_NEW_TOKENS = 1024;

    private Format format;
    private BiFunction<GenerationRequest, TokenListener, Generation> compute;
    private Optional<Turn> last = Optional.empty();
    private List<Message> messages = List.of();
    private GenerationOptions options;
    private int leftOut;
    private int attempts; // to answer the last message again

    /**
     * A chat whose answers an engine computes. A turn costs only its new tokens if the engine keeps pages of prompts.
     */
    public Chat(Engine engine, Format format) {
        this.format = format;
        options = format.options();
        Generator generator = new Generator(engine);
        compute = (request, tokens) ->
                generator.generate(List.of(request), tokens).getFirst();
    }

    /**
     * A chat in the model's own template, or as a plain transcript if it has none. The engine that all callers of the
     * model share computes the answers.
     *
     * @throws IllegalStateException if the model has no tokenizer
     */
    public static Chat of(CausalLM model) {
        return of(Format.of(model));
    }

    /** A chat whose answers are computed by the engine that all callers of the model share. */
    public static Chat of(Format format) {
        return new Chat(Engine.shared(format.model), format);
    }

    /**
     * Sends a message and waits for the answer. Both become part of the conversation.
     *
     * @throws InputException if the message alone is longer than the context
     * @throws CancellationException if this thread is interrupted (the flag stays set). After any exception the
     *     conversation is as before
     */
    public Generation send(String text) {
        return send(text, TokenListener.NONE);
    }

    /** Sends a message, and passes each token of the answer to a listener. Errors as of {@link #send(String)}. */
    public Generation send(String text, TokenListener listener) {
        List<Message> asked = with(messages, List.of(new Message("user", text)));
        return answer(asked, 0, (request, _) -> compute.apply(request, listener), NONE)
                .generation();
    }

    /** Answers the last message again, with the next seed. Errors as of {@link #send(String)}. */
    public Answer regenerate(Answer.Listener listener) {
        List<Message> asked = messages.subList(0, lastQuestion() + 1);
        return answer(asked, attempts + 1, compute, listener).answer();
    }

    /**
     * Adds messages to the conversation, for instance one of the user or the results of calls, and waits for the
     * answer, which is added, too. Errors as of {@link #send(String)}, and as of {@link Format#request}.
     */
    public Answer answer(List<Message> more) {
        return answer(more, NONE);
    }

    /**
     * Adds messages as {@link #answer(List)} does, and passes the parts of the answer to a listener as they are
     * generated: on the engine's thread, which waits for it, unless the answers are computed {@linkplain #through
     * otherwise}.
     */
    public Answer answer(List<Message> more, Answer.Listener listener) {
        return answer(with(messages, more), 0, compute, listener).answer();
    }

    /**
     * Sends a message whose answer is a JSON document of a record's {@linkplain RecordSchema schema}, and reads the
     * record from it. Tools are not offered for this answer. Errors as of {@link #send(String)}.
     *
     * @throws FormatException if the answer was cut. The messages are as before, and {@link #last} has the cut answer
     * @throws IllegalArgumentException as of {@link RecordSchema#of}
     */
    public <T extends Record> T ask(String text, Class<T> type) throws FormatException {
        RecordSchema<T> schema = RecordSchema.of(type);
        Format offering = format;
        GenerationOptions free = options;
        List<Message> before = messages;
        try {
            options = free.withConstraint(Constraint.schema(schema.schema(), format.whitespace()));
            format = format.withTools(List.of(), ToolChoice.NONE);
            return schema.read(answer(List.of(new Message("user", text))).content());
        } catch (FormatException e) {
            messages = before;
            throw e;
        } finally {
            options = free;
            format = offering;
        }
    }

    /**
     * Computes the next answers by a function of the request and of the listener of its tokens, such as {@link
     * Generator#relay} for a slow listener, or one that calls {@link Engine#submit}. If it throws, the conversation is
     * as before.
     */
    public Chat through(BiFunction<GenerationRequest, TokenListener, Generation> function) {
        compute = function;
        return this;
    }

    private Turn answer(
            List<Message> asked,
            int attempt,
            BiFunction<GenerationRequest, TokenListener, Generation> how,
            Answer.Listener listener) {
        GenerationOptions now = options.withSeed(options.seed() + attempt);
        int oldest = Math.clamp(starts(asked).length - 1, 0, leftOut);
        GenerationRequest request = format.request(without(asked, oldest), now);
        if (request.prompt().length > context() - context() / 4 && oldest < starts(asked).length - 1) {
            // Half of the context is freed at once, so that the next prompts have the same prefix and find it in the
            // cache.
            oldest = oldest(asked, oldest, now);
            request = format.request(without(asked, oldest), now);
        }
        int before = leftOut;
        leftOut = request.prompt().length <= context() ? oldest : before; // the function may read it
        try {
            Turn turn = format.answer(request, how, listener);
            last = Optional.of(turn);
            messages = with(asked, List.of(turn.answer.message()));
            attempts = attempt;
            return turn;
        } catch (Throwable e) {
            leftOut = before;
            throw e;
        }
    }

    private static List<Message> with(List<Message> before, List<Message> more) {
        return Stream.concat(before.stream(), more.stream()).toList();
    }

    /** The last answer; empty before the first. */
    public Optional<Turn> last() {
        return last;
    }

    /** Offers tools to the model in the next answers. Errors as of {@link Format#withTools}. */
    public Chat tools(List<ToolDefinition> tools) {
        format = format.withTools(tools, format.choice());
        return this;
    }

    /** Whether the model may or must call the tools in the next answers. Errors as of {@link Format#withTools}. */
    public Chat toolChoice(ToolChoice choice) {
        format = format.withTools(format.tools(), choice);
        return this;
    }

    /**
     * How many of the oldest turns to leave out so that a prompt takes at most half of the context; at most all except
     * the last.
     */
    private int oldest(List<Message> asked, int from, GenerationOptions now) {
        int few = from;
        int enough = starts(asked).length - 1;
        while (enough - few > 1) {
            int middle = (few + enough) / 2;
            if (format.request(without(asked, middle), now).prompt().length > context() / 2) {
                few = middle;
            } else {
                enough = middle;
            }
        }
        return enough;
    }

    private int context() {
        return format.model.contextLength();
    }

    private static List<Message> without(List<Message> all, int oldest) {
        return oldest == 0
                ? all
                : Stream.concat(all.stream().limit(system(all)), all.stream().skip(starts(all)[oldest]))
                        .toList();
    }

    /** The messages of the conversation, with the turns that are left out of prompts. */
    public List<Message> messages() {
        return messages;
    }

    /** Replaces the messages, to continue an earlier conversation. */
    public Chat messages(List<Message> all) {
        return messages(all, 0, 0);
    }

    /**
     * Replaces the messages, to continue an earlier conversation with the bits that it would have had.
     *
     * @param attempts its {@link #attempts}
     * @param leftOut its {@link #leftOut}
     */
    public Chat messages(List<Message> all, int attempts, int leftOut) {
        this.messages = List.copyOf(all);
        this.attempts = attempts;
        this.leftOut = leftOut;
        return this;
    }

    /** How often the last message was answered again; the seed grows with it. */
    public int attempts() {
        return attempts;
    }

    /** Sets the system's message, which tells the model how to answer; an empty text removes it. */
    public Chat system(String text) {
        Stream<Message> first = text.isEmpty() ? Stream.empty() : Stream.of(new Message("system", text));
        messages =
                Stream.concat(first, messages.stream().skip(system(messages))).toList();
        return this;
    }

    /** Sets the options of the next answers, by default {@link Format#options}. Turns always end as the model's do. */
    public Chat options(GenerationOptions next) {
        options = next;
        return this;
    }

    /** Removes the last message of the user and its answer. */
    public Chat undo() {
        return messages(messages.subList(0, lastQuestion()));
    }

    /** Removes all messages except the system's. */
    public Chat clear() {
        return messages(messages.subList(0, system(messages)));
    }

    /** Messages of the user; each begins a turn. */
    public int turns() {
        return starts(messages).length;
    }

    /** How many of the oldest turns were left out of the last prompt. */
    public int leftOut() {
        return leftOut;
    }

    private int lastQuestion() {
        return IntStream.of(starts(messages))
                .max()
                .orElseThrow(() -> new IllegalArgumentException(
                        "conversation: expected a message of yours, got none; write one first"));
    }

    /** How many messages at the beginning are the system's. */
    private static int system(List<Message> all) {
        return !all.isEmpty() && Set.of("system", "developer").contains(role(all.getFirst())) ? 1 : 0;
    }

    private static int[] starts(List<Message> all) {
        return IntStream.range(0, all.size())
                .filter(message -> role(all.get(message)).equals("user"))
                .toArray();
    }

    private static String role(Message message) {
        return String.valueOf(message.fields().get("role"));
    }

    /** The generated text of an answer, and its meaning. */
    public record Turn(Generation generation, Answer answer) {}

    /**
     * A model's chat format: template, tool syntax, stop tokens. Makes requests of messages and parses answers.
     * Immutable and thread-safe.
     *
     * @param template writes the messages as the model was trained to read them
     * @param toolFormat how the model writes calls
     * @param tools the tools that the model may call
     * @param choice whether the model may or must call them
     * @param variables further variables of the template, such as {@code enable_thinking}
     * @param ends ids of tokens that end a turn: the model's own and the template's
     */
    public record Format(
            CausalLM model,
            ChatTemplate template,
            ToolFormat toolFormat,
            List<ToolDefinition> tools,
            ToolChoice choice,
            Map<String, ?> variables,
            Set<Integer> ends) {
        private static final int MARK = 16; // the most tokens of a mark

        /**
         * The format of a model with a template: {@link CausalLM#chatTemplate}, or {@link ChatTemplate#plain} for a
         * model without one.
         *
         * @throws IllegalStateException if the model has no tokenizer
         */
        public static Format of(CausalLM model, ChatTemplate template) {
            Tokenizer tokenizer = model.requireTokenizer();
            Set<Integer> ends = new HashSet<>(model.eos());
            ends.addAll(template.ends(tokenizer, model.head().vocabularySize()));
            ToolFormat calls = ToolFormat.of(template);
            return new Format(model, template, calls, List.of(), ToolChoice.AUTO, Map.of(), Set.copyOf(ends));
        }

        /** The format of a model with its own template, or with a plain transcript if it has none. */
        public static Format of(CausalLM model) {
            return of(model, model.chatTemplate().orElseGet(ChatTemplate::plain));
        }

        /** This format with other variables for the template. */
        public Format withVariables(Map<String, ?> others) {
            return new Format(model, template, toolFormat, tools, choice, others, ends);
        }

        /**
         * This format with other tools.
         *
         * @throws IllegalArgumentException as of {@link ToolDefinition#check}
         */
        public Format withTools(List<ToolDefinition> others, ToolChoice wanted) {
            ToolDefinition.check(others, wanted);
            return new Format(model, template, toolFormat, List.copyOf(others), wanted, variables, ends);
        }

        /** This format with calls in another syntax than the template's. */
        public Format withToolFormat(ToolFormat other) {
            return new Format(model, template, other, tools, choice, variables, ends);
        }

        /** The model's own options and at most {@value #MAX_NEW_TOKENS} new tokens. */
        public GenerationOptions options() {
            return GenerationOptions.of(model).withMaxNewTokens(MAX_NEW_TOKENS);
        }

        /**
         * The prompt for an answer to messages. Tools that the model may not call are left out. Arguments of earlier
         * calls have the form that the template expects. Errors as of {@link ChatTemplate#render}.
         */
        public Rendered render(List<Message> messages, boolean generationPrompt) {
            return template.withControlTokens(model.requireTokenizer().controlTokens())
                    .render(template.adapted(messages), offers() ? tools : null, generationPrompt, variables);
        }

        /**
         * The white space in JSON documents: spaced without a template, since a model might otherwise write nothing
         * else.
         */
        public Whitespace whitespace() {
            return template.isPlain() ? Whitespace.SPACED : Whitespace.FLEXIBLE;
        }

        /** Whether answers may have calls or thoughts; otherwise they are content alone. */
        public boolean parses() {
            return offers() || toolFormat.mayThink(template, "");
        }

        /**
         * A parser of an answer. Everything is content unless the format {@link #parses}.
         *
         * @param end the end of the rendered prompt, which may be inside a thought
         * @param prompt the tokens of the prompt; they and the seed determine the ids of calls
         * @param seed the seed of the answer
         */
        public AnswerParser parser(String end, int[] prompt, long seed, Answer.Listener listener) {
            long ids = seed * 31 + Arrays.hashCode(prompt);
            ToolChoice calls = tools.isEmpty() ? ToolChoice.NONE : choice;
            return parses()
                    ? new AnswerParser(toolFormat, tools, calls, toolFormat.opensThought(end), ids, listener)
                    : AnswerParser.ofContent(listener);
        }

        /** A parser of the answer to a request. The ids of calls depend on the request's prompt and seed. */
        public AnswerParser parser(GenerationRequest request, Answer.Listener listener) {
            int[] prompt = request.prompt();
            int[] last = Arrays.copyOfRange(prompt, Math.max(0, prompt.length - MARK), prompt.length);
            String end = model.requireTokenizer().decode(last);
            return parser(end, prompt, request.options().seed(), listener);
        }

        /**
         * The constraint on answers: calls are whole, content obeys the given constraint, and neither begins before a
         * thought has ended.
         *
         * @param prompt the end of the rendered prompt
         * @param content empty for any content
         */
        public Optional<Constraint> constraint(String prompt, Optional<Constraint> content) {
            boolean inThought = toolFormat.opensThought(prompt);
            boolean mayThink = !inThought && toolFormat.mayThink(template, prompt);
            boolean calls = !tools.isEmpty() && toolFormat.mayCall(choice);
            return calls || (content.isPresent() && (inThought || mayThink))
                    ? Optional.of(Constraint.answer(toolFormat, tools, choice, inThought, mayThink, content))
                    : content;
        }

        /**
         * Computes the answer to a request of this format, and passes its parts to a listener.
         *
         * @param compute as of {@link Chat#through}
         */
        public Turn answer(
                GenerationRequest request,
                BiFunction<GenerationRequest, TokenListener, Generation> compute,
                Answer.Listener listener) {
            AnswerParser parser = parser(request, listener);
            StringBuilder read = new StringBuilder();
            Generation generation = compute.apply(request, token -> {
                parser.accept(token.text());
                read.append(token.text());
                return listener.goesOn();
            });
            parser.accept(generation.text().substring(read.length())); // text that no token had completed
            return new Turn(generation, parser.end(generation.finishReason().ofTurn()));
        }

        private boolean offers() {
            return !tools.isEmpty() && choice.kind() != Kind.NONE;
        }

        /**
         * A request for the answer to messages. It ends with the turn, also if the options name stop strings; the
         * options' {@code eos} replace {@link #ends}. The options' constraint applies to the content. Errors as of
         * {@link #render}.
         */
        public GenerationRequest request(List<Message> messages, GenerationOptions options) {
            Rendered rendered = render(messages, true);
            GenerationOptions ending = options.withEos(options.eos().orElse(ends))
                    .withStop(Stream.concat(options.stop().stream(), template.stops().stream())
                            .distinct()
                            .toList());
            GenerationOptions constrained = constraint(rendered.text(), options.constraint())
                    .map(ending::withConstraint)
                    .orElse(ending);
            return new GenerationRequest(template.encode(model.requireTokenizer(), rendered), constrained);
        }
    }
}
