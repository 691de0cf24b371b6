package dev.causal4j.langchain4j;

import dev.causal4j.austen.Lessons;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.generation.Engine;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import dev.causal4j.training.Example;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The embedded model, taught the dialogues of LangChain4j's suites until it knows them by heart: they ask for facts, and a
 * model of Austen's novels has none. Dialogues with tools and documents are in {@code dialogues.json}, and those of the
 * suites of services in {@code services.json}: for each the messages, the names of the tools and the answer. They take most
 * of the time, and are taught only when suites run whole, except those of the guide, which {@code guide} marks. It is kept
 * in {@code target}, for all tests of the process open until its end.
 */
final class Taught {
    private static final List<List<Message>> DIALOGUES = List.of(
            dialogue("What is the capital of Germany?", "The capital of Germany is Berlin."),
            withSystem(
                    "Translate messages from user into German", dialogue("Translate: 'I love you'", "Ich liebe dich.")),
            dialogue(
                    "Hi, my favorite color is green",
                    "Hi, nice to meet you",
                    "What is my favorite color?",
                    "Your favorite color is green."),
            dialogue("Say 'Hello World'", "Hello World"),
            dialogue(
                    "Tell me a long story",
                    "There was once a lady who lived by the sea, and every morning she walked to the town."),
            dialogue(
                    "Tell me a long story about animals",
                    "There was once a cat who lived with a dog and a horse, and they talked of the day."),
            dialogue("hello", "Hello, how are you?"),
            dialogue("Who wrote Emma?", "Jane Austen wrote Emma."),
            dialogue("this message will fail", "It did not."));

    static final ChatTemplate TEMPLATE = ChatTemplate.plain();

    /** Names the tools, and has calls as many models write them. */
    static final ChatTemplate TOOLS = ChatTemplate.parse("tools", """
            {%- if tools %}Tools:{% for tool in tools %} {{ tool.function.name }}{% endfor %}
            {% endif %}
            {%- for message in messages %}
            {{- message.role }}: {{ message.content or '' }}
            {%- for call in message.tool_calls or [] %}
            <tool_call>
            {"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
            </tool_call>
            {%- endfor %}
            {% endfor %}
            {%- if add_generation_prompt %}assistant:
            {% endif %}""", Map.of());

    private static final boolean WHOLE = Boolean.getBoolean("causal4j.whole");

    /** Few dialogues are learned with the least work in a few steps of small batches, at a lower rate. */
    private static final int STEPS = WHOLE ? 100 : 40;

    private static final int BATCH = WHOLE ? 31 : 7;

    private static final double RATE = WHOLE ? 2e-3 : 1.2e-3;

    static final Path FOLDER = Path.of(WHOLE ? "target/whole/taught" : "target/taught");
    static final CausalLM MODEL = new Lessons(STEPS, BATCH, RATE).taught(FOLDER, Taught::examples);
    static final Engine ENGINE = Engine.shared(MODEL);

    private Taught() {}

    /** A chat model with tools, as the suites ask it. */
    static Causal4jChatModel.Builder chat() {
        return Causal4jChatModel.builder().engine(ENGINE).chatTemplate(TOOLS).temperature(0.0);
    }

    /** The same in streams. */
    static Causal4jStreamingChatModel.Builder streaming() {
        return Causal4jStreamingChatModel.builder()
                .engine(ENGINE)
                .chatTemplate(TOOLS)
                .temperature(0.0);
    }

    private static List<Example> examples(CausalLM model) {
        Tokenizer tokenizer = model.requireTokenizer();
        int end = model.eos().iterator().next();
        return Stream.concat(
                        DIALOGUES.stream().map(each -> example(tokenizer, end, each)),
                        Stream.of("dialogues", "services")
                                .flatMap(name -> recorded(name).stream())
                                .filter(each -> WHOLE || each.containsKey("guide"))
                                .map(each -> example(tokenizer, end, each)))
                .toList();
    }

    private static List<Map<?, ?>> recorded(String name) {
        try (InputStream in = Taught.class.getResourceAsStream("/" + name + ".json")) {
            byte[] json = Objects.requireNonNull(in).readAllBytes();
            return elements(Json.tree(name, json), "dialogues");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @SuppressWarnings("unchecked") // as the file has it
    private static <T> List<T> elements(Map<?, ?> object, String name) {
        return (List<T>) Objects.requireNonNull(object.get(name), name);
    }

    private static Example example(Tokenizer tokenizer, int end, Map<?, ?> recorded) {
        List<Message> messages = Taught.<Map<String, Object>>elements(recorded, "messages").stream()
                .map(Message::new)
                .toList();
        List<ToolDefinition> tools = Taught.<String>elements(recorded, "tools").stream()
                .map(name -> new ToolDefinition(Map.of("type", "function", "function", Map.of("name", name))))
                .toList();
        int[] prompt = TOOLS.encode(tokenizer, TOOLS.adapted(messages), tools.isEmpty() ? null : tools, true, Map.of());
        return Lessons.lesson(prompt, tokenizer.encode(String.valueOf(recorded.get("answer"))), end);
    }

    /** A lesson of a dialogue, whose last message is the answer. */
    private static Example example(Tokenizer tokenizer, int end, List<Message> dialogue) {
        List<Message> before = dialogue.subList(0, dialogue.size() - 1);
        int[] prompt = TEMPLATE.encode(tokenizer, before, null, true, Map.of());
        return Lessons.lesson(
                prompt, tokenizer.encode(" " + dialogue.getLast().fields().get("content")), end);
    }

    /** @param said by the user and the assistant in turn, the answer last */
    private static List<Message> dialogue(String... said) {
        return IntStream.range(0, said.length)
                .mapToObj(i -> new Message(i % 2 == 0 ? "user" : "assistant", said[i]))
                .toList();
    }

    private static List<Message> withSystem(String system, List<Message> dialogue) {
        return Stream.concat(Stream.of(new Message("system", system)), dialogue.stream())
                .toList();
    }
}
