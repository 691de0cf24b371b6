package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Expression.Tokens;
import dev.causal4j.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The texts of a grammar in GBNF, the notation of llama.cpp: any context-free grammar. */
record Gbnf(String grammar) implements GrammarSource {
    @Override
    public Grammar compile(Terms terms, @Nullable Vocabulary vocabulary, List<String> ignored) {
        Limits.check("grammar", grammar.getBytes(StandardCharsets.UTF_8).length, Limits.SOURCE_BYTES, "bytes");
        Grammar rules = new Reader(grammar, terms, vocabulary).read();
        return Rewriting.of(rules, terms, "grammar");
    }

    /** Reads rules from their text. */
    private static final class Reader {
        private static final int CHARACTER_STEPS = 10; // to read a character of a class
        private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_-]+");
        private static final Pattern DEFINED = Pattern.compile("[a-zA-Z0-9_-]+[ \\t]*::=");
        private static final Pattern COUNTS = Pattern.compile("\\{\\s*+(\\d{1,7}+)\\s*+(,\\s*+(\\d{0,7}+)\\s*+)?\\}");
        private static final Pattern BLANK = Pattern.compile("(\\s|#[^\\n]*)*+");
        private static final Pattern TOKEN = Pattern.compile("(!?)<(\\[(\\d{1,9})\\]|[^<>\\s\\[][^<>\\s]*)>");

        /** A rule by its name, and where it was first called. */
        private record Rule(int number, int called, List<Expression> options) {}

        private final String in;
        private final Terms terms;
        private final @Nullable Vocabulary vocabulary;
        private final Map<String, Rule> rules = new LinkedHashMap<>();
        private final Map<Integer, Tokens> tokens = new HashMap<>(); // all but one token by the complement of its id
        private int at;
        private int depth;

        Reader(String in, Terms terms, @Nullable Vocabulary vocabulary) {
            this.in = in;
            this.terms = terms;
            this.vocabulary = vocabulary;
        }

        Grammar read() {
            rule("root");
            if (in.startsWith("start:") || in.contains("\nstart:") || in.startsWith("%llguidance")) {
                throw wrong("GBNF", "Lark");
            }
            for (skip(); at < in.length(); skip()) {
                Rule rule = rule(match(NAME, "the name of a rule").group());
                skip();
                if (!in.startsWith("::=", at)) {
                    throw wrong("::= after the name of a rule", here());
                }
                at += 3;
                Expression option = alternatives();
                terms.budget().keep(Grammar.bytes(option));
                rule.options().add(option);
            }
            List<Expression> bodies = new ArrayList<>();
            rules.forEach((name, rule) -> {
                if (rule.options().isEmpty()) {
                    at = rule.called();
                    throw wrong("a rule " + quote(name), "none");
                }
                bodies.add(choice(rule.options()));
            });
            return new Grammar(
                    bodies, rules.keySet().stream().map(name -> "rule " + name).toList());
        }

        private Rule rule(String name) {
            Limits.check("grammar", rules.size(), Limits.SYMBOLS, "rules");
            return rules.computeIfAbsent(name, unused -> new Rule(rules.size(), at, new ArrayList<>()));
        }

        private Expression alternatives() {
            if (++depth > Limits.NESTING) {
                throw wrong("at most " + Limits.NESTING + " groups inside each other", "more");
            }
            List<Expression> options = new ArrayList<>();
            do {
                List<Expression> parts = new ArrayList<>();
                for (skip(); !ends(); skip()) {
                    parts.add(repeated(part()));
                }
                options.add(sequence(parts));
            } while (eat("|"));
            depth--;
            return choice(options);
        }

        /** Whether a sequence ends here: a rule does where the next one begins. */
        private boolean ends() {
            return at == in.length() || "|)".indexOf(in.charAt(at)) >= 0 || lookingAt(DEFINED) != null;
        }

        private Expression part() {
            if (eat("\"")) {
                StringBuilder text = new StringBuilder();
                while (!eat("\"")) {
                    text.appendCodePoint(character("\""));
                }
                Term all = terms.texts(List.of(text.toString()), Spelling.RAW, "grammar");
                return new Text(text.length() == 1 ? one(CodePoints.of(text.charAt(0))) : all); // sets are joined
            } else if (eat("[")) {
                return new Text(one(set()));
            } else if (eat(".")) {
                return new Text(one(CodePoints.ALL));
            } else if (eat("(")) {
                Expression group = alternatives();
                if (!eat(")")) {
                    throw wrong("a closed group", here());
                }
                return group;
            }
            Matcher token = lookingAt(TOKEN);
            if (token != null) {
                at = token.end();
                return tokens(!token.group(1).isEmpty(), token.group(2), token.group(3));
            }
            return new Call(
                    rule(match(NAME, "a rule, a text, a class or a group").group())
                            .number());
        }

        /** One token by its id or its text, or any but it. */
        private Expression tokens(boolean others, String text, @Nullable String id) {
            if (vocabulary == null) {
                return new Text(terms.all);
            }
            int token = id != null
                    ? Integer.parseInt(id)
                    : vocabulary.id("<" + text + ">").orElse(-1);
            int size = vocabulary.vocabularySize();
            if (token < 0 || token >= size) {
                throw wrong("a token of the tokenizer", quote("<" + text + ">"));
            }
            return tokens.computeIfAbsent(others ? ~token : token, unused -> {
                terms.budget().keep(size / 8);
                BitSet ids = new BitSet(size);
                ids.set(0, others ? size : 0);
                ids.flip(token);
                return new Tokens(ids);
            });
        }

        private Term one(CodePoints set) {
            return terms.characters(set, Spelling.RAW);
        }

        private CodePoints set() {
            boolean negated = eat("^");
            List<CodePoints> set = new ArrayList<>();
            while (!eat("]")) {
                terms.budget().spend(CHARACTER_STEPS);
                int from = character("]");
                boolean range = in.startsWith("-", at) && !in.startsWith("-]", at);
                at += range ? 1 : 0;
                int to = range ? character("]") : from;
                if (to < from) {
                    throw wrong("a range in order", here());
                }
                set.add(CodePoints.range(from, to));
            }
            CodePoints all = CodePoints.any(set);
            return negated ? all.not() : all;
        }

        private int character(String end) {
            if (at == in.length()) {
                throw wrong("a closing " + end, "the end");
            }
            int c = next();
            if (c != '\\') {
                return c;
            }
            int escaped = at == in.length() ? '\\' : next();
            int digits = escaped == 'x' ? 2 : escaped == 'u' ? 4 : escaped == 'U' ? 8 : 0;
            if (digits > 0) {
                String hex = in.substring(at, Math.min(at + digits, in.length()));
                if (!hex.matches("[0-9a-fA-F]{" + digits + "}") || Long.parseLong(hex, 16) > Character.MAX_CODE_POINT) {
                    throw wrong(digits + " hexadecimal digits of a character", quote(hex));
                }
                at += digits;
                return Integer.parseInt(hex, 16);
            }
            return escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped == 't' ? '\t' : escaped;
        }

        private int next() {
            int c = in.codePointAt(at);
            at += Character.charCount(c);
            return c;
        }

        private Expression repeated(Expression part) {
            Expression all = part;
            while (true) {
                Matcher counts = lookingAt(COUNTS);
                if (eat("*")) {
                    all = repeat(all, 0, Terms.UNBOUNDED);
                } else if (eat("+")) {
                    all = repeat(all, 1, Terms.UNBOUNDED);
                } else if (eat("?")) {
                    all = repeat(all, 0, 1);
                } else if (counts != null) {
                    int least = Integer.parseInt(counts.group(1));
                    String most = counts.group(2) == null ? counts.group(1) : counts.group(3);
                    all = repeat(all, least, most.isEmpty() ? Terms.UNBOUNDED : Integer.parseInt(most));
                    at = counts.end();
                } else if (in.startsWith("{", at)) {
                    throw wrong("counts as {2}, {2,} or {2,5}", here());
                } else {
                    return all;
                }
            }
        }

        private Expression repeat(Expression part, int least, int most) {
            if (most < least) {
                throw wrong("counts in order", least + " and " + most);
            }
            Limits.check("grammar", most == Terms.UNBOUNDED ? least : most, Limits.REPETITIONS, "repetitions");
            return part instanceof Text(Term term)
                    ? new Text(terms.repeat(term, least, most))
                    : new Repeat(part, least, most);
        }

        private Expression sequence(List<Expression> parts) {
            boolean regular = parts.stream().allMatch(Text.class::isInstance);
            return regular
                    ? new Text(terms.concat(texts(parts).toArray(Term[]::new)))
                    : parts.size() == 1 ? parts.getFirst() : new Sequence(parts);
        }

        private Expression choice(List<Expression> options) {
            boolean regular = options.stream().allMatch(Text.class::isInstance);
            return regular ? new Text(terms.or(texts(options))) : Grammar.choice(List.copyOf(options));
        }

        private static List<Term> texts(List<Expression> parts) {
            return parts.stream().map(part -> ((Text) part).term()).toList();
        }

        private void skip() {
            at = match(BLANK, "").end();
        }

        private boolean eat(String mark) {
            boolean is = in.startsWith(mark, at);
            at += is ? mark.length() : 0;
            return is;
        }

        private @Nullable Matcher lookingAt(Pattern pattern) {
            Matcher matcher = pattern.matcher(in).region(at, in.length());
            return matcher.lookingAt() ? matcher : null;
        }

        private Matcher match(Pattern pattern, String expected) {
            Matcher matcher = lookingAt(pattern);
            if (matcher == null) {
                throw wrong(expected, here());
            }
            at = matcher.end();
            return matcher;
        }

        private String here() {
            return at == in.length() ? "the end" : quote(in.substring(at, Math.min(at + 12, in.length())));
        }

        private ConstraintException wrong(String expected, String got) {
            String before = in.substring(0, at);
            int line = 1 + (int) before.chars().filter(c -> c == '\n').count();
            int column = 1 + before.codePointCount(before.lastIndexOf('\n') + 1, before.length());
            return new ConstraintException(
                    "grammar", expected + " at line " + line + ", column " + column, got, "correct the grammar");
        }
    }
}
