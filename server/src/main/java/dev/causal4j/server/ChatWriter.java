package dev.causal4j.server;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.generation.Generation;
import dev.causal4j.json.Json;
import dev.causal4j.server.Choice.Fragment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Writes a choice of a chat, whole or as deltas. Not thread-safe. */
final class ChatWriter extends AnswerWriter {
    private boolean begun;

    ChatWriter(TextRequest ask, Function<Answer.Listener, AnswerParser> reading) {
        super(ask, ask.format().stream(), reading);
    }

    @Override
    public void content(String text) {
        begin();
        add(Json.object("content", text));
    }

    @Override
    public void reasoning(String text) {
        begin();
        add(Json.object("reasoning_content", text));
    }

    /** Says whose text follows. */
    private void begin() {
        if (!begun) {
            parts.add(Choices.choice(ask, "delta", beginning(""), ChatApi.logprobs(ask, List.of()), List.of()));
        }
    }

    private static Map<String, Object> beginning(Object content) {
        return Json.object("role", "assistant", "content", content);
    }

    @Override
    public void call(int index, String id, String name) {
        Map<String, Object> delta = begun ? new LinkedHashMap<>() : beginning(Json.NULL);
        Map<String, Object> call = Json.object("index", index, "id", id, "type", "function");
        call.put("function", Json.object("name", name, "arguments", ""));
        delta.put("tool_calls", List.of(call));
        add(delta);
    }

    @Override
    public void arguments(int index, String piece) {
        Map<String, Object> function = Map.of("arguments", piece);
        add(Json.object("tool_calls", List.of(Json.object("index", index, "function", function))));
    }

    private void add(Map<String, Object> delta) {
        begun = true;
        Fragment all = Fragment.of(since);
        parts.add(Choices.choice(ask, "delta", delta, ChatApi.logprobs(ask, all.tokens()), all.ids()));
        since.clear();
    }

    @Override
    void last(Fragment fragment, Generation made) {
        part(fragment);
        String finish = end(made).finishReason();
        begin();
        add(new LinkedHashMap<>());
        Choices.ended(ask, parts.getLast(), finish, made);
    }

    @Override
    Map<String, Object> whole(List<Fragment> fragments, Generation made) {
        fragments.forEach(this::read);
        Answer answer = end(made);
        Map<String, Object> message = new LinkedHashMap<>(answer.message().fields());
        if (answer.content().isEmpty() && message.size() > 2) {
            message.put("content", Json.NULL); // calls or thoughts are all that there is
        }
        message.put("refusal", Json.NULL);
        Fragment all = Fragment.of(fragments);
        Map<String, Object> logprobs = ChatApi.logprobs(ask, all.tokens());
        return Choices.ended(
                ask, Choices.choice(ask, "message", message, logprobs, all.ids()), answer.finishReason(), made);
    }
}
