package dev.causal4j.chat;

import dev.causal4j.FormatException;
import dev.causal4j.TemplateException;
import dev.causal4j.chat.Lexer.Blanks;
import dev.causal4j.json.Json;
import dev.causal4j.json.UntrustedInput;
import dev.causal4j.json.WholeFile;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Renders conversations as a model was trained to read them, by the template in its files. Immutable and thread-safe.
 *
 * <p>A template need not be trusted: it sees only the values given to it, and a rendering that takes too many steps,
 * characters or levels fails.
 */
public final class ChatTemplate {
    /** A part of a text, as indexes of its characters: {@code [from, to)}. */
    public record Span(int from, int to) {}

    /**
     * A conversation as text.
     *
     * @param untrusted places where messages and tools wrote a control token, which must be encoded as plain text
     * @param generated places that the assistant wrote, by the template's generation blocks; empty if it has none
     */
    public record Rendered(String text, List<Span> untrusted, List<Span> generated) {
        /** The chars that may be part of a control token, for {@link Tokenizer#encode(String, BitSet)}. */
        public BitSet trusted() {
            BitSet trusted = new BitSet();
            trusted.set(0, text.length());
            untrusted.forEach(span -> trusted.clear(span.from, span.to));
            return trusted;
        }
    }

    /**
     * The chat templates in a model's files, before they are parsed. Immutable.
     *
     * @param name what messages call them
     * @param templates texts by name; {@code default} is the one for conversations without tools
     * @param specialTokens variables of the templates, such as {@code bos_token}
     */
    public record Source(String name, Map<String, String> templates, Map<String, String> specialTokens) {
        /** No template and no special tokens. */
        public static final Source NONE = new Source("", Map.of(), Map.of());

        /** Copies the maps. */
        public Source {
            templates = Collections.unmodifiableMap(new LinkedHashMap<>(templates));
            specialTokens = Collections.unmodifiableMap(new LinkedHashMap<>(specialTokens));
        }

        /**
         * Reads the templates and special tokens of a model; see {@link ChatTemplate#read}.
         *
         * @param folder in Hugging Face layout
         * @throws FormatException if a file is damaged
         * @throws IOException if reading fails
         */
        public static Source read(Path folder) throws IOException {
            Json settings = settings(folder);
            Path file = folder.resolve(FILE);
            String name = Files.exists(file) ? file.toString() : settings.subject();
            return new Source(name, sources(folder, settings), ChatTemplate.specialTokens(settings));
        }

        /**
         * The template; empty if there is none for conversations without tools.
         *
         * @throws TemplateException if a text is no template
         */
        public Optional<ChatTemplate> parse() {
            return templates.containsKey(DEFAULT) ? Optional.of(ChatTemplate.parse(this)) : Optional.empty();
        }
    }

    private record Program(String name, Node body, boolean marksGeneration) {}

    private static final String DEFAULT = "default";
    private static final String SOURCE = "chat_template";
    private static final String FILE = "chat_template.jinja";
    private static final String TOOLS = "tool_use";
    private static final String TOOLS_FILE = "additional_chat_templates/tool_use.jinja";
    private static final String CONFIG = "tokenizer_config.json";

    // Twenty times the longest in use.
    private static final int MAX_SOURCE = 400_000;

    // Configurations with thousands of added tokens have one million.
    private static final int MAX_CONFIG = 16_000_000;

    // Tokens that end a turn in the formats of known families; the files of some models do not name theirs.
    private static final List<String> TURN_ENDS = List.of(
            ("<|im_end|> <|eot_id|> <|eom_id|> <end_of_turn> <turn|> <|tool_response> <|end|> <|return|> <|call|> </s>"
                            + " <\uff5cend\u2581of\u2581sentence\uff5c> <|endoftext|>")
                    .split(" "));

    private static final String PLAIN_SOURCE = """
            {%- for message in messages %}
                {%- set parts = message.content or [] %}
                {%- set text = parts if parts is string else parts | map(attribute='text') | join %}
                {{- 'System' if message.role == 'developer' else message.role | capitalize }}:
                {{- ' ' ~ text | trim ~ '\\n\\n' }}
            {%- endfor %}
            {{- 'Assistant:' if add_generation_prompt }}""";

    private static final Source PLAIN = new Source("plain transcript", Map.of(DEFAULT, PLAIN_SOURCE), Map.of());

    private static final Set<String> RESERVED = Set.of("messages", "tools", "add_generation_prompt");

    private final Source source;
    private final String sources;
    private final Map<String, Program> programs;
    private final List<String> controlTokens;
    private final Clock clock;

    private ChatTemplate(
            Source source, String sources, Map<String, Program> programs, List<String> controlTokens, Clock clock) {
        this.source = source;
        this.sources = sources;
        this.programs = programs;
        this.controlTokens = controlTokens;
        this.clock = clock;
    }

    /**
     * Parses the source of a template.
     *
     * @param name its name in messages
     * @param specialTokens variables such as {@code bos_token}
     * @throws TemplateException if it is no template
     */
    public static ChatTemplate parse(String name, String source, Map<String, String> specialTokens) {
        return parse(new Source(name, Map.of(DEFAULT, source), specialTokens));
    }

    private static ChatTemplate parse(Source source) {
        Map<String, Program> programs = new HashMap<>();
        source.templates.forEach((key, text) -> {
            if (text.length() > MAX_SOURCE) {
                String got = text.length() + " characters";
                throw new TemplateException(source.name, "at most " + MAX_SOURCE, got, "is this a chat template?");
            }
            String subject = key.equals(DEFAULT) ? source.name : source.name + " " + key;
            Parser parser = new Parser(subject, text, Blanks.TRIMMED);
            programs.put(key, new Program(subject, parser.parse(), parser.marksGeneration));
        });
        String sources = source.templates.values().stream().sorted().collect(Collectors.joining("\n"));
        return new ChatTemplate(source, sources, programs, List.of(), Clock.system(ZoneId.systemDefault()));
    }

    /**
     * The template of a model: {@code chat_template.jinja} or else that of {@code tokenizer_config.json}, with its
     * special tokens. For conversations with tools there may be one of its own, in the list of the
     * configuration or in {@code additional_chat_templates/tool_use.jinja}. Empty if there is none.
     *
     * @param folder in Hugging Face layout
     * @throws FormatException if a file is damaged
     * @throws TemplateException if it is no template
     * @throws IOException if reading fails
     */
    public static Optional<ChatTemplate> read(Path folder) throws IOException {
        return Source.read(folder).parse();
    }

    private static Map<String, String> sources(Path folder, Json settings) throws IOException {
        Path file = folder.resolve(FILE);
        Path forTools = folder.resolve(TOOLS_FILE);
        Map<String, String> sources = new HashMap<>();
        if (Files.exists(file)) {
            sources.put(DEFAULT, source(file));
        } else if (settings.root().get(SOURCE) instanceof List) {
            for (Json template : settings.objects(SOURCE)) {
                sources.put(template.requireString("name"), template.requireString("template"));
            }
        } else if (settings.has(SOURCE)) {
            sources.put(DEFAULT, settings.requireString(SOURCE));
        }
        if (Files.exists(forTools)) {
            sources.put(TOOLS, source(forTools));
        }
        return sources;
    }

    private static Map<String, String> specialTokens(Json settings) {
        Map<String, String> tokens = new HashMap<>();
        settings.root().forEach((name, value) -> {
            Object token = value instanceof Map<?, ?> object ? object.get("content") : value;
            if (name instanceof String key && key.endsWith("_token") && token instanceof String text) {
                tokens.put(key, text);
            }
        });
        return tokens;
    }

    private static Json settings(Path folder) throws IOException {
        Path config = folder.resolve(CONFIG);
        Map<String, Object> json = Files.exists(config)
                ? Json.tree(config.toString(), UntrustedInput.readFile(config, "a JSON file", MAX_CONFIG))
                : Map.of();
        return new Json(config.toString(), json);
    }

    private static String source(Path file) throws IOException {
        byte[] bytes = UntrustedInput.readFile(file, "a chat template", MAX_SOURCE);
        String source = new String(bytes, StandardCharsets.UTF_8);
        if (!Arrays.equals(bytes, source.getBytes(StandardCharsets.UTF_8))) {
            throw new FormatException(file.toString(), "text in UTF-8", "other bytes", "is the file damaged?");
        }
        return source;
    }

    /**
     * A template of plain transcripts for models without one: {@code System: …}, {@code User: …}, {@code Assistant:}
     * and blank lines. It has no control tokens, so {@link #stops} says where an answer ends.
     */
    public static ChatTemplate plain() {
        return parse(PLAIN);
    }

    /** A copy with another clock for {@code strftime_now} than the system's in its time zone. */
    public ChatTemplate withClock(Clock other) {
        return new ChatTemplate(source, sources, programs, controlTokens, other);
    }

    /**
     * A copy whose renderings tell where messages and tools contain one of these tokens. The template sees other text
     * in their places while it runs.
     */
    public ChatTemplate withControlTokens(Collection<String> tokens) {
        return new ChatTemplate(source, sources, programs, List.copyOf(tokens), clock);
    }

    /**
     * Writes the template with its special tokens as {@code tokenizer_config.json}, for {@link #read} and for Python,
     * into a folder that exists. Template files of an earlier model there are deleted, since they take precedence.
     *
     * @throws IOException if writing fails
     */
    public void save(Path folder) throws IOException {
        Map<String, Object> json = new TreeMap<>(source.specialTokens);
        List<Map<String, Object>> all = source.templates.entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .map(each -> Json.object("name", each.getKey(), "template", each.getValue()))
                .toList();
        json.put(SOURCE, all.size() == 1 ? source() : all);
        WholeFile.write(folder.resolve(CONFIG), Json.write(json));
        Files.deleteIfExists(folder.resolve(FILE));
        Files.deleteIfExists(folder.resolve(TOOLS_FILE));
    }

    /** The source of the template; of several, the one for conversations without tools. */
    public String source() {
        return Objects.requireNonNull(source.templates.get(DEFAULT));
    }

    /** The sources of all its templates, in which marks can be looked for. */
    String sources() {
        return sources;
    }

    /** Whether it is {@link #plain}. */
    public boolean isPlain() {
        return source.equals(PLAIN);
    }

    /** Texts that end an answer: a plain transcript continues with the user there. Empty for other templates. */
    public List<String> stops() {
        return isPlain() ? List.of("\nUser:") : List.of();
    }

    /**
     * Ids of tokens that end an answer besides those that the model's configuration names: its end of text, and the
     * ends of turns of known families.
     *
     * @param vocabularySize the model's; its tokenizer may have more
     */
    public Set<Integer> ends(Tokenizer tokenizer, int vocabularySize) {
        boolean channels = tokenizer.controlTokens().contains("<|return|>"); // there <|end|> only ends a part
        return Stream.concat(TURN_ENDS.stream(), Stream.ofNullable(source.specialTokens.get("eos_token")))
                .filter(token -> !(channels && token.equals("<|end|>")))
                .filter(tokenizer.controlTokens()::contains)
                .map(token -> tokenizer.id(token).orElseThrow())
                .filter(id -> id < vocabularySize)
                .collect(Collectors.toUnmodifiableSet());
    }

    /** Whether the template has generation blocks, so that its renderings tell what the assistant wrote. */
    public boolean marksGeneration() {
        return programs.values().stream().allMatch(Program::marksGeneration);
    }

    /**
     * Renders a conversation.
     *
     * @param tools tools that the model may call; null for none
     * @param generationPrompt whether to end with the beginning of an assistant's answer
     * @param variables more for the template, such as {@code enable_thinking}; values as of {@link Message#fields}
     * @throws TemplateException if the template refuses the conversation, fails or takes too much
     * @throws IllegalArgumentException if a variable is one of the other parameters, or a value of another type
     */
    public Rendered render(
            List<Message> messages,
            @Nullable List<ToolDefinition> tools,
            boolean generationPrompt,
            Map<String, ?> variables) {
        if (variables.keySet().stream().anyMatch(RESERVED::contains)) {
            throw new IllegalArgumentException(
                    "variables: expected none of " + RESERVED + ", got one; give it as a parameter");
        }
        Untrusted untrusted = new Untrusted(controlTokens);
        Untrusted trusted = new Untrusted(List.of());
        Map<String, Object> all = new HashMap<>(Builtins.FUNCTIONS);
        all.put("documents", Rendering.NONE);
        all.putAll(source.specialTokens);
        variables.forEach((name, value) -> all.put(name, trusted.copy(value, 0)));
        all.put("messages", untrusted.copy(messages, 0));
        all.put("tools", untrusted.copy(tools, 0));
        all.put("add_generation_prompt", generationPrompt);
        Program standard = Objects.requireNonNull(programs.get(DEFAULT));
        Program run = tools == null || tools.isEmpty() ? standard : programs.getOrDefault(TOOLS, standard);
        return untrusted.restored(run.name, new Rendering(run.name, clock, untrusted, all).run(run.body));
    }

    /**
     * Messages whose calls have their arguments as this template takes them: as text if it writes them as they are, else as
     * an object. Text that is no object stays.
     */
    public List<Message> adapted(List<Message> messages) {
        if (messages.stream().allMatch(message -> ToolCall.of(message).isEmpty())) {
            return messages;
        }
        String probe = "{\"k\": \"v\"}";
        Message call = new Answer("", "", List.of(new ToolCall("123456789", "f", probe)), "").message();
        boolean text;
        try {
            text = render(List.of(new Message("user", "q"), call), null, false, Map.of())
                    .text()
                    .contains(probe);
        } catch (TemplateException unused) {
            text = false;
        }
        boolean asText = text;
        return messages.stream()
                .map(message -> ToolCall.withArguments(message, asText))
                .toList();
    }

    /**
     * Encodes a conversation. Only the template can write control tokens; in messages and tools they are plain text.
     * Parameters and errors are those of {@link #render}.
     */
    public int[] encode(
            Tokenizer tokenizer,
            List<Message> messages,
            @Nullable List<ToolDefinition> tools,
            boolean generationPrompt,
            Map<String, ?> variables) {
        ChatTemplate known = withControlTokens(tokenizer.controlTokens());
        return encode(tokenizer, known.render(messages, tools, generationPrompt, variables));
    }

    /** Encodes a rendering of this template, which must know the tokenizer's control tokens. */
    public int[] encode(Tokenizer tokenizer, Rendered rendered) {
        int[] ids = tokenizer.encode(rendered.text(), rendered.trusted());
        return isPlain() ? tokenizer.withPrefix(ids) : ids; // other templates write BOS themselves
    }
}
