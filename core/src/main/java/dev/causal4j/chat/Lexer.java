package dev.causal4j.chat;

import static dev.causal4j.FormatException.quote;
import static java.util.regex.Pattern.compile;

import dev.causal4j.TemplateException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a template into tokens, with Jinja's trim_blocks and lstrip_blocks. For one source; not thread-safe. */
final class Lexer {
    /** White space of Python. */
    static final String SPACE = "[\\s\\x1c-\\x1f\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

    enum Kind {
        TEXT,
        NAME,
        REAL,
        WHOLE,
        STRING,
        SYMBOL,
        END
    }

    /** A text between tags, or what stands in them; a string without its quotes and escapes. */
    record Token(Kind kind, String text, int line) {
        /** Its text if it is a name or symbol, such as {@code if} or <code>{%</code>, else nothing. */
        String word() {
            return kind == Kind.NAME || kind == Kind.SYMBOL ? text : "";
        }
    }

    // Repetitions are possessive: a source of a stranger must not make them backtrack or recurse.
    private static final Pattern TAG = compile("\\{([{%#])([-+]?)");
    private static final Pattern COMMENT_END = compile("-#}" + SPACE + "*+|\\+#}|#}\n?");
    private static final String CLOSE = "(?:-%}" + SPACE + "*+|\\+%}|%}\n?)";
    private static final Pattern BLOCK_END = compile(SPACE + "*+" + CLOSE);
    private static final Pattern OUTPUT_END = compile(SPACE + "*+(?:-}}" + SPACE + "*+|}})");
    private static final Pattern RAW = compile(SPACE + "*+raw" + SPACE + "*+(?:-%}" + SPACE + "*+|%})");
    private static final Pattern RAW_END = compile("\\{(%)([-+]?)" + SPACE + "*+endraw" + SPACE + "*+" + CLOSE);
    // The groups are the kinds from NAME to SYMBOL.
    private static final Pattern TOKEN = compile(
            SPACE + "*+(?:([\\p{L}_][\\p{L}\\p{N}_]*+)"
                    + "|((?<!\\.)[0-9](?:_?[0-9])*+(?:\\.[0-9]++(?:[eE][-+]?[0-9]++)?+|[eE][-+]?[0-9]++))"
                    + "|([1-9](?:_?[0-9])*+|0(?:_?0)*+)"
                    + "|('[^'\\\\]*+(?:\\\\.[^'\\\\]*+)*+'|\"[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+\")"
                    + "|(\\*\\*|//|[=!<>]=|[-+*/%~<>=.:|,()\\[\\]{}]))",
            Pattern.DOTALL);
    private static final Pattern ESCAPE =
            compile("\\\\(?:[xuU]((?<=x)..|(?<=u)....|(?<=U).{8})|([0-7]{1,3})|(.))", Pattern.DOTALL);

    private final String template;
    private final String source;
    private final Matcher matcher;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int counted; // up to where lines are counted

    private Lexer(String template, String source) {
        this.template = template;
        String lines = source.replace("\r\n", "\n").replace('\r', '\n');
        this.source = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
        matcher = TAG.matcher(this.source).useTransparentBounds(true);
    }

    /** The last one is of kind END. */
    static List<Token> tokens(String template, String source) {
        Lexer lexer = new Lexer(template, source);
        lexer.cut();
        return lexer.tokens;
    }

    private void cut() {
        while (next(TAG).find()) {
            String open = "{" + matcher.group(1);
            Pattern end = open.equals("{{") ? OUTPUT_END : BLOCK_END;
            text();
            if (open.equals("{#")) {
                require(next(COMMENT_END).find(), "an end of the comment");
            } else if (open.equals("{%") && next(RAW).lookingAt()) {
                at = matcher.end();
                require(next(RAW_END).find(), "endraw");
                text();
            } else {
                add(Kind.SYMBOL, open);
                inside(end);
                add(Kind.SYMBOL, end == OUTPUT_END ? "}}" : "%}");
            }
            at = matcher.end();
        }
        add(Kind.TEXT, source.substring(at));
        at = source.length();
        add(Kind.END, "the end");
    }

    private Matcher next(Pattern pattern) {
        return matcher.usePattern(pattern).region(at, source.length());
    }

    /** The text up to the tag at hand, without the white space that its mark or lstrip_blocks takes. */
    private void text() {
        String text = source.substring(at, matcher.start());
        String stripped = Builtins.strip(text, Builtins::isSpace, false, true);
        int lineStart = text.lastIndexOf('\n') + 1;
        boolean ownLine = lineStart > 0 || at == 0 || source.charAt(at - 1) == '\n';
        boolean block = !matcher.group(1).equals("{") && matcher.group(2).isEmpty();
        if (matcher.group(2).equals("-")) {
            text = stripped;
        } else if (block && ownLine && stripped.length() <= lineStart) {
            text = text.substring(0, lineStart);
        }
        add(Kind.TEXT, text);
        at = matcher.end();
    }

    private void add(Kind kind, String text) {
        for (; counted < at; counted++) {
            line += source.charAt(counted) == '\n' ? 1 : 0;
        }
        if (kind != Kind.TEXT || !text.isEmpty()) {
            tokens.add(new Token(kind, text, line));
        }
    }

    /** The tokens of a tag up to its end, which the matcher is at then. */
    private void inside(Pattern end) {
        for (int brackets = 0; brackets > 0 || !next(end).lookingAt(); at = matcher.end()) {
            require(next(TOKEN).lookingAt(), "an expression and the end of its tag");
            int kind = 1;
            while (matcher.group(kind) == null) {
                kind++;
            }
            String text = matcher.group(kind);
            brackets += "([{".contains(text) ? 1 : ")]}".contains(text) ? -1 : 0;
            require(brackets >= 0, "brackets in pairs");
            boolean string = Kind.values()[kind] == Kind.STRING;
            add(Kind.values()[kind], string ? unescaped(text.substring(1, text.length() - 1)) : text);
        }
    }

    private String unescaped(String string) {
        return ESCAPE.matcher(string).replaceAll(escape -> Matcher.quoteReplacement(unescaped(escape)));
    }

    private String unescaped(MatchResult escape) {
        String letter = escape.group(3);
        if (letter != null) {
            require(!"xuUN".contains(letter), "a complete escape");
            int known = "\n\\'\"abfnrtv".indexOf(letter);
            String meant = known <= 0 ? "" : "" + "\\'\"\u0007\b\f\n\r\t\u000b".charAt(known - 1);
            return known < 0 ? escape.group() : meant;
        }
        boolean octal = escape.group(2) != null;
        String digits = octal ? escape.group(2) : escape.group(1);
        require(digits.matches("[0-9A-Fa-f]{1,6}|00[0-9A-Fa-f]{6}"), "digits in an escape");
        int c = Integer.parseInt(digits, octal ? 8 : 16);
        require(Character.isValidCodePoint(c), "a character in an escape");
        return Character.toString(c);
    }

    private void require(boolean right, String expected) {
        if (!right) {
            add(Kind.TEXT, "");
            String place = template + ", line " + line;
            throw new TemplateException(place, expected, quote(source.substring(at)), "correct the template");
        }
    }
}
