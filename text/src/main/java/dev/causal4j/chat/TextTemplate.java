package dev.causal4j.chat;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Lexer.Blanks;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A template of Jinja for a text, with the settings of lm-evaluation-harness: only a minus in a tag takes white space,
 * and the use of an undefined value is an error. Immutable and thread-safe.
 */
public final class TextTemplate {
    private final String name;
    private final Node body;

    private TextTemplate(String name, Node body) {
        this.name = name;
        this.body = body;
    }

    /**
     * Parses a source.
     *
     * @param name of the template in messages
     * @throws TemplateException if it is no template
     */
    public static TextTemplate parse(String name, String source) {
        return new TextTemplate(name, new Parser(name, source, Blanks.KEPT).parse());
    }

    /**
     * Renders the text.
     *
     * @param variables of strings, booleans, numbers, null, lists and maps
     * @throws TemplateException if the template fails or takes too much
     */
    public String render(Map<String, ?> variables) {
        Untrusted copied = new Untrusted(List.of());
        Map<String, Object> all = new HashMap<>(Builtins.FUNCTIONS);
        all.keySet().removeAll(List.of("strftime_now", "raise_exception"));
        variables.forEach((key, value) -> all.put(key, copied.copy(value, 0)));
        Rendering rendering = rendering(name, copied, all);
        rendering.strict = true;
        return copied.restored(name, rendering.run(body)).text();
    }

    /**
     * Reads a literal of Python: a string, number, list, tuple (as a list), dict, True, False or None.
     *
     * @throws TemplateException if the text is anything else
     */
    public static Object literal(String name, String text) {
        return new Parser(name, "{{ " + text + " }}", Blanks.KEPT).literalAlone();
    }

    /** A value as Python's {@code print} shows it. */
    public static String print(Object value) {
        Untrusted copied = new Untrusted(List.of());
        return rendering("value", copied, Map.of()).print(copied.copy(value, 0));
    }

    /** A value as Python's {@code json.dumps(value, indent=2, ensure_ascii=False)} writes it. */
    public static String json(Object value) {
        Untrusted copied = new Untrusted(List.of());
        Rendering x = rendering("value", copied, Map.of());
        return Printer.json(x, copied.copy(value, 0), new Arguments(x, List.of(), Map.of("indent", 2L)));
    }

    private static Rendering rendering(String name, Untrusted copied, Map<String, Object> variables) {
        return new Rendering(name, Clock.systemUTC(), copied, variables);
    }
}
