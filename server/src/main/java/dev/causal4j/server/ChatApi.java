package dev.causal4j.server;

import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.Message;
import dev.causal4j.format.Json;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.server.Choice.Entry;
import dev.causal4j.server.Choice.Piece;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/** {@code /v1/chat/completions}: conversations go on. What users write is plain text, whatever tokens it spells. */
record ChatApi() implements Api {
    private static final List<String> ROLES = List.of("system", "developer", "user", "assistant", "tool", "function");
    private static final int MOST_MESSAGES = 4096;
    private static final int MOST_PARTS = 1024;
    private static final int MOST_LOGPROBS = 20;

    @Override
    public Ask read(JsonIn in, ServedModel served, String owner) {
        served.check(in);
        if (!in.isOff("tools") || !in.isOff("functions")) {
            throw ApiError.unsupported("tools", in.value("tools"));
        }
        String format = in.object("response_format")
                .flatMap(each -> each.string("type"))
                .orElse("text");
        if (!format.equals("text")) {
            throw ApiError.unsupported("response_format", format);
        }
        Ask.Prompt prompt = prompt(in, served);
        boolean stream = in.bool("stream", false);
        int n = in.integer("n", 1, 1, 128);
        boolean logprobs = in.bool("logprobs", false);
        if (in.has("top_logprobs") && !logprobs) {
            throw ApiError.value("top_logprobs", "nothing without \"logprobs\": true", in.value("top_logprobs"));
        }
        int alternatives = in.integer("top_logprobs", 0, 0, MOST_LOGPROBS);
        String most = in.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
        long maxTokens = in.whole(most, 0, Long.MAX_VALUE).orElse((long) served.contextLength());
        return new Ask(
                List.of(prompt),
                n,
                n,
                Sampling.read(
                        in,
                        served,
                        (int) Math.min(maxTokens, served.contextLength()),
                        served.template().ends(served.tokenizer()),
                        served.template().stops(),
                        owner),
                logprobs ? alternatives : Ask.NO_LOGPROBS,
                false,
                stream,
                Ask.usage(in, stream),
                in.bool("return_token_ids", in.bool("return_tokens", false)),
                new TokenNames(served.tokenizer(), in.bool("return_tokens_as_token_ids", false)));
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
        Rendered rendered;
        try {
            rendered = served.template()
                    .withControlTokens(served.tokenizer().controlTokens())
                    .render(messages, null, begins, variables);
        } catch (IllegalArgumentException e) { // also of the template, in its own words
            throw new ApiError(400, "invalid_value", "messages", String.valueOf(e.getMessage()));
        }
        if (continues) {
            rendered = upToFinal(rendered, messages.getLast());
        }
        int[] tokens = served.template().encode(served.tokenizer(), rendered);
        CompletionApi.checkLength("messages", tokens.length, served);
        return new Ask.Prompt(tokens, rendered.text());
    }

    /** Drops what a template writes behind the last message. */
    private static Rendered upToFinal(Rendered rendered, Message last) {
        String content = String.valueOf(last.fields().get("content")).strip();
        int at = rendered.text().lastIndexOf(content);
        if (at < 0) {
            throw ApiError.value("continue_final_message", "a template that writes the last message as it is", true);
        }
        return new Rendered(rendered.text().substring(0, at + content.length()), rendered.untrusted(), List.of());
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
    public String idPrefix() {
        return "chatcmpl-";
    }

    @Override
    public String object() {
        return "chat.completion";
    }

    @Override
    public String partObject() {
        return "chat.completion.chunk";
    }

    @Override
    public Piece opening(Ask ask, Ask.Prompt prompt, List<Prediction> scores) {
        return new Piece("", List.of(), List.of());
    }

    @Override
    public Optional<Map<String, Object>> first(Ask ask, Piece opening) {
        return Optional.of(part(ask, Json.object("role", "assistant", "content", ""), opening, Optional.empty()));
    }

    @Override
    public Map<String, Object> part(Ask ask, Piece piece, Optional<FinishReason> finish) {
        boolean last = finish.isPresent() && piece.text().isEmpty();
        return part(ask, last ? Map.of() : Map.of("content", piece.text()), piece, finish);
    }

    private static Map<String, Object> part(
            Ask ask, Map<String, Object> delta, Piece piece, Optional<FinishReason> finish) {
        return said(ask, "delta", delta, piece, finish);
    }

    @Override
    public Map<String, Object> whole(Ask ask, Piece all, FinishReason finish) {
        Map<String, Object> message = Json.object("role", "assistant", "content", all.text(), "refusal", Json.NULL);
        return said(ask, "message", message, all, Optional.of(finish));
    }

    private static Map<String, Object> said(
            Ask ask, String name, Map<String, Object> message, Piece piece, Optional<FinishReason> finish) {
        Map<String, Object> choice = new LinkedHashMap<>();
        choice.put(name, message);
        choice.put("logprobs", ask.logprobs() ? logprobs(ask, piece.tokens()) : Json.NULL);
        choice.put("finish_reason", finish.<Object>map(Api::label).orElse(Json.NULL));
        if (ask.ids()) {
            choice.put("token_ids", piece.ids());
        }
        return choice;
    }

    /** All bytes together are those of the text, so a token that ends it is left out. */
    private static Map<String, Object> logprobs(Ask ask, List<Entry> tokens) {
        List<Object> content = new ArrayList<>();
        for (Entry entry : tokens) {
            Prediction prediction = entry.prediction().orElseThrow();
            if (!entry.ends()) {
                byte[] bytes = cut(ask.names().bytes(entry.token()), entry.kept());
                Map<String, Object> told = token(ask, entry.token(), bytes, prediction.logProbability());
                List<Object> top = new ArrayList<>();
                for (Candidate each : prediction.alternatives(ask.alternatives())) {
                    top.add(token(ask, each.token(), ask.names().bytes(each.token()), each.logProbability()));
                }
                told.put("top_logprobs", top);
                content.add(told);
            }
        }
        return Json.object("content", content, "refusal", Json.NULL);
    }

    private static Map<String, Object> token(Ask ask, int token, byte[] bytes, double logProbability) {
        return Json.object(
                "token", ask.names().name(token),
                "logprob", CompletionApi.finite(logProbability),
                "bytes",
                        IntStream.range(0, bytes.length)
                                .mapToObj(i -> bytes[i] & 0xff)
                                .toList());
    }

    /** The bytes of the first code points of a text. */
    private static byte[] cut(byte[] bytes, int codePoints) {
        if (codePoints == Entry.ALL) {
            return bytes;
        }
        int end = 0;
        for (int left = codePoints; end < bytes.length && (left > 0 || (bytes[end] & 0xc0) == 0x80); end++) {
            left -= end + 1 == bytes.length || (bytes[end + 1] & 0xc0) != 0x80 ? 1 : 0;
        }
        return Arrays.copyOf(bytes, end);
    }
}
