package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.ToolChoice.Kind;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * How the models of a family write calls of tools. {@link #of} finds it by the marks in a chat template, {@link #named} by
 * its {@link #label}.
 */
@SuppressWarnings("ImmutableEnumChecker") // its functions have no state, its lists are those of List.of
public enum ToolFormat {
    /** gpt-oss: answers are messages in channels. */
    HARMONY(
            answer -> new Messages(answer)::head,
            "<\\|channel\\|>",
            new Form("", "<|channel|>commentary to=functions.$name <|constrain|>json<|message|>$arguments", ""),
            new Form("", " to=functions.$name<|channel|>commentary json<|message|>$arguments", "")),

    /** DeepSeek R1 and V3. */
    DEEPSEEK_R1(
            answer -> new HeadedCalls(answer)::head,
            "<｜tool▁sep｜>[^}]*```json",
            Form.deepSeek("function<｜tool▁sep｜>$name\n```json\n$arguments\n```", "\n")),

    /** DeepSeek V3.1. */
    DEEPSEEK(answer -> new HeadedCalls(answer)::head, "<｜tool▁sep｜>", Form.deepSeek("$name<｜tool▁sep｜>$arguments", "")),

    /** FunctionGemma. */
    FUNCTIONGEMMA(
            answer -> new LiteralCalls(answer)::first,
            "<start_function_call>",
            new Form("<start_function_call>", "call:$name{$members}<end_function_call>", "<start_function_call>")
                    .of("$key:$value", ",")),

    /** Gemma 4. */
    GEMMA4(
            answer -> new LiteralCalls(answer)::first,
            "<\\|tool_call>",
            new Form("<|tool_call>", "call:$name{$members}<tool_call|>", "<|tool_call>").of("$key:$value", ",")),

    /** Mistral Small 3, Magistral, Devstral, Ministral 3: tokenizers of version 11 and later. */
    MISTRAL_V11(
            answer -> new HeadedCalls(answer)::head,
            "\\[ARGS]",
            new Form("[TOOL_CALLS]", "$name«[CALL_ID]$id»[ARGS]$arguments", "[TOOL_CALLS]")),

    /** Mistral 7B v0.3, Nemo, Large 2407. */
    MISTRAL(
            answer -> new ObjectCalls(answer, true)::first,
            "\\[TOOL_CALLS]",
            new Form("[TOOL_CALLS]", "[", Form.OBJECT.replace("}", "«, \"id\": \"$id\"»}"), ", ", "]")),

    /** Qwen3-Coder, Qwen 3.5. */
    QWEN3_CODER(
            answer -> new TextCalls(answer)::head,
            "<function=",
            new Form("<tool_call>", "\n<function=$name>\n$members</function>\n</tool_call>", "\n<tool_call>")
                    .of("<parameter=$key>\n$value\n</parameter>\n", "")),

    /** GLM 4.5. */
    GLM(
            answer -> new TextCalls(answer)::head,
            "<arg_key>",
            new Form("<tool_call>", "$name\n$members</tool_call>", "\n<tool_call>")
                    .of("<arg_key>$key</arg_key>\n<arg_value>$value</arg_value>\n", "")),

    /** Phi-4-mini. */
    PHI4(
            answer -> new ObjectCalls(answer, true)::first,
            "<\\|tool\\|>|<\\|/tool_call\\|>",
            new Form("<|tool_call|>", "[", Form.OBJECT, ", ", "]<|/tool_call|>"),
            new Form("functools[", "", Form.OBJECT, ", ", "]")),

    /** Granite 3. */
    GRANITE(
            answer -> new ObjectCalls(answer, true)::first,
            "<\\|tool_call\\|>|<tool_call>\\[",
            new Form("<|tool_call|>", "[", Form.OBJECT, ", ", "]"),
            new Form("<tool_call>", "[", Form.OBJECT, ", ", "]")),

    /** Hermes 2 and 3, Qwen 2.5 and 3, Granite 4, SmolLM3, minimind. */
    HERMES(
            answer -> new ObjectCalls(answer, false)::first,
            "<tool_call>",
            new Form("<tool_call>", "\n" + Form.OBJECT + "\n</tool_call>", "\n<tool_call>")),

    /** LFM 2 and 2.5: Python between marks. */
    LFM2(
            answer -> new LiteralCalls(answer)::first,
            "<\\|tool_(?:list|call)_start\\|>|List of tools: ",
            new Form("<|tool_call_start|>", "[", "$name($members)", ", ", "]<|tool_call_end|>")
                    .of("$key=$value", ", ")),

    /** Llama 3.2 and 4 as Python. */
    PYTHONIC(
            answer -> new LiteralCalls(answer)::first,
            "func_name1?\\(param",
            new Form("", "[", "$name($members)", ", ", "]").of("$key=$value", ", ")),

    /** Llama 3.1 to 3.3. */
    LLAMA3(
            answer -> new ObjectCalls(answer, false)::first,
            "<\\|python_tag\\|>|\"parameters\": dictionary",
            new Form("", Form.PARAMETERS, "; "),
            new Form("<|python_tag|>", Form.PARAMETERS, "; ")),

    /**
     * Models without a format: a call is an object, and only one that must be written is looked for. It is the only one, since
     * such models do not know when to end.
     */
    NONE(answer -> new ObjectCalls(answer, false)::first, "", new Form("", Form.OBJECT, ""));

    /**
     * Calls as models write them: the mark, what begins them, a call, what stands between two of them, and the end. A call
     * has {@code $name}, {@code $arguments} (a JSON object) or {@code $members}, perhaps {@code $id} (nine letters or
     * digits), and between « and » what may be left out.
     *
     * @param mark empty for calls that can only stand at the beginning of an answer
     * @param member one of the members, with {@code $key} and {@code $value}
     * @param comma between two members
     */
    public record Form(
            String mark, String begin, String call, String between, String end, String member, String comma) {
        private static final String OBJECT = "{\"name\": \"$name\", \"arguments\": $arguments}";
        private static final String PARAMETERS = "{\"name\": \"$name\", \"parameters\": $arguments}";

        private static final Pattern CLOSE = Pattern.compile("<[^<]*>$|$");

        Form(String mark, String begin, String call, String between, String end) {
            this(mark, begin, call, between, end, "", "");
        }

        /** Calls one by one. */
        Form(String mark, String call, String between) {
            this(mark, "", call, between, "");
        }

        /** DeepSeek's calls, with marks around each and around all. */
        private static Form deepSeek(String call, String between) {
            String whole = "<｜tool▁call▁begin｜>" + call + "<｜tool▁call▁end｜>";
            return new Form("<｜tool▁calls▁begin｜>", "", whole, between, "<｜tool▁calls▁end｜>");
        }

        private Form of(String eachMember, String betweenMembers) {
            return new Form(mark, begin, call, between, end, eachMember, betweenMembers);
        }

        /** The mark that ends calls; empty for none. */
        private String close() {
            return CLOSE.matcher(call + end).results().findFirst().orElseThrow().group();
        }
    }

    final Function<AnswerParser, State> calls;
    final String close;
    private final Pattern template;
    private final List<Form> forms;

    /**
     * @param calls begins to read calls, after a mark
     * @param template what the templates of the family contain
     */
    ToolFormat(Function<AnswerParser, State> calls, String template, Form... forms) {
        this.calls = calls;
        this.template = Pattern.compile(template);
        this.forms = List.of(forms);
        close = forms[0].close();
    }

    /** The format that a template writes and explains; {@link #NONE} if it knows no tools. */
    public static ToolFormat of(ChatTemplate template) {
        String source = template.sources();
        return Stream.of(values())
                .filter(format -> format.template.matcher(source).find())
                .findFirst()
                .orElse(NONE);
    }

    /**
     * The format of a label.
     *
     * @throws IllegalArgumentException if no format has it
     */
    public static ToolFormat named(String label) {
        return Stream.of(values())
                .filter(format -> format.label().equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("tool format: expected one of "
                        + Arrays.stream(values()).map(ToolFormat::label).collect(Collectors.joining(", "))
                        + ", got \"" + label + "\""));
    }

    /** Its name in options, such as {@code qwen3-coder}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Each begins calls anywhere in an answer; none if calls can only stand at its beginning. */
    List<String> marks() {
        return forms.getFirst().mark.isEmpty()
                ? List.of()
                : forms.stream().map(Form::mark).toList();
    }

    /** Calls as the models write them, the usual form first. */
    public List<Form> forms() {
        return forms;
    }

    /** Whether models of the family may give calls an id, of nine letters and digits. */
    boolean writesIds() {
        return this == MISTRAL || this == MISTRAL_V11;
    }

    /** Whether arguments are literals of Python. */
    public boolean writesPython() {
        return this == LFM2 || this == PYTHONIC;
    }

    /** The mark that begins a thought. */
    public String thought() {
        return this == GEMMA4 ? "<|channel>thought" : writesIds() ? "[THINK]" : "<think>";
    }

    /** The mark that ends a thought. */
    public String thoughtEnd() {
        return this == GEMMA4
                ? "<channel|>"
                : thought().charAt(0) + "/" + thought().substring(1);
    }

    /** The mark before and after a text among members that are no JSON; empty for none. */
    public String quote() {
        return switch (this) {
            case FUNCTIONGEMMA -> "<escape>";
            case GEMMA4 -> "<|\"|>";
            default -> "";
        };
    }

    /** Whether a rendered prompt ends inside a thought. */
    public boolean opensThought(String prompt) {
        return prompt.stripTrailing().endsWith(thought());
    }

    /** Whether answers may have calls; {@link #NONE} has only those that must come. */
    public boolean mayCall(ToolChoice choice) {
        return choice.kind() != Kind.NONE && !(this == NONE && choice.kind() == Kind.AUTO);
    }

    /** Whether an answer to a prompt of a template may begin with a thought. */
    public boolean mayThink(ChatTemplate template, String prompt) {
        String end = prompt.stripTrailing();
        return this == HARMONY || (template.sources().contains(thought()) && !end.endsWith(thoughtEnd()));
    }
}
