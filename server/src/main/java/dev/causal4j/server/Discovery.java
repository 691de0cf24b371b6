package dev.causal4j.server;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A model as programs find it before they ask: one answer has the fields that clients of llama.cpp, vLLM, OpenAI and
 * Anthropic look for. Immutable and thread-safe.
 *
 * @param parallel most sequences at once
 * @param several whether the server has other models
 */
record Discovery(ServedModel served, int parallel, boolean several, Map<String, Object> capabilities) {
    Discovery(ServedModel served, int parallel, boolean several) {
        this(served, parallel, several, capabilities(served.format()));
    }

    /** Found once, by rendering: a template that fails at a part or leaves it out keeps it from the model. */
    private static Map<String, Object> capabilities(Chat.Format format) {
        ToolDefinition tool = ToolDefinition.of("probe_tool", "", "{\"type\": \"object\", \"properties\": {}}");
        Chat.Format offering = format.withTools(List.of(tool), ToolChoice.AUTO);
        Message user = new Message("user", "probe_user");
        // Mistral's templates refuse ids that have not nine characters.
        ToolCall first = new ToolCall("probe0001", "probe_call_1", "{}");
        ToolCall second = new ToolCall("probe0002", "probe_call_2", "{}");
        Message calls = new Answer("", "", List.of(first, second), "").message();
        boolean tools = format.toolFormat() != ToolFormat.NONE && shows(offering, List.of("probe_tool"), user);
        boolean parallel = tools && shows(offering, List.of("probe_call_1", "probe_call_2"), user, calls);
        boolean system = shows(format, List.of("probe_system"), new Message("system", "probe_system"), user);
        Map<String, Object> all = Json.object("supports_tools", tools, "supports_tool_calls", tools);
        all.putAll(Json.object("supports_parallel_tool_calls", parallel, "supports_system_role", system));
        return all;
    }

    private static boolean shows(Chat.Format format, List<String> texts, Message... messages) {
        try {
            String rendered = format.render(List.of(messages), false).text();
            return texts.stream().allMatch(rendered::contains);
        } catch (TemplateException _) {
            return false;
        }
    }

    /** The entry of the list of models. */
    Map<String, Object> entry() {
        int context = served.contextLength();
        CausalLM model = served.model();
        int vocabulary = model.head().vocabularySize();
        Map<String, Object> meta = Json.object("n_vocab", vocabulary, "n_ctx", context, "n_ctx_train", context);
        meta.putAll(Json.object("n_embd", model.head().hiddenSize(), "n_params", model.parameters()));
        meta.put("size", model.config().weightBytes(model.dtype()));
        meta.put("arithmetic", model.dtype().arithmetic());
        Map<String, Object> entry = Json.object("id", served.name(), "object", "model", "created", served.created());
        entry.putAll(Json.object("owned_by", "causal4j", "max_model_len", context, "meta", meta));
        String created = Instant.ofEpochSecond(served.created()).toString();
        entry.putAll(Json.object("type", "model", "display_name", served.name(), "created_at", created));
        entry.putAll(Json.object("max_input_tokens", context, "max_tokens", context, "capabilities", Json.NULL));
        if (several) { // clients of llama.cpp see by it that there are several, and ask for the properties of each
            entry.put("status", Json.object("value", "loaded"));
        }
        return entry;
    }

    /** Properties of the server and of the model. */
    void props(Call call) throws IOException {
        Map<String, Object> parameters = Json.object("temperature", 1, "top_k", 0, "top_p", 1, "min_p", 0);
        Map<String, Object> settings = Json.object("n_ctx", served.contextLength(), "params", parameters);
        Map<String, Object> props = Json.object("default_generation_settings", settings, "total_slots", parallel);
        props.putAll(Json.object("model_alias", served.name(), "model_path", served.name()));
        String version = Discovery.class.getPackage().getImplementationVersion();
        props.put("build_info", "causal4j " + Objects.requireNonNullElse(version, "(not packaged)"));
        props.put("modalities", Json.object("vision", false, "audio", false));
        props.putAll(Json.object("bos_token", bos(), "eos_token", eos()));
        ChatTemplate template = served.format().template();
        props.put("chat_template", template.isPlain() ? "fallback" : template.source());
        props.put("chat_template_caps", capabilities);
        props.put("turn_end_ids", served.format().ends().stream().sorted().toList());
        ToolFormat tools = served.format().toolFormat(); // one that no template shows needs a constraint for each call
        props.putAll(
                Json.object("tools", tools == ToolFormat.NONE ? "forced" : "template", "tool_format", tools.label()));
        call.json(props);
    }

    /** Special tokens and template; lm-evaluation-harness reads them before it tokenizes here. */
    void tokenizer(Call call) throws IOException {
        ChatTemplate chosen = served.format().template();
        Object template = chosen.isPlain() ? Json.NULL : chosen.source();
        call.json(
                Json.object("bos_token", bos(), "eos_token", eos(), "pad_token", Json.NULL, "chat_template", template));
    }

    private Object bos() {
        return text(served.model().bos().stream().boxed().findFirst());
    }

    private Object eos() {
        return text(served.model().eos().stream().min(Integer::compare));
    }

    private Object text(Optional<Integer> id) {
        return id.<Object>map(each -> served.tokenizer().decode(each)).orElse(Json.NULL);
    }
}
