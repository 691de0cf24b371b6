package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.AnswerParser.Stop;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Reads calls whose arguments are texts between marks, and makes JSON of them: a string where the tool's schema wants one, or
 * null where it may be and the text is null, else the value that the text is in JSON, else a string. Not thread-safe.
 */
final class TextCalls {
    /**
     * Where the parts of a call stand.
     *
     * @param head of a call, with its name
     * @param member of the arguments, with its key, or their end
     * @param end of a text
     * @param lines whether texts have lines of their own
     */
    private record Places(Pattern head, Pattern member, String end, boolean lines) {}

    private static final Places QWEN = new Places(
            Pattern.compile("\\s*+<function=(" + ToolDefinition.NAME + ")>\\s*+(?=\\S)"),
            Pattern.compile("\\s*+(?:<parameter=([^>]{1,1024})>\n?|</function>)"),
            "</parameter>",
            true);
    private static final Places GLM = new Places(
            Pattern.compile("\\s*+(" + ToolDefinition.NAME + ")\\s*+(?=<)"),
            Pattern.compile("\\s*+(?:<arg_key>([^<]{1,1024})</arg_key>\\s*+<arg_value>|(?=</tool_call>))"),
            "</arg_value>",
            false);

    private final AnswerParser answer;
    private final Places places;
    private String name = "";
    private boolean isFirst;
    private Set<String> types = Set.of(); // of a value that is a text; one is told as it comes
    // A line end that is the value's if more comes, or all of a value that may be no string.
    private final StringBuilder held = new StringBuilder();

    TextCalls(AnswerParser answer) {
        this.answer = answer;
        places = answer.format == ToolFormat.GLM ? GLM : QWEN;
    }

    State head() throws Stop {
        name = answer.match(places.head).group(1);
        isFirst = true;
        return this::member;
    }

    private State member() throws Stop {
        String key = answer.match(places.member).group(1);
        if (isFirst) {
            answer.begin(name, null);
        }
        if (key == null) {
            answer.argument(isFirst ? "{}" : "}");
            return answer::closing;
        }
        types = answer.tools.stream()
                .filter(tool -> tool.name().equals(name))
                .findFirst()
                .map(tool -> tool.textTypes(key))
                .orElse(Set.of());
        held.setLength(0);
        answer.argument((isFirst ? "{\"" : ", \"") + Printer.escaped(key) + "\": " + (types.size() == 1 ? "\"" : ""));
        isFirst = false;
        return this::value;
    }

    private State value() throws Stop {
        boolean ends = !answer.before(List.of(places.end), this::piece).isEmpty();
        if (!ends && !answer.ended) {
            throw new Stop();
        }
        String rest = ends && places.lines && endsLine() ? held.substring(0, held.length() - 1) : held.toString();
        if (types.size() == 1) {
            answer.argument(Printer.escaped(rest) + (ends ? "\"" : ""));
        } else {
            boolean isJson = types.isEmpty() ? AnswerParser.json(rest).isPresent() : rest.equals("null");
            answer.argument(isJson ? rest.strip() : "\"" + Printer.escaped(rest) + "\"");
        }
        if (!ends) {
            throw new Stop();
        }
        answer.at += places.end.length();
        return this::member;
    }

    private void piece(String piece) {
        held.append(piece);
        if (types.size() == 1) {
            int told = held.length() - (endsLine() ? 1 : 0);
            answer.argument(Printer.escaped(held.substring(0, told)));
            held.delete(0, told);
        }
    }

    private boolean endsLine() {
        return !held.isEmpty() && held.charAt(held.length() - 1) == '\n';
    }
}
