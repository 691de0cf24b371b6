package dev.causal4j.server;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.Message;
import dev.causal4j.format.Json;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.server.Choice.Entry;
import dev.causal4j.server.Choice.Piece;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/** {@code /v1/chat/completions}: conversations go on. What users write is plain text, whatever tokens it spells. */
record ChatApi() implements Api {
    private static final List<String> ROLES = List.of("system", "developer", "user", "assistant", "tool", "function");
    /** Choices of tools that ask for none. */
    private static final Set<Object> IDLE = Set.of("none", "auto");

    private static final int MOST_MESSAGES = 4096;
    private static final int MOST_PARTS = 1024;

    @Override
    public Names names() {
        return new Names("chatcmpl-", "chat.completion", "chat.completion.chunk");
    }

    @Override
    public Ask read(JsonIn in, ServedModel served, String owner) {
        served.check(in);
        in.refuse(List.of("tools", "functions", "best_of"));
        Object choice = Objects.requireNonNullElse(in.value("tool_choice"), "none");
        if (!IDLE.contains(choice)) {
            throw ApiError.unsupported("tool_choice", choice);
        }
        Optional<JsonIn> format = in.object("response_format");
        if (!in.isOff("response_format")
                && !format.flatMap(each -> each.string("type")).orElse("").equals("text")) {
            throw ApiError.unsupported("response_format", in.value("response_format"));
        }
        Ask.Prompt prompt = prompt(in, served);
        int n = in.integer("n", 1, 1, 128);
        boolean logprobs = in.bool("logprobs", false);
        if (in.has("top_logprobs") && !logprobs) {
            throw ApiError.value("top_logprobs", "\"logprobs\": true with it", in.value("top_logprobs"));
        }
        int alternatives = in.integer("top_logprobs", 0, 0, Ask.MOST_ALTERNATIVES);
        String most = in.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
        int maxTokens = served.tokens(in, most, served.contextLength());
        if (maxTokens > 0) {
            served.checkRoom("messages", prompt);
        }
        Set<Integer> ends = served.turnEnds();
        GenerationOptions options =
                Sampling.read(in, served, maxTokens, ends, served.template().stops(), owner);
        Ask.Form form = Ask.Form.read(in, served);
        return new Ask(List.of(prompt), n, n, options, logprobs ? alternatives : Ask.NO_LOGPROBS, false, form);
    }

    /** The conversation of a request as a prompt. */
    static Ask.Prompt prompt(JsonIn in, ServedModel served) {
        if (!in.isOff("chat_template")) {
            throw ApiError.unsupported("chat_template", in.value("chat_template"));
        }
        List<Message> messages = messages(in);
        Map<String, Object> variables = new LinkedHashMap<>();
        in.object("chat_template_kwargs")
                .ifPresent(given -> given.fields().forEach((name, value) -> variables.put((String) name, value)));
        boolean continues = in.bool("continue_final_message", false);
        boolean begins = in.bool("add_generation_prompt", !continues);
        if (begins && continues) {
            throw ApiError.value("continue_final_message", "false with \"add_generation_prompt\": true", true);
        }
        String mark = UUID.randomUUID().toString(); // which no message has
        if (continues) {
            messages.add(marked(messages.removeLast(), messages.size(), mark));
        }
        Rendered rendered;
        try {
            rendered = served.template()
                    .withControlTokens(served.tokenizer().controlTokens())
                    .render(messages, null, begins, variables);
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
        int[] tokens = served.template().encode(served.tokenizer(), rendered);
        served.checkLength("messages", tokens.length);
        return new Ask.Prompt(tokens, 0, rendered.text(), served.contextLength() - tokens.length);
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

    /** Drops the mark and what a template writes behind it. */
    private static Rendered upTo(String mark, Rendered rendered) {
        int at = rendered.text().lastIndexOf(mark);
        if (at < 0) {
            throw ApiError.value("continue_final_message", "a template that writes the last message as it is", true);
        }
        return new Rendered(rendered.text().substring(0, at), rendered.untrusted(), List.of());
    }

    private static List<Message> messages(JsonIn in) {
        List<Message> messages = new ArrayList<>();
        for (Object each : in.list("messages", MOST_MESSAGES)) {
            messages.add(message(JsonIn.object("messages.[" + messages.size() + "]", each)));
        }
        if (messages.isEmpty()) {
            throw ApiError.value("messages", "at least one message", in.value("messages"));
        }
        return messages;
    }

    private static Message message(JsonIn in) {
        String role = in.string("role").orElseThrow(() -> ApiError.type(in.path("role"), "a string", null));
        if (!ROLES.contains(role)) {
            throw ApiError.value(in.path("role"), "one of " + String.join(", ", ROLES), role);
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        in.fields().forEach((name, value) -> fields.put((String) name, value));
        fields.put("role", role.equals("developer") ? "system" : role);
        if (in.has("content") || !role.equals("assistant")) {
            fields.put("content", content(in));
        } else {
            fields.put("content", Json.NULL);
        }
        return new Message(fields);
    }

    private static String content(JsonIn in) {
        if (!(in.value("content") instanceof List)) {
            return JsonIn.text(in.path("content"), in.value("content"));
        }
        StringBuilder text = new StringBuilder();
        int index = 0;
        for (Object each : in.list("content", MOST_PARTS)) {
            JsonIn part = JsonIn.object(in.path("content.[" + index++ + "]"), each);
            String type = part.string("type").orElse("");
            if (!type.equals("text")) {
                throw new ApiError(
                        400,
                        "unsupported_value",
                        part.path("type"),
                        part.path("type") + ": expected \"text\", since this model reads nothing else, got "
                                + Json.describe(type));
            }
            text.append(JsonIn.text(part.path("text"), part.value("text")));
        }
        return text.toString();
    }

    @Override
    public Piece opening(Ask ask, Ask.Prompt prompt, List<Prediction> scores) {
        return new Piece("", List.of(), List.of());
    }

    @Override
    public Optional<Map<String, Object>> first(Ask ask, Piece opening) {
        Map<String, Object> delta = Json.object("role", "assistant", "content", "");
        return Optional.of(choice(ask, "delta", delta, opening, Optional.empty()));
    }

    @Override
    public Map<String, Object> part(Ask ask, Piece piece, Optional<FinishReason> finish) {
        boolean last = finish.isPresent() && piece.text().isEmpty();
        return choice(ask, "delta", last ? Map.of() : Map.of("content", piece.text()), piece, finish);
    }

    @Override
    public Map<String, Object> whole(Ask ask, Piece all, FinishReason finish) {
        Map<String, Object> message = Json.object("role", "assistant", "content", all.text(), "refusal", Json.NULL);
        return choice(ask, "message", message, all, Optional.of(finish));
    }

    private static Map<String, Object> choice(
            Ask ask, String name, Map<String, Object> said, Piece piece, Optional<FinishReason> finish) {
        return Api.choice(ask, name, said, logprobs(ask, piece.tokens()), piece, finish);
    }

    /** All bytes together are those of the text, so a token that ends it is left out. */
    private static Map<String, Object> logprobs(Ask ask, List<Entry> tokens) {
        List<Object> content = new ArrayList<>();
        for (Entry entry : tokens) {
            if (ask.logprobs() && !entry.ends()) {
                Prediction prediction = entry.prediction().orElseThrow();
                byte[] bytes = cut(ask.form().names().bytes(entry.token()), entry.kept());
                Map<String, Object> told = token(ask, entry.token(), bytes, prediction.logProbability());
                List<Object> top = new ArrayList<>();
                for (Candidate each : prediction.alternatives(ask.alternatives())) {
                    top.add(token(ask, each.token(), ask.form().names().bytes(each.token()), each.logProbability()));
                }
                told.put("top_logprobs", top);
                content.add(told);
            }
        }
        return Json.object("content", content, "refusal", Json.NULL);
    }

    private static Map<String, Object> token(Ask ask, int token, byte[] bytes, double logProbability) {
        List<Integer> listed = new ArrayList<>();
        for (byte each : bytes) {
            listed.add(each & 0xff);
        }
        return Json.object(
                "token", ask.form().names().name(token), "logprob", Api.finite(logProbability), "bytes", listed);
    }

    /** The bytes of the first code points of a text. */
    private static byte[] cut(byte[] bytes, int codePoints) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        return codePoints >= Choice.length(text)
                ? bytes
                : text.substring(0, text.offsetByCodePoints(0, codePoints)).getBytes(StandardCharsets.UTF_8);
    }
}
