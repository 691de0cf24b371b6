package dev.causal4j.server;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.generation.Generation;
import dev.causal4j.json.Json;
import dev.causal4j.server.Choice.Entry;
import dev.causal4j.server.Choice.Fragment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Writes a response as events: its items one after the other, each whole before the next. Not thread-safe. */
final class ItemWriter extends AnswerWriter {
    private static final String TEXT = "output_text";

    private final Responses dialect;
    private final List<Map<String, Object>> output = new ArrayList<>();
    private Map<String, Object> item = Map.of(); // that is written
    private String kind = ""; // of its text, as events call it; empty for no item
    private final StringBuilder text = new StringBuilder();
    private List<Entry> tokens = new ArrayList<>();
    private Map<String, Object> whole = Map.of();
    private int logprobs;

    ItemWriter(TextRequest ask, Responses dialect, Function<Answer.Listener, AnswerParser> reading) {
        super(ask, true, reading);
        this.dialect = dialect;
    }

    @Override
    public void content(String piece) {
        if (!kind.equals(TEXT)) {
            begin(TEXT, "msg", Json.object("type", "message", "role", "assistant", "content", List.of()));
        }
        add(piece);
    }

    @Override
    public void reasoning(String piece) {
        if (!kind.equals("reasoning_text")) {
            begin("reasoning_text", "rs", Json.object("type", "reasoning", "summary", List.of(), "content", List.of()));
        }
        add(piece);
    }

    @Override
    public void call(int index, String id, String name) {
        Map<String, Object> call = Json.object("type", "function_call", "call_id", id, "name", name, "arguments", "");
        begin("function_call_arguments", "fc", call);
    }

    @Override
    public void arguments(int index, String piece) {
        add(piece);
    }

    private void begin(String text, String prefix, Map<String, Object> begun) {
        end("completed");
        if (output.isEmpty()) {
            Map<String, Object> empty = dialect.response("in_progress", List.of(), Json.NULL);
            tell("created", "response", empty);
            tell("in_progress", "response", empty);
        }
        kind = text;
        item = begun;
        item.putAll(Json.object("id", dialect.item(prefix, output.size()), "status", "in_progress"));
        tell("output_item.added", "item", new LinkedHashMap<>(item));
        if (item.containsKey("content")) {
            tell("content_part.added", "part", part());
        }
    }

    private void add(String piece) {
        text.append(piece);
        List<Entry> more =
                ask.logprobs() && kind.equals(TEXT) ? Fragment.of(since).tokens() : List.of();
        since.clear();
        tokens.addAll(more);
        tell(kind + ".delta", "delta", piece).computeIfPresent("logprobs", (_, _) -> ChatApi.tokens(ask, more));
    }

    private void end(String status) {
        if (kind.isEmpty()) {
            return;
        }
        if (item.containsKey("content")) {
            tell(kind + ".done", "text", text.toString());
            tell("content_part.done", "part", part());
            item.put("content", List.of(part()));
        } else {
            item.put("arguments", text.toString());
            tell(kind + ".done", "arguments", text.toString()).put("name", item.get("name"));
        }
        item.put("status", status);
        tell("output_item.done", "item", item);
        output.add(item);
        logprobs += tokens.size() * (1 + ask.alternatives());
        kind = "";
        text.setLength(0);
        tokens = new ArrayList<>();
    }

    /** Tells an event, and which item it is of. */
    private Map<String, Object> tell(String type, String field, Object value) {
        Map<String, Object> event = Json.object("type", "response." + type, field, value);
        if (!kind.isEmpty()) {
            event.put("output_index", output.size());
            if (!field.equals("item")) {
                event.put("item_id", item.get("id"));
            }
            if (!field.equals("item") && item.containsKey("content")) {
                event.put("content_index", 0);
            }
            if (type.startsWith(TEXT)) {
                event.put("logprobs", ChatApi.tokens(ask, tokens));
            }
        }
        parts.add(dialect.numbered(event));
        return event;
    }

    private Map<String, Object> part() {
        Map<String, Object> part = Json.object("type", kind, "text", text.toString());
        if (kind.equals(TEXT)) {
            part.putAll(Json.object("annotations", List.of(), "logprobs", ChatApi.tokens(ask, tokens)));
        }
        return part;
    }

    @Override
    void last(Fragment fragment, Generation made) {
        part(fragment);
        String status = end(made).finishReason().equals("length") ? "incomplete" : "completed";
        boolean waits = ask.logprobs()
                && kind.equals(TEXT)
                && !Fragment.of(since).tokens().isEmpty();
        if (waits || (kind.isEmpty() && output.isEmpty())) {
            content("");
        }
        end(status);
        whole = dialect.response(status, output, usage(made));
        dialect.keep(whole, output, logprobs);
        tell(status, "response", whole);
    }

    @Override
    Map<String, Object> whole(List<Fragment> fragments, Generation made) {
        for (Fragment each : fragments) {
            part(each);
            parts.clear(); // as if they were sent
        }
        last(Fragment.EMPTY, made);
        return whole;
    }

    private Map<String, Object> usage(Generation made) {
        int given = made.promptTokens().length;
        int said = made.tokens().length;
        Map<String, Object> usage =
                Json.object("input_tokens", given, "output_tokens", said, "total_tokens", given + said);
        int cached = made.timing().cachedTokens();
        usage.put("input_tokens_details", Map.of("cached_tokens", cached, "cache_write_tokens", 0));
        usage.put("output_tokens_details", Map.of("reasoning_tokens", thoughts()));
        return usage;
    }
}
