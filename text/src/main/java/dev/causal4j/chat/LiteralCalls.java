package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.Malformed;
import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.AnswerParser.Stop;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * Reads calls whose arguments are literals of another language, and makes JSON of them: Python's {@code f(a=1, b='x')}, or
 * FunctionGemma's <code>f{a:1,b:&lt;escape&gt;x&lt;escape&gt;}</code> and Gemma 4's with another mark around texts. Not
 * thread-safe.
 */
final class LiteralCalls {
    private static final String IN_PYTHON =
            "\\s*+(" + ToolDefinition.NAME + ")(?=\\(\\s*+(?:" + ToolDefinition.NAME + "\\s*+=|\\)))";
    private static final Pattern FIRST = Pattern.compile("\\s*+\\[" + IN_PYTHON);
    private static final Pattern OTHER = Pattern.compile(IN_PYTHON);
    private static final Pattern GEMMA = Pattern.compile("call:(" + ToolDefinition.NAME + ")(?=\\{)");

    private static final String MARK = "<escape>|<\\|\"\\|>"; // around texts
    // A word, perhaps an empty one, and what ends it.
    private static final Pattern TOKEN =
            Pattern.compile("\\s*+((?:(?!" + MARK + ")[^()\\[\\]{},:='\"]){0,1024}+)(" + MARK + "|[()\\[\\]{},:='\"])");
    private static final Pattern JSON =
            Pattern.compile("-?(?:0|[1-9][0-9]{0,400})(?:\\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,9})?|true|false|null");
    private static final Map<String, String> WORDS = Map.of("True", "true", "False", "false", "None", "null");

    private final AnswerParser answer;
    private final boolean python;
    private final StringBuilder closers = new StringBuilder(); // of open brackets
    private String comma = ""; // before the next value, if there is one
    private String quote = ""; // of the string that is read

    LiteralCalls(AnswerParser answer) {
        this.answer = answer;
        python = answer.format.writesPython();
    }

    State first() throws Stop {
        return head(python ? FIRST : GEMMA);
    }

    private State head(Pattern pattern) throws Stop {
        String name = answer.match(pattern).group(1);
        if (answer.format == ToolFormat.PYTHONIC && !answer.isTool(name)) {
            throw new Malformed(false);
        }
        answer.begin(name, null);
        return this::token;
    }

    private State token() throws Stop {
        MatchResult found = answer.match(TOKEN);
        String word = found.group(1).strip();
        String mark = found.group(2);
        switch (mark) {
            case "(", "[", "{" -> {
                boolean isList = mark.equals("[") || (mark.equals("(") && !closers.isEmpty());
                value(isList ? "[" : "{");
                closers.append(isList ? ']' : '}');
            }
            case ")", "]", "}" -> {
                word(word, false);
                comma = "";
                int last = closers.length() - 1;
                answer.argument(closers.substring(last));
                closers.setLength(last);
                if (last == 0) {
                    return python ? () -> answer.next(ObjectCalls.NEXT_OF_LIST, () -> head(OTHER)) : answer::closing;
                }
            }
            case "," -> {
                word(word, false);
                comma = ", ";
            }
            case ":", "=" -> {
                word(word, true);
                answer.argument(": ");
            }
            default -> {
                quote = mark; // the word is a prefix such as r
                value("\"");
                return this::string;
            }
        }
        return this::token;
    }

    private void value(String json) {
        answer.argument(comma + json);
        comma = "";
    }

    private void word(String word, boolean key) {
        String value = WORDS.getOrDefault(word, word);
        if (!word.isEmpty()) {
            value(!key && JSON.matcher(value).matches() ? value : "\"" + Printer.escaped(value) + "\"");
        }
    }

    private State string() throws Stop {
        List<String> marks = quote.length() == 1 ? List.of(quote, "\\") : List.of(quote);
        String mark = answer.until(marks, piece -> answer.argument(Printer.escaped(piece)));
        if (mark.equals("\\")) {
            String meant = Lexer.meant(answer.match(Lexer.ESCAPE));
            answer.argument(Printer.escaped(meant.equals("\\/") ? "/" : meant)); // as in JSON
            return this::string;
        }
        answer.at += mark.length();
        answer.argument("\"");
        return this::token;
    }
}
