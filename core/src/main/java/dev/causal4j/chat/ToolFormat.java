package dev.causal4j.chat;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * How the models of a family write calls of tools. {@link #of} finds it by the marks in a chat template, {@link #named} by
 * its {@link #label}.
 */
public enum ToolFormat {
    /** gpt-oss: answers are messages in channels. */
    HARMONY(
            Syntax.MESSAGES,
            "<\\|channel\\|>",
            "",
            new Form("", "", "<|channel|>commentary to=functions.$name <|constrain|>json<|message|>$arguments", "", ""),
            new Form("", "", " to=functions.$name<|channel|>commentary json<|message|>$arguments", "", "")),

    /** DeepSeek R1 and V3. */
    DEEPSEEK_R1(
            Syntax.HEADED,
            "<｜tool▁sep｜>[^}]*```json",
            "<｜tool▁calls▁end｜>",
            new Form(
                    "<｜tool▁calls▁begin｜>",
                    "",
                    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>$name\n```json\n$arguments\n```<｜tool▁call▁end｜>",
                    "\n",
                    "<｜tool▁calls▁end｜>")),

    /** DeepSeek V3.1. */
    DEEPSEEK(
            Syntax.HEADED,
            "<｜tool▁sep｜>",
            "<｜tool▁calls▁end｜>",
            new Form(
                    "<｜tool▁calls▁begin｜>",
                    "",
                    "<｜tool▁call▁begin｜>$name<｜tool▁sep｜>$arguments<｜tool▁call▁end｜>",
                    "",
                    "<｜tool▁calls▁end｜>")),

    /** FunctionGemma. */
    FUNCTIONGEMMA(
            Syntax.LITERALS,
            "<start_function_call>",
            "<end_function_call>",
            new Form(
                    "<start_function_call>",
                    "",
                    "call:$name{$members}<end_function_call>",
                    "<start_function_call>",
                    "",
                    "$key:$value",
                    ",")),

    /** Mistral Small 3, Magistral, Devstral, Ministral 3: tokenizers of version 11 and later. */
    MISTRAL_V11(
            Syntax.HEADED,
            "\\[ARGS]",
            "",
            new Form("[TOOL_CALLS]", "", "$name«[CALL_ID]$id»[ARGS]$arguments", "[TOOL_CALLS]", "")),

    /** Mistral 7B v0.3, Nemo, Large 2407. */
    MISTRAL(
            Syntax.OBJECTS,
            "\\[TOOL_CALLS]",
            "",
            new Form(
                    "[TOOL_CALLS]",
                    "[",
                    "{\"name\": \"$name\", \"arguments\": $arguments«, \"id\": \"$id\"»}",
                    ", ",
                    "]")),

    /** Qwen3-Coder, Qwen 3.5. */
    QWEN3_CODER(
            Syntax.TEXTS,
            "<function=",
            "</tool_call>",
            new Form(
                    "<tool_call>",
                    "",
                    "\n<function=$name>\n$members</function>\n</tool_call>",
                    "\n<tool_call>",
                    "",
                    "<parameter=$key>\n$value\n</parameter>\n",
                    "")),

    /** GLM 4.5. */
    GLM(
            Syntax.TEXTS,
            "<arg_key>",
            "</tool_call>",
            new Form(
                    "<tool_call>",
                    "",
                    "$name\n$members</tool_call>",
                    "\n<tool_call>",
                    "",
                    "<arg_key>$key</arg_key>\n<arg_value>$value</arg_value>\n",
                    "")),

    /** Phi-4-mini. */
    PHI4(
            Syntax.OBJECTS,
            "<\\|tool\\|>|<\\|/tool_call\\|>",
            "<|/tool_call|>",
            new Form("<|tool_call|>", "[", Form.OBJECT, ", ", "]<|/tool_call|>"),
            new Form("functools[", "", Form.OBJECT, ", ", "]")),

    /** Granite 3. */
    GRANITE(
            Syntax.OBJECTS,
            "<\\|tool_call\\|>|<tool_call>\\[",
            "",
            new Form("<|tool_call|>", "[", Form.OBJECT, ", ", "]"),
            new Form("<tool_call>", "[", Form.OBJECT, ", ", "]")),

    /** Hermes 2 and 3, Qwen 2.5 and 3, Granite 4, SmolLM3, minimind. */
    HERMES(
            Syntax.OBJECT,
            "<tool_call>",
            "</tool_call>",
            new Form("<tool_call>", "", "\n" + Form.OBJECT + "\n</tool_call>", "\n<tool_call>", "")),

    /** Llama 3.2 and 4 as Python. */
    PYTHONIC(
            Syntax.LITERALS,
            "func_name1?\\(param",
            "",
            new Form("", "[", "$name($members)", ", ", "]", "$key=$value", ", ")),

    /** Llama 3.1 to 3.3. */
    LLAMA3(
            Syntax.OBJECT,
            "<\\|python_tag\\|>|\"parameters\": dictionary",
            "",
            new Form("", "", Form.PARAMETERS, "; ", ""),
            new Form("<|python_tag|>", "", Form.PARAMETERS, "; ", "")),

    /** Models without a format: a call is an object, and only one that must be written is looked for. */
    NONE(Syntax.OBJECT, "", "", new Form("", "", Form.OBJECT, "; ", ""));

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

        Form(String mark, String begin, String call, String between, String end) {
            this(mark, begin, call, between, end, "", "");
        }
    }

    /** How the text of calls is read. */
    enum Syntax {
        /** An object with name and arguments. */
        OBJECT,
        /** A list of such objects. */
        OBJECTS,
        /** The name in a head, then an object of arguments. */
        HEADED,
        /** Each argument as text between marks. */
        TEXTS,
        /** Each argument as a literal that is not JSON's. */
        LITERALS,
        /** Messages with recipients. */
        MESSAGES
    }

    final Syntax syntax;
    final String close;
    private final Pattern template;

    @SuppressWarnings("ImmutableEnumChecker") // of List.of
    private final List<Form> forms;

    /**
     * @param template what the templates of the family contain
     * @param close a mark that ends calls; empty for none
     */
    ToolFormat(Syntax syntax, String template, String close, Form... forms) {
        this.syntax = syntax;
        this.template = Pattern.compile(template);
        this.close = close;
        this.forms = List.of(forms);
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

    /** The mark that begins a thought. */
    public String thought() {
        return writesIds() ? "[THINK]" : "<think>";
    }

    /** The mark that ends a thought. */
    public String thoughtEnd() {
        return thought().charAt(0) + "/" + thought().substring(1);
    }

    /** Whether a rendered prompt ends inside a thought. */
    public boolean opensThought(String prompt) {
        return prompt.stripTrailing().endsWith(thought());
    }

    /** Whether an answer to a prompt of a template may begin with a thought. */
    public boolean mayThink(ChatTemplate template, String prompt) {
        String end = prompt.stripTrailing();
        return this == HARMONY || (template.sources().contains(thought()) && !end.endsWith(thoughtEnd()));
    }
}
