package dev.causal4j.generation;

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
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A conversation with a model. Not thread-safe; chats of several threads share a model, and their answers are computed
 * together.
 *
 * <p>A turn costs its new tokens, since the engine keeps the keys and values of those before. When less than a quarter of
 * the context is left for an answer, the prompt leaves the oldest turns out until half of it is free; the system's message
 * stays.
 */
public final class Chat {
    /** Most new tokens of an answer, unless the options say it. */
    public static final int MAX_NEW_TOKENS = 1024;

    private final Engine engine;
    private Format format;
    private Answer last = new Answer("", "", List.of(), "stop");
    private List<Message> messages = List.of();
    private GenerationOptions options;
    private int leftOut;
    private int attempts; // to answer the last message again

    /** A chat whose answers an engine computes; a turn costs its new tokens if the engine keeps pages of prompts. */
    public Chat(Engine engine, Format format) {
        this.engine = engine;
        this.format = format;
        options = format.options().build();
    }

    /**
     * A chat by the model's own template, or as a plain transcript if it has none. The engine that all callers of the model
     * share computes it.
     *
     * @throws IllegalStateException if the model has no tokenizer
     */
    public static Chat of(CausalLM model) {
        return of(Format.of(model));
    }

    /** A chat that the engine shared by all callers of the model computes. */
    public static Chat of(Format format) {
        return new Chat(Engine.shared(format.model), format);
    }

    /**
     * Sends a message and waits for the answer. Both become part of the conversation.
     *
     * @throws InputException if the message alone is longer than the context
     * @throws CancellationException if this thread is interrupted (the flag stays set). After this and all other exceptions
     *     the conversation is as before
     */
    public Generation send(String text) {
        return send(text, TokenListener.NONE);
    }

    /** Sends a message, and gives each token of the answer to a listener. Errors as of {@link #send(String)}. */
    public Generation send(String text, TokenListener listener) {
        return sendThrough(request -> answer(request, listener), text);
    }

    /**
     * Sends a message through a function that computes the answer to a request, for instance by {@link Engine#submit}. If it
     * throws, the conversation is as before.
     */
    public Generation sendThrough(Function<GenerationRequest, Generation> compute, String text) {
        return answerThrough(compute, List.of(new Message("user", text)));
    }

    /** Answers the last message again, with the next seed. Errors as of {@link #send(String)}. */
    public Generation regenerate(TokenListener listener) {
        return regenerateThrough(request -> answer(request, listener));
    }

    /** Answers the last message again, with the next seed, through a function as of {@link #sendThrough}. */
    public Generation regenerateThrough(Function<GenerationRequest, Generation> compute) {
        return answer(messages.subList(0, lastQuestion() + 1), attempts + 1, compute);
    }

    private Generation answer(GenerationRequest request, TokenListener listener) {
        return new Generator(engine).generate(List.of(request), listener).getFirst();
    }

    private Generation answer(List<Message> asked, int attempt, Function<GenerationRequest, Generation> compute) {
        GenerationOptions now =
                options.toBuilder().seed(options.seed() + attempt).build();
        int oldest = Math.clamp(starts(asked).length - 1, 0, leftOut);
        GenerationRequest request = format.request(without(asked, oldest), now);
        if (request.prompt().length > context() - context() / 4 && oldest < starts(asked).length - 1) {
            // Half of the context is freed at once, so that the next prompts begin as this one and are found in the
            // cache.
            oldest = oldest(asked, oldest, now);
            request = format.request(without(asked, oldest), now);
        }
        int before = leftOut;
        leftOut = request.prompt().length <= context() ? oldest : before; // the function may ask
        try {
            Generation generation = compute.apply(request);
            AnswerParser parser = format.parser(request, AnswerParser.Listener.NONE);
            parser.accept(generation.text());
            last = parser.end(generation.finishReason().ofTurn());
            messages = with(asked, List.of(last.message()));
            attempts = attempt;
            return generation;
        } catch (Throwable e) {
            leftOut = before;
            throw e;
        }
    }

    private static List<Message> with(List<Message> before, List<Message> more) {
        return Stream.concat(before.stream(), more.stream()).toList();
    }

    /**
     * Adds messages to the conversation, for instance one of the user or the results of calls, and waits for the answer,
     * which becomes a part of it too. Errors as of {@link #send(String)}, and as of {@link Format#request}.
     */
    public Answer answer(List<Message> more) {
        answerThrough(request -> answer(request, TokenListener.NONE), more);
        return last;
    }

    /** Adds messages as {@link #answer(List)} does, and computes the answer through a function as of {@link #sendThrough}. */
    public Generation answerThrough(Function<GenerationRequest, Generation> compute, List<Message> more) {
        return answer(with(messages, more), 0, compute);
    }

    /** What the last answer means; empty before the first. */
    public Answer lastAnswer() {
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

    /** The fewest of the oldest turns without which a prompt takes at most half of the context, or all but the last. */
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

    /** The messages of the conversation, also of turns that are left out. */
    public List<Message> messages() {
        return messages;
    }

    /** Replaces the messages, to go on with an earlier conversation. */
    public Chat messages(List<Message> all) {
        messages = List.copyOf(all);
        leftOut = 0;
        return this;
    }

    /** Tells the model how to answer, in the first message; an empty text takes that back. */
    public Chat system(String text) {
        Stream<Message> first = text.isEmpty() ? Stream.empty() : Stream.of(new Message("system", text));
        messages =
                Stream.concat(first, messages.stream().skip(system(messages))).toList();
        return this;
    }

    /** Options of the next answers, whose turns end as the model's do; {@link Format#options} unless set. */
    public Chat options(GenerationOptions next) {
        options = next;
        return this;
    }

    /** Removes the last message of the user and its answer. */
    public Chat undo() {
        return messages(messages.subList(0, lastQuestion()));
    }

    /** Removes all messages but the system's. */
    public Chat clear() {
        return messages(messages.subList(0, system(messages)));
    }

    /** Messages of the user; each begins a turn. */
    public int turns() {
        return starts(messages).length;
    }

    /** The oldest turns, this many, that the last prompt had no room for. */
    public int leftOut() {
        return leftOut;
    }

    private int lastQuestion() {
        return IntStream.of(starts(messages))
                .max()
                .orElseThrow(() -> new IllegalArgumentException(
                        "conversation: expected a message of yours, got none; write one first"));
    }

    /** How many of the first messages are the system's. */
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

    /**
     * How a model holds conversations: makes requests of messages, knows what ends a turn and what an answer means. Immutable
     * and thread-safe.
     *
     * @param template writes the messages as the model was trained to read them
     * @param toolFormat how the model writes calls
     * @param tools that the model may call
     * @param choice whether it may or must
     * @param variables more for the template, such as {@code enable_thinking}
     * @param ends ids of tokens that end a turn: the model's own and those of the template
     */
    public record Format(
            CausalLM model,
            ChatTemplate template,
            ToolFormat toolFormat,
            List<ToolDefinition> tools,
            ToolChoice choice,
            Map<String, ?> variables,
            Set<Integer> ends) {
        private static final int MARK = 16; // tokens that a mark has at most

        /**
         * The format of a model with a template: {@link CausalLM#chatTemplate}, or {@link ChatTemplate#plain} for a model
         * without one.
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

        /** This format with calls in another form than the template's. */
        public Format withToolFormat(ToolFormat other) {
            return new Format(model, template, other, tools, choice, variables, ends);
        }

        /** A builder with the model's own options and at most {@value #MAX_NEW_TOKENS} new tokens. */
        public GenerationOptions.Builder options() {
            return GenerationOptions.builder(model).maxNewTokens(MAX_NEW_TOKENS);
        }

        /**
         * The prompt for an answer to messages. The model does not learn of tools that it may not call; the arguments of
         * earlier calls are as the template takes them. Errors as of {@link ChatTemplate#render}.
         */
        public Rendered render(List<Message> messages, boolean generationPrompt) {
            return template.withControlTokens(model.requireTokenizer().controlTokens())
                    .render(template.adapted(messages), offers() ? tools : null, generationPrompt, variables);
        }

        /** White space in JSON documents: spaced without a template, where it might be all that a model writes. */
        public Whitespace whitespace() {
            return template.isPlain() ? Whitespace.SPACED : Whitespace.FLEXIBLE;
        }

        /** Whether answers may have calls or thoughts; others are content alone. */
        public boolean parses() {
            return offers() || toolFormat.mayThink(template, "");
        }

        /**
         * A parser of an answer, for which all is content unless it {@link #parses}.
         *
         * @param prompt the end of the rendered prompt, which may be inside a thought
         * @param seed of the ids of calls
         */
        public AnswerParser parser(String prompt, long seed, AnswerParser.Listener listener) {
            ToolChoice calls = tools.isEmpty() ? ToolChoice.NONE : choice;
            return parses()
                    ? new AnswerParser(toolFormat, tools, calls, toolFormat.opensThought(prompt), seed, listener)
                    : AnswerParser.ofContent(listener);
        }

        /** A parser of the answer to a request, whose calls get ids by its prompt and seed. */
        public AnswerParser parser(GenerationRequest request, AnswerParser.Listener listener) {
            int[] prompt = request.prompt();
            int[] end = Arrays.copyOfRange(prompt, Math.max(0, prompt.length - MARK), prompt.length);
            long seed = request.options().seed() * 31 + Arrays.hashCode(prompt);
            return parser(model.requireTokenizer().decode(end), seed, listener);
        }

        /**
         * The texts of answers: calls are whole, content obeys a constraint, and neither begins before a thought has ended.
         *
         * @param prompt the end of the rendered prompt
         * @param content empty for any
         */
        public Optional<Constraint> constraint(String prompt, Optional<Constraint> content) {
            boolean inThought = toolFormat.opensThought(prompt);
            boolean mayThink = !inThought && toolFormat.mayThink(template, prompt);
            boolean calls = !tools.isEmpty() && toolFormat.mayCall(choice);
            return calls || (content.isPresent() && (inThought || mayThink))
                    ? Optional.of(Constraint.answer(toolFormat, tools, choice, inThought, mayThink, content))
                    : content;
        }

        private boolean offers() {
            return !tools.isEmpty() && choice.kind() != Kind.NONE;
        }

        /**
         * A request for the answer to messages. It ends with the turn, also if the options name stop strings; their {@code
         * eos} replace {@link #ends}. Their constraint holds for the content. Errors as of {@link #render}.
         */
        public GenerationRequest request(List<Message> messages, GenerationOptions options) {
            Rendered rendered = render(messages, true);
            GenerationOptions.Builder builder = options.toBuilder()
                    .eos(options.eos().orElse(ends))
                    .stop(Stream.concat(options.stop().stream(), template.stops().stream())
                            .distinct()
                            .toList());
            constraint(rendered.text(), options.constraint()).ifPresent(builder::constraint);
            return new GenerationRequest(template.encode(model.requireTokenizer(), rendered), builder.build());
        }
    }
}
