package dev.causal4j.scoring;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.IntStream;

/** A regular expression of Python's {@code re}. A text costs a bounded number of steps. Immutable and thread-safe. */
record PythonRegex(Pattern pattern) {
    /** Patterns that Java reads in another way: an end, classes, and braces that repeat nothing or from none. */
    private static final Pattern PARTS = Pattern.compile(
            "(?s)\\\\.|\\[\\^?+\\]?+(?:\\\\.|[^\\]\\\\])*+\\]|\\{,(?=[0-9]++\\})|\\{(?![0-9]++(?:,[0-9]*+)?+\\})");

    private static final Pattern IN_CLASS = Pattern.compile("(?s)(?<!^)(\\\\.|\\[|&(?=&))");

    private static final Pattern NAMED = Pattern.compile("(?:[^\\\\]|^)(?:\\\\\\\\)*+\\(\\?[P(]", Pattern.DOTALL);

    private static final int MOST_CHARACTERS = 10_000;
    private static final int MOST_STEPS = 20_000_000;

    /** A text that counts how often its characters are read. */
    private record Counted(String text, int[] steps) implements CharSequence {
        @Override
        public int length() {
            return text.length();
        }

        @Override
        public char charAt(int index) {
            if (++steps[0] > MOST_STEPS) {
                throw new InputException("regex: expected at most " + MOST_STEPS + " steps for a text, got more; change"
                        + " the expression");
            }
            return text.charAt(index);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return text.substring(start, end);
        }

        @Override
        public String toString() {
            return text;
        }
    }

    static PythonRegex of(String source) {
        try {
            if (source.length() > MOST_CHARACTERS || NAMED.matcher(source).find()) {
                throw new PatternSyntaxException("long, or with a name or condition", source, -1);
            }
            String java = PARTS.matcher(source).replaceAll(part -> Matcher.quoteReplacement(translated(part.group())));
            return new PythonRegex(Pattern.compile(java, Pattern.UNIX_LINES | Pattern.UNICODE_CHARACTER_CLASS));
        } catch (PatternSyntaxException e) {
            throw new InputException("regex: expected one that Java has too, got " + FormatException.quote(source)
                    + " (" + e.getDescription() + "); write it in another way");
        } catch (StackOverflowError e) {
            throw new InputException("regex: expected one that is less deep, got " + FormatException.quote(source)
                    + "; write it in another way");
        }
    }

    private static String translated(String part) {
        return switch (part) {
            case "\\Z" -> "\\z";
            case "{" -> "\\{";
            case "{," -> "{0,";
            default ->
                !part.startsWith("[")
                        ? part
                        : IN_CLASS.matcher(part)
                                .replaceAll(each -> Matcher.quoteReplacement(
                                        each.group().length() > 1 ? each.group() : "\\" + each.group()));
        };
    }

    /** Each match: its groups, or the whole if there are none. */
    List<List<String>> findAll(String text) {
        return bounded(
                text,
                matcher -> matcher.results()
                        .map(found -> IntStream.rangeClosed(Math.min(1, found.groupCount()), found.groupCount())
                                .mapToObj(group -> found.group(group) == null ? "" : found.group(group))
                                .toList())
                        .toList());
    }

    /** The text without what matches. */
    String removedFrom(String text) {
        return bounded(text, matcher -> matcher.replaceAll(""));
    }

    private <T> T bounded(String text, Function<Matcher, T> work) {
        try {
            return work.apply(pattern.matcher(new Counted(text, new int[1])));
        } catch (StackOverflowError e) {
            throw new InputException("regex: expected one that needs less memory, got " + pattern + "; change it");
        }
    }
}
