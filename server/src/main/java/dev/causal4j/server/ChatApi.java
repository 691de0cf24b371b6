package dev.causal4j.server;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.Message;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Json;
import dev.causal4j.server.Choice.Entry;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;

/** {@code /v1/chat/completions}: continues conversations. The text of users is plain, whatever tokens it spells. */
final class ChatApi extends Choices {
    static final List<String> TEXT = List.of("text");
    private static final List<String> ROLES = List.of("system", "developer", "user", "assistant", "tool", "function");

    /**
     * A conversation, ready for its answer.
     *
     * @param format with the tools of the request
     */
    private record Conversation(Chat.Format format, TextRequest.Prompt prompt) {}

    private final BiFunction<TextRequest, Function<Answer.Listener, AnswerParser>, ChoiceWriter> writers;

    ChatApi() {
        this(ChatWriter::new);
    }

    /** @param writers write the answers of the requests that are read */
    ChatApi(BiFunction<TextRequest, Function<Answer.Listener, AnswerParser>, ChoiceWriter> writers) {
        super("chatcmpl-", "chat.completion", "chat.completion.chunk");
        this.writers = writers;
    }

    @Override
    public TextRequest read(JsonIn in, ServedModel served, String owner) {
        in.refuse(List.of("best_of"));
        Tools tools = Tools.read(in);
        Optional<Constraints.Wanted> wanted =
                Constraints.read(in, served.format().whitespace());
        Conversation conversation = conversation(in, served, tools);
        Chat.Format format = conversation.format;
        TextRequest.Prompt prompt = conversation.prompt;
        int n = in.integer("n", 1, 1, Limits.CHOICES);
        boolean logprobs = in.bool("logprobs", false);
        if (in.has("top_logprobs") && !logprobs) {
            throw ApiError.value("top_logprobs", "\"logprobs\": true with it", in.value("top_logprobs"));
        }
        int alternatives = in.integer("top_logprobs", 0, 0, Limits.ALTERNATIVES);
        String most = in.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
        int maxTokens = served.tokens(in, most, served.contextLength());
        if (maxTokens > 0) {
            served.checkRoom("messages", prompt);
        }
        List<String> stops = format.template().stops();
        GenerationOptions options = Sampling.read(in, served, maxTokens, format.ends(), stops, owner);
        String param = wanted.map(Constraints.Wanted::param).orElse("tools");
        options =
                Constraints.add(options, format.constraint(prompt.text(), wanted.map(Constraints.Wanted::constraint)));
        Chat.Format kept = format.withVariables(Map.of()); // they may be large, and have been read
        ChoiceWriter.Factory telling = (ask, sequence, _) -> writers.apply(
                ask, listener -> kept.parser(prompt.text(), prompt.tokens(), ask.seed(sequence), listener));
        TextRequest.ResponseFormat form = TextRequest.ResponseFormat.read(in, served);
        int told = logprobs ? alternatives : TextRequest.NO_LOGPROBS;
        return new TextRequest(List.of(prompt), n, n, options, param, told, false, form, telling);
    }

    /** The conversation of a request as a prompt. */
    static TextRequest.Prompt prompt(JsonIn in, ServedModel served) {
        return conversation(in, served, Tools.read(in)).prompt;
    }

    private static Conversation conversation(JsonIn in, ServedModel served, Tools tools) {
        in.refuse(List.of("chat_template"));
        List<Message> messages = messages(in);
        Map<String, Object> variables = new LinkedHashMap<>();
        in.object("chat_template_kwargs")
                .ifPresent(given -> given.fields().forEach((name, value) -> variables.put((String) name, value)));
        boolean continues = in.bool("continue_final_message", false);
        boolean begins = in.bool("add_generation_prompt", !continues);
        if (begins && continues) {
            throw ApiError.value("continue_final_message", "false with \"add_generation_prompt\": true", true);
        }
        String mark = UUID.randomUUID().toString(); // no message has it
        if (continues) {
            messages.add(marked(messages.removeLast(), messages.size(), mark));
        }
        Chat.Format format = served.format().withVariables(variables).withTools(tools.offered(), tools.choice());
        Rendered rendered;
        try {
            rendered = format.render(messages, begins);
        } catch (TemplateException e) {
            String line = String.valueOf(e.getMessage()).replaceFirst("(?s)^.*?(?=: expected )", "chat template");
            throw new ApiError(400, "invalid_value", "messages", line); // without the path of its file
        } catch (IllegalArgumentException e) {
            throw new ApiError(400, "invalid_value", "messages", String.valueOf(e.getMessage()));
        }
        if (continues) {
            rendered = upTo(mark, rendered);
        }
        served.checkLength("messages", rendered.text());
        int[] tokens = format.template().encode(served.tokenizer(), rendered);
        served.checkLength("messages", tokens.length);
        int room = served.contextLength() - tokens.length;
        return new Conversation(format, new TextRequest.Prompt(tokens, 0, rendered.text(), room));
    }

    /** A message whose content ends with a mark. */
    private static Message marked(Message last, int index, String mark) {
        Object content = last.fields().get("content");
        if (!(content instanceof String text)) {
            throw ApiError.type("messages.[" + index + "].content", "a string that goes on", content);
        }
        Map<String, Object> fields = new LinkedHashMap<>(last.fields());
        fields.put("content", text + mark);
        return new Message(fields);
    }

    /** Drops the mark and what a template writes after it. */
    private static Rendered upTo(String mark, Rendered rendered) {
        int at = rendered.text().lastIndexOf(mark);
        if (at < 0) {
            throw ApiError.value("continue_final_message", "a template that writes the last message as it is", true);
        }
        return new Rendered(rendered.text().substring(0, at), rendered.untrusted(), List.of());
    }

    private static List<Message> messages(JsonIn in) {
        List<Message> messages = new ArrayList<>(
                in.objects("messages", Limits.MESSAGES).map(ChatApi::message).toList());
        if (messages.isEmpty()) {
            throw ApiError.value("messages", "at least one message", in.value("messages"));
        }
        return messages;
    }

    /** Whose message it is: templates know no developer. */
    static String role(JsonIn in, List<String> roles) {
        String role = in.requiredString("role");
        if (!roles.contains(role)) {
            throw ApiError.value(in.path("role"), "one of " + String.join(", ", roles), role);
        }
        return role.equals("developer") ? "system" : role;
    }

    private static Message message(JsonIn in) {
        String role = role(in, ROLES);
        Map<String, Object> fields = in.given();
        fields.put("role", role);
        boolean said = in.has("content") || !role.equals("assistant");
        fields.put("content", said ? content(in, "content", TEXT) : Json.NULL);
        in.string("reasoning_content")
                .or(() -> in.string("reasoning"))
                .ifPresent(thought -> fields.put("reasoning_content", thought));
        List<Map<String, Object>> calls = in.objects("tool_calls", Limits.MESSAGE_CALLS)
                .map(ChatApi::call)
                .toList();
        fields.remove("tool_calls");
        if (!calls.isEmpty()) {
            fields.put("tool_calls", calls);
        }
        return new Message(fields);
    }

    private static Map<String, Object> call(JsonIn in) {
        if (in.has("type")) {
            Tools.checkType(in);
        }
        JsonIn function = in.requiredObject("function");
        Map<String, Object> call = Json.object("type", "function");
        in.string("id").ifPresent(id -> call.put("id", id));
        String name = function.requiredString("name");
        String arguments = function.requiredString("arguments");
        call.put("function", Json.object("name", name, "arguments", arguments));
        return call;
    }

    /**
     * A text, or parts of texts together.
     *
     * @param types of parts that are texts
     */
    static String content(JsonIn in, String key, List<String> types) {
        return in.value(key) instanceof List
                ? in.objects(key, Limits.MESSAGE_PARTS)
                        .map(part -> text(part, types))
                        .collect(Collectors.joining())
                : in.requiredString(key);
    }

    private static String text(JsonIn part, List<String> types) {
        String type = part.string("type").orElse("");
        if (!types.contains(type)) {
            String expected = "\"" + String.join("\" or \"", types) + "\", since this model reads nothing else";
            String line = ApiError.line(part.path("type"), expected, type);
            throw new ApiError(400, "unsupported_value", part.path("type"), line);
        }
        return part.requiredString("text");
    }

    static Map<String, Object> logprobs(TextRequest ask, List<Entry> tokens) {
        return Json.object("content", tokens(ask, tokens), "refusal", Json.NULL);
    }

    /** All bytes together are those of the text, so a token that ends it is left out. */
    static List<Object> tokens(TextRequest ask, List<Entry> tokens) {
        List<Entry> told =
                tokens.stream().filter(entry -> ask.logprobs() && !entry.ends()).toList();
        return each(told, entry -> token(ask, entry));
    }

    private static Map<String, Object> token(TextRequest ask, Entry entry) {
        TokenNames names = ask.format().names();
        Prediction prediction = entry.prediction().orElseThrow();
        byte[] bytes = cut(names.bytes(entry.token()), entry.kept());
        Map<String, Object> told = token(ask, entry.token(), bytes, prediction.logProbability());
        List<Candidate> top = prediction.alternatives(ask.alternatives());
        told.put(
                "top_logprobs",
                each(top, each -> token(ask, each.token(), names.bytes(each.token()), each.logProbability())));
        return told;
    }

    private static Map<String, Object> token(TextRequest ask, int token, byte[] bytes, double logProbability) {
        List<Integer> listed = new ArrayList<>();
        for (byte each : bytes) {
            listed.add(each & 0xff);
        }
        return Json.object(
                "token", ask.format().names().name(token), "logprob", finite(logProbability), "bytes", listed);
    }

    /** The bytes of the first code points of a text. */
    private static byte[] cut(byte[] bytes, int codePoints) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        return codePoints >= Choice.length(text)
                ? bytes
                : text.substring(0, text.offsetByCodePoints(0, codePoints)).getBytes(StandardCharsets.UTF_8);
    }
}
