package dev.causal4j.server;

import dev.causal4j.json.Json;
import dev.causal4j.server.KeptResponses.Kept;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Map.Entry;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code /v1/responses}: a chat whose messages are items, and which may continue a response that was kept. */
final class Responses implements Dialect {
    private static final String PREVIOUS = "previous_response_id";
    private static final List<String> ROLES = List.of("system", "developer", "user", "assistant");
    private static final List<String> TEXTS = List.of("input_text", "output_text", "text");

    /** Fields that answers repeat. */
    private static final Map<?, ?> SETTINGS =
            JsonIn.parse("""
            {"background": false, "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "metadata": {},
            "parallel_tool_calls": true, "previous_response_id": null, "prompt_cache_key": null, "reasoning": {"effort": null,
            "summary": null}, "safety_identifier": null, "service_tier": "default", "temperature": 1, "text": {}, "tool_choice":
            "auto", "tools": [], "top_logprobs": 0, "top_p": 1, "truncation": "disabled", "user": null}
            """.getBytes(StandardCharsets.UTF_8)).fields();

    /** Fields of chats, which these requests have in other forms. */
    private static final List<String> OTHERS =
            List.of("n", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "response_format", "tools");

    private static final Pattern TOOL = Pattern.compile("^tools\\.\\[(\\d{1,9})]");

    private final KeptResponses store;
    private final String name = UUID.randomUUID().toString().replace("-", "");
    private final Map<String, Object> settings = Json.object("created_at", System.currentTimeMillis() / 1000);
    private final List<Map<String, Object>> messages = new ArrayList<>();
    private List<Object> more = List.of(); // calls, or parts of the system's text, of the last message
    private List<Integer> functions = List.of(); // their places among the tools
    private String owner = "";
    private Object caller = "";
    private String previous = "";
    private byte[] input = {}; // empty if the response is not kept
    private long held; // bytes of kept items
    private int events;

    Responses(KeptResponses store) {
        this.store = store;
    }

    @Override
    public long remembered(JsonIn in, Call call) {
        return remembered(in, call.owner, call.caller);
    }

    long remembered(JsonIn in, String of, Object by) {
        owner = of;
        caller = by;
        previous = in.string(PREVIOUS).orElse("");
        Stream<Long> earlier = store.history(owner, previous).stream().map(Kept::items);
        Stream<Long> referred =
                items(in).flatMap(item -> referred(item).stream()).map(item -> (long) item.length);
        held = Stream.concat(earlier, referred).reduce(0L, Long::sum);
        if (held > Limits.BODY_BYTES) {
            throw ApiError.value(PREVIOUS, "items of at most " + Limits.BODY_BYTES + " bytes in all", held);
        }
        return held;
    }

    @Override
    public long held() {
        return held;
    }

    private static Stream<JsonIn> items(JsonIn in) {
        if (in.value("input") instanceof List) {
            return in.objects("input", Limits.MESSAGES);
        }
        Object text = Map.of("type", "input_text", "text", in.requiredString("input"));
        return Stream.of(new JsonIn("", Map.of("type", "message", "role", "user", "content", List.of(text))));
    }

    /** The kept item that another refers to. */
    private Optional<byte[]> referred(JsonIn item) {
        if (!"item_reference".equals(item.value("type"))) {
            return Optional.empty();
        }
        return Optional.of(store.item(owner, item.requiredString("id")).orElseThrow(() -> notKept(item)));
    }

    /** An item as it was given, or as it is kept: the place of an item in its response does not tell its kind. */
    private JsonIn resolved(JsonIn item) {
        Optional<JsonIn> kept = referred(item).map(JsonIn::parse);
        if (kept.filter(found -> !item.requiredString("id").equals(found.value("id")))
                .isPresent()) {
            throw notKept(item);
        }
        return kept.orElse(item);
    }

    private static ApiError notKept(JsonIn reference) {
        String at = reference.path("id");
        String line = ApiError.line(at, "the id of an output item that is kept", reference.value("id"));
        return new ApiError(400, "item_not_found", at, line);
    }

    @Override
    public TextRequest read(JsonIn in, ServedModel served, String of) {
        in.refuse(List.of("background", "conversation", "prompt"));
        int values = 0; // of all
        for (Entry<?, ?> each : SETTINGS.entrySet()) {
            String setting = (String) each.getKey();
            values = Tools.requireFew(in, setting, values);
            settings.put(setting, Objects.requireNonNullElse(in.value(setting), each.getValue()));
        }
        in.object("metadata");
        in.whole("max_output_tokens", 1, Long.MAX_VALUE);
        boolean stores = in.bool("store", true) && !store.isOff();
        Map<String, Object> text = Json.object("format", Map.of("type", "text"));
        in.object("text").ifPresent(given -> text.putAll(given.given()));
        settings.putAll(Json.object("model", served.name(), "text", text, "store", stores));
        List<Map<String, Object>> items = readItems(in);
        if (stores) {
            Map<String, Object> list = Json.object("object", "list", "data", items, "has_more", false);
            list.put("first_id", String.valueOf(items.getFirst().get("id")));
            list.put("last_id", String.valueOf(items.getLast().get("id")));
            input = Json.write(list);
        }
        TextRequest ask = new ChatApi((each, reading) -> new ItemWriter(each, this, reading))
                .read(new JsonIn("", chat(in)), served, owner);
        messages.clear();
        settings.put("seed", ask.seed(0));
        settings.put("system_fingerprint", served.fingerprint().join());
        return ask;
    }

    /** The request as that of a chat. */
    private Map<String, Object> chat(JsonIn in) {
        Map<String, Object> chat = in.given();
        chat.keySet().removeAll(OTHERS);
        chat.put("messages", messages);
        chat.put("max_tokens", Objects.requireNonNullElse(in.value("max_output_tokens"), Json.NULL));
        if (in.strings("include", Limits.STOPS).contains("message.output_text.logprobs")) {
            chat.put("logprobs", true);
            chat.put("top_logprobs", in.integer("top_logprobs", 0, 0, Limits.ALTERNATIVES));
        }
        Optional<JsonIn> format = in.object("text").flatMap(text -> text.object("format"));
        format.ifPresent(each -> chat.put("response_format", nested(each, "json_schema")));
        List<JsonIn> tools = in.objects("tools", Limits.TOOLS).toList();
        functions = IntStream.range(0, tools.size())
                .filter(i -> "function".equals(tools.get(i).value("type")))
                .boxed()
                .toList();
        chat.put(
                "tools",
                functions.stream().map(i -> nested(tools.get(i), "function")).toList());
        if (in.value("tool_choice") instanceof Map) {
            chat.put("tool_choice", nested(in.requiredObject("tool_choice"), "function"));
        }
        return chat;
    }

    /** An object whose fields stand beside its type here, and inside it in chats. */
    private static Map<String, Object> nested(JsonIn flat, String name) {
        return Json.object("type", Objects.requireNonNullElse(flat.value("type"), Json.NULL), name, flat.fields());
    }

    /** Makes messages of the items, and returns those of the request as they are kept. */
    private List<Map<String, Object>> readItems(JsonIn in) {
        in.string("instructions").ifPresent(text -> add("system", text));
        for (Kept each : store.history(owner, previous)) {
            JsonIn.parse(each.input()).objects("data", Limits.MESSAGES).forEach(this::add);
            each.output().forEach(item -> add(JsonIn.parse(item)));
        }
        List<Map<String, Object>> given = new ArrayList<>();
        items(in).map(this::resolved).forEach(item -> {
            add(item);
            Map<String, Object> fields = item.given();
            fields.putIfAbsent("id", "in_" + name + "_" + given.size());
            fields.putIfAbsent("type", "message");
            given.add(fields);
        });
        if (given.isEmpty() || messages.size() > Limits.MESSAGES) {
            throw ApiError.value("input", "1 to " + Limits.MESSAGES + " messages in all", messages.size());
        }
        return given;
    }

    private void add(JsonIn item) {
        String type = item.string("type").orElse("message");
        switch (type) {
            case "message" -> add(ChatApi.role(item, ROLES), ChatApi.content(item, "content", TEXTS));
            case "function_call" -> {
                if (!isLast("assistant")) {
                    add("assistant", Json.NULL);
                }
                String id = item.requiredString("call_id");
                String function = item.requiredString("name");
                Map<String, Object> call = Json.object("name", function, "arguments", item.requiredString("arguments"));
                more.add(Json.object("type", "function", "id", id, "function", call));
                messages.getLast().put("tool_calls", more);
            }
            case "function_call_output" -> {
                add("tool", ChatApi.content(item, "output", TEXTS));
                messages.getLast().put("tool_call_id", item.requiredString("call_id"));
            }
            case "reasoning" -> {}
            default -> throw ApiError.value(item.path("type"), "message or another that the guide names", type);
        }
    }

    /** Adds a message. Messages of the system in a row are one: many templates know only one, at the beginning. */
    private void add(String role, Object content) {
        if (!role.equals("system")) {
            more = new ArrayList<>();
            messages.add(Json.object("role", role, "content", content));
            return;
        }
        if (isLast(role)) {
            more.add(Map.of("type", "text", "text", "\n\n"));
        } else {
            more = new ArrayList<>();
            messages.add(Json.object("role", role, "content", more));
        }
        more.add(Map.of("type", "text", "text", content));
    }

    private boolean isLast(String role) {
        return !messages.isEmpty() && role.equals(messages.getLast().get("role"));
    }

    /** A response as it is now. */
    Map<String, Object> response(String status, List<Map<String, Object>> output, Object usage) {
        Object why = status.equals("incomplete") ? Map.of("reason", "max_output_tokens") : Json.NULL;
        Map<String, Object> response = Json.object("id", "resp_" + name, "object", "response", "status", status);
        response.putAll(Json.object("error", Json.NULL, "incomplete_details", why, "output", output, "usage", usage));
        response.putAll(settings);
        return response;
    }

    /** The id of an item. */
    String item(String prefix, int index) {
        return prefix + "_" + name + "_" + index;
    }

    Map<String, Object> numbered(Map<String, Object> event) {
        event.put("sequence_number", events++);
        return event;
    }

    /**
     * Keeps a response, if that was asked for.
     *
     * @param logprobs how many log-probabilities it has
     */
    void keep(Map<String, Object> response, List<Map<String, Object>> output, int logprobs) {
        boolean keeps = input.length > 0 && logprobs <= Limits.KEPT_LOGPROBS;
        response.put("store", keeps);
        if (keeps) {
            List<byte[]> items = output.stream().map(Json::write).toList();
            store.add("resp_" + name, new Kept(owner, caller, previous, input, items, Json.write(response)));
        }
    }

    @Override
    public String head(Map<String, Object> part) {
        return "event: " + part.get("type") + "\ndata: ";
    }

    @Override
    public String done() {
        return "";
    }

    @Override
    public Map<String, Object> error(ApiError error) {
        return Map.of("error", told(error));
    }

    /** An error of a chat, with the names that fields have here. */
    private Map<String, Object> told(ApiError error) {
        Map<String, Object> told = new LinkedHashMap<>(error.fields);
        told.replaceAll((_, value) -> value instanceof String text
                ? TOOL.matcher(text)
                        .replaceFirst(found -> "tools.[" + place(Integer.parseInt(found.group(1))) + "]")
                        .replaceFirst("^messages", "input")
                        .replaceFirst("^max_tokens", "max_output_tokens")
                        .replaceFirst("^response_format(\\.json_schema)?", "text.format")
                        .replaceFirst("^(tools\\.\\[\\d+]|tool_choice)\\.function", "$1")
                : value);
        return told;
    }

    /** The place of a function among the tools of the request, if it was read; the others are left out before. */
    private int place(int function) {
        return function < functions.size() ? functions.get(function) : function;
    }

    @Override
    public List<Map<String, Object>> failure(ApiError error) {
        Map<String, Object> told = told(error);
        Map<String, Object> failed = response("failed", List.of(), Json.NULL);
        failed.put("error", Json.object("code", error.code(), "message", String.valueOf(told.get("message"))));
        told.put("type", "error");
        return List.of(numbered(told), numbered(Json.object("type", "response.failed", "response", failed)));
    }
}
