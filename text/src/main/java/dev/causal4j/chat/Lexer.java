package dev.causal4j.chat;

import static dev.causal4j.FormatException.quote;
import static java.util.regex.Pattern.compile;
import static java.util.stream.Collectors.joining;

import dev.causal4j.TemplateException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a template into the tokens of its tags. For one source; not thread-safe. */
final class Lexer {
    /** White space of Python. */
    static final String SPACE = "[\\s\\x1c-\\x1f\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

    /** The last token. */
    static final String END = "the end";

    /** Kinds of tokens, in the order of the groups of {@link #TOKEN}. */
    enum Kind {
        NAME,
        NUMBER,
        STRING,
        SYMBOL
    }

    /** A token of a tag; a string has no quotes and escapes. Text between tags is an output of a string. */
    record Token(Kind kind, String text, int line) {
        /** The text of any token but a string, such as {@code if} or <code>{%</code>; empty for a string. */
        String word() {
            return kind == Kind.STRING ? "" : text;
        }
    }

    // Repetitions are possessive, so that no source can make them backtrack or recurse.
    private static final String S = SPACE + "*+";

    /** Which white space around tags is no text; {@code lost} is what the end of the source loses. */
    record Blanks(Pattern tag, Pattern commentEnd, Pattern blockEnd, Pattern rawEnd, String lost) {
        /** Jinja's trim_blocks and lstrip_blocks, as chat templates have it: also that of a block alone on its line. */
        static final Blanks TRIMMED = of("^[" + SPACE + "&&[^\n]]*+(?=\\{[%#][^-+])|", "\n?", "\n\\z");

        /** Jinja's own, with keep_trailing_newline: only where a tag has a minus. */
        static final Blanks KEPT = of("", "", "");

        private static Blanks of(String before, String after, String lost) {
            String open = "(?dm)(?:(?:\\G|(?<!" + SPACE + "))" + S + "(?=\\{.-)|" + before + ")";
            String close = S + "(?:-%}" + S + "|\\+%}|%}" + after + ")";
            return new Blanks(
                    compile(open + "(\\{[{%#])[-+]?"),
                    compile("-#}" + S + "|\\+#}|#}" + after),
                    compile(close),
                    compile(open + "\\{%[-+]?" + S + "endraw" + close),
                    lost);
        }
    }

    private static final Pattern OUTPUT_END = compile(S + "(?:-}}" + S + "|}})");
    private static final Pattern RAW = compile(S + "raw" + S + "(?:-%}" + S + "|%})");
    private static final String TEXT = "(?:'[^'\\\\]*+(?:\\\\.[^'\\\\]*+)*+'|\"[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+\")";
    private static final Pattern STRING = compile(TEXT, Pattern.DOTALL);
    private static final Pattern TOKEN = compile(
            S + "(?:([\\p{L}_][\\p{L}\\p{N}_]*+)"
                    + "|((?<!\\.)[0-9](?:_?[0-9])*+(?:\\.[0-9]++(?:[eE][-+]?[0-9]++)?+|[eE][-+]?[0-9]++)"
                    + "|[1-9](?:_?[0-9])*+|0(?:_?0)*+)"
                    + "|((?:" + TEXT + S + ")++)"
                    + "|(\\*\\*|//|[=!<>]=|[-+*/%~<>=.:|,()\\[\\]{}]))",
            Pattern.DOTALL);
    static final Pattern ESCAPE =
            compile("(?s)\\\\(?:[xuU]((?<=x)HH|(?<=u)HHHH|(?<=U)00(?:0H|10)HHHH)|([0-7]{1,3})|(.))"
                    .replace("H", "[0-9A-Fa-f]"));

    // Names are compared with each use, which is one step.
    private static final int MAX_NAME = 1000;

    private final String template;
    private final String source;
    private final Blanks blanks;
    private final Matcher matcher;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int counted; // the place up to which lines are counted

    Lexer(String template, String source, Blanks blanks) {
        this.template = template;
        this.blanks = blanks;
        this.source = source.replace("\r\n", "\n").replace('\r', '\n').replaceFirst(blanks.lost, "");
        matcher = blanks.tag.matcher(this.source).useAnchoringBounds(false).useTransparentBounds(true);
    }

    /** All tokens, and {@link #END} after the last. */
    List<Token> tokens() {
        while (next(blanks.tag).find()) {
            String open = matcher.group(1);
            text(matcher.start());
            at = matcher.end();
            if (open.equals("{#")) {
                require(next(blanks.commentEnd).find(), "an end of the comment");
            } else if (open.equals("{%") && next(RAW).lookingAt()) {
                at = matcher.end();
                require(next(blanks.rawEnd).find(), "endraw");
                text(matcher.start());
            } else {
                tag(open, open.equals("{%") ? blanks.blockEnd : OUTPUT_END);
            }
            at = matcher.end();
        }
        text(source.length());
        at = source.length();
        add(Kind.SYMBOL, END);
        return tokens;
    }

    private Matcher next(Pattern pattern) {
        return matcher.usePattern(pattern).region(at, source.length());
    }

    private void text(int to) {
        if (at < to) {
            add(Kind.SYMBOL, "{{");
            add(Kind.STRING, source.substring(at, to));
            add(Kind.SYMBOL, "}}");
        }
    }

    private void add(Kind kind, String text) {
        tokens.add(new Token(kind, text, line()));
    }

    private int line() {
        for (; counted < at; counted++) {
            line += source.charAt(counted) == '\n' ? 1 : 0;
        }
        return line;
    }

    /** Adds the tokens of a tag up to its end, where the matcher then is. */
    private void tag(String open, Pattern end) {
        add(Kind.SYMBOL, open);
        for (int brackets = 0; brackets > 0 || !next(end).lookingAt(); at = matcher.end()) {
            require(next(TOKEN).lookingAt(), "an expression and the end of its tag");
            int group = 1;
            while (matcher.group(group) == null) {
                group++;
            }
            Kind kind = Kind.values()[group - 1];
            String text = matcher.group(group);
            brackets += "([{".contains(text) ? 1 : ")]}".contains(text) ? -1 : 0;
            require(brackets >= 0, "brackets in pairs");
            require(kind != Kind.NAME || text.length() <= MAX_NAME, "a name of at most " + MAX_NAME + " characters");
            add(kind, kind == Kind.STRING ? joined(text) : text);
        }
        add(Kind.SYMBOL, end == OUTPUT_END ? "}}" : "%}");
    }

    /** Joins strings that stand beside each other. */
    private String joined(String strings) {
        return STRING.matcher(strings)
                .results()
                .map(each -> unescaped(each.group()))
                .collect(joining());
    }

    private String unescaped(String quoted) {
        return ESCAPE.matcher(quoted.substring(1, quoted.length() - 1))
                .replaceAll(escape -> Matcher.quoteReplacement(unescaped(escape)));
    }

    private String unescaped(MatchResult escape) {
        require(escape.group(3) == null || !"xuUN".contains(escape.group(3)), "a complete escape");
        return meant(escape);
    }

    /** The character that an escape stands for; any other character itself. */
    static String meant(MatchResult escape) {
        String letter = escape.group(3);
        if (letter == null) {
            boolean octal = escape.group(1) == null;
            return Character.toString(Integer.parseInt(escape.group(octal ? 2 : 1), octal ? 8 : 16));
        }
        int known = "\n\\'\"abfnrtv".indexOf(letter);
        String meant = known <= 0 ? "" : "" + "\\'\"\u0007\b\f\n\r\t\u000b".charAt(known - 1);
        return known < 0 ? escape.group() : meant;
    }

    private void require(boolean right, String expected) {
        if (!right) {
            String place = template + ", line " + line();
            throw new TemplateException(place, expected, quote(source.substring(at)), "correct the template");
        }
    }
}
