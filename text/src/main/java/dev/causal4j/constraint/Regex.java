package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Reads regular expressions of ECMA-262 as JSON Schema uses them, by characters and without look-around, back
 * references and word boundaries. Not thread-safe.
 */
final class Regex {
    private static final CodePoints DIGITS = CodePoints.range('0', '9');
    private static final CodePoints WORD =
            DIGITS.or(CodePoints.range('A', 'Z')).or(CodePoints.range('a', 'z')).or(CodePoints.of('_'));
    private static final CodePoints SPACE = CodePoints.range(9, 13)
            .or(CodePoints.range(0x2000, 0x200a))
            .or(CodePoints.of(' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff));
    private static final CodePoints DOT =
            CodePoints.of('\n', '\r', 0x2028, 0x2029).not();
    private static final Pattern QUANTIFIER = Pattern.compile("\\{(\\d++)(,(\\d*+))?\\}");
    /** Sets of properties by name, if it is one that {@link #CANONICAL} allows: other spellings have no end. */
    static final Map<String, CodePoints> PROPERTIES = new ConcurrentHashMap<>();

    private static final Pattern CANONICAL =
            Pattern.compile("((sc|gc|Script|General_Category)=)?[A-Z][a-z]*(_[A-Z][a-z]*)*");
    private static final int PROPERTY_STEPS = 300_000; // to look at each code point
    private static final int CHARACTER_STEPS = 4; // to read a character of a pattern
    /** Names of general categories, which Java knows by their short ones. */
    private static final String CATEGORIES =
            "Letter L Uppercase_Letter Lu Lowercase_Letter Ll Mark M Number N Punctuation P Symbol S Separator Z";

    private static final int BEGINS = 2;
    private static final int ENDS = 1;

    private final Terms terms;
    private final Spelling spelling;
    private final String subject;
    private final String source;
    private final int[] in;
    private int at;
    private int depth;

    private Regex(Terms terms, String pattern, Spelling spelling, String subject) {
        this.terms = terms;
        this.spelling = spelling;
        this.subject = subject;
        this.source = pattern;
        this.in = pattern.codePoints().toArray();
        Limits.check(subject, in.length, Limits.PATTERN, "characters of a pattern");
        terms.budget().spend((long) CHARACTER_STEPS * in.length);
    }

    /** The texts that a pattern matches as a whole. */
    static Term whole(Terms terms, String pattern, Spelling spelling, String subject) {
        return terms.or(new Regex(terms, pattern, spelling, subject).read());
    }

    /** The texts that have a match somewhere. */
    static Term search(Terms terms, String pattern, Spelling spelling, String subject) {
        Term any = terms.repeat(terms.characters(CodePoints.ALL, spelling), 0, Terms.UNBOUNDED);
        Term[] match = new Regex(terms, pattern, spelling, subject).read();
        return terms.or(
                terms.concat(any, match[0], any),
                terms.concat(match[BEGINS], any),
                terms.concat(any, match[ENDS]),
                match[BEGINS | ENDS]);
    }

    /**
     * The texts of a pattern by the anchors that they rest on: they stand at the beginning of the whole text, if {@link
     * #BEGINS}, and at its end, if {@link #ENDS}.
     */
    private Term[] read() {
        Term[] all = alternatives();
        if (at < in.length) {
            throw refuse("a pattern with balanced parentheses", quote(")"));
        }
        return all;
    }

    private Term[] only(int anchors, Term term) {
        Term[] texts = new Term[4];
        Arrays.fill(texts, terms.never);
        texts[anchors] = term;
        return texts;
    }

    private Term[] alternatives() {
        if (++depth > Limits.NESTING) {
            throw refuse("at most " + Limits.NESTING + " groups inside each other", "more");
        }
        List<Term[]> options = new ArrayList<>();
        do {
            List<Term[]> parts = new ArrayList<>();
            while (at < in.length && in[at] != '|' && in[at] != ')') {
                parts.add(quantified());
            }
            Term[] all = only(0, terms.empty);
            for (Term[] part : parts.reversed()) {
                all = concat(part, all);
            }
            options.add(all);
        } while (eat('|'));
        depth--;
        Term[] union = new Term[4];
        Arrays.setAll(
                union,
                anchors ->
                        terms.or(options.stream().map(option -> option[anchors]).toList()));
        return union;
    }

    /** An anchor between both must find nothing on its other side. */
    private Term[] concat(Term[] left, Term[] right) {
        Term[] both = only(0, terms.never);
        for (int l = 0; l < 4; l++) {
            for (int r = 0; r < 4; r++) {
                boolean end = (l & ENDS) != 0;
                boolean begin = (r & BEGINS) != 0;
                boolean possible = left[l] != terms.never
                        && right[r] != terms.never
                        && (!begin || left[l].nullable)
                        && (!end || right[r].nullable);
                if (possible) {
                    int anchors = (l & BEGINS) | (r & ENDS) | (begin ? BEGINS : 0) | (end ? ENDS : 0);
                    Term text = terms.concat(begin ? terms.empty : left[l], end ? terms.empty : right[r]);
                    both[anchors] = terms.or(both[anchors], text);
                }
            }
        }
        return both;
    }

    private Term[] quantified() {
        Term[] atom = atom();
        int least = 0;
        int most = Terms.UNBOUNDED;
        Matcher braces = QUANTIFIER.matcher(ahead());
        if (eat('+')) {
            least = 1;
        } else if (eat('?')) {
            most = 1;
        } else if (braces.lookingAt()) {
            at += braces.end();
            least = count(braces.group(1));
            String second = braces.group(3); // null without a comma, empty for any number
            most = second == null ? least : second.isEmpty() ? most : count(second);
            if (most < least) {
                throw refuse("a quantifier with its counts in order", quote(braces.group()));
            }
        } else if (!eat('*')) {
            return atom;
        }
        eat('?'); // lazy ones match the same texts
        return repeat(atom, least, most);
    }

    private int count(String number) {
        String digits = number.replaceFirst("^0++(?=.)", "");
        long count = digits.length() > 18 ? Long.MAX_VALUE : Long.parseLong(digits);
        Limits.check(subject, count, Limits.REPETITIONS, "repetitions");
        return (int) count;
    }

    /** A brace with what may be counts, and a character more; empty for anything else. */
    private String ahead() {
        int end = at + 1;
        while (end < in.length && (in[end] == ',' || DIGITS.has(in[end]))) {
            end++;
        }
        return at < in.length && in[at] == '{' ? new String(in, at, Math.min(end + 1, in.length) - at) : "";
    }

    /** Only the first text can stand at the beginning, and only the last at the end. */
    private Term[] repeat(Term[] part, int least, int most) {
        int rest = most == Terms.UNBOUNDED ? most : Math.max(most - 1, 0);
        boolean first = part[BEGINS].nullable || part[BEGINS | ENDS].nullable;
        boolean last = part[ENDS].nullable || part[BEGINS | ENDS].nullable;
        int others = Math.max(least - 1, 0);
        Term[] all = only(0, terms.repeat(part[0], least, most));
        if (most > 0) {
            all[BEGINS] = terms.concat(part[BEGINS], terms.repeat(part[0], first ? 0 : others, rest));
            all[ENDS] = terms.concat(terms.repeat(part[0], last ? 0 : others, rest), part[ENDS]);
            all[BEGINS | ENDS] = least <= 1 || first || last ? part[BEGINS | ENDS] : terms.never;
        }
        if (most > 1) {
            int middle = first || last ? 0 : Math.max(least - 2, 0);
            Term between = terms.repeat(part[0], middle, rest == Terms.UNBOUNDED ? rest : rest - 1);
            all[BEGINS | ENDS] = terms.or(all[BEGINS | ENDS], terms.concat(part[BEGINS], between, part[ENDS]));
        }
        return all;
    }

    private Term[] atom() {
        int c = in[at++];
        return switch (c) {
            case '^', '$' -> {
                if ((at < in.length && "*+?".indexOf(in[at]) >= 0)
                        || QUANTIFIER.matcher(ahead()).lookingAt()) {
                    throw refuse("no repeated anchor", quote(Character.toString(c)));
                }
                yield only(c == '^' ? BEGINS : ENDS, terms.empty);
            }
            case '.' -> one(DOT);
            case '[' -> one(bracket());
            case '\\' -> one(escape(false));
            case '(' -> group();
            case '*', '+', '?', ')' -> throw refuse("something to repeat or to close", quote(Character.toString(c)));
            default -> one(CodePoints.of(c));
        };
    }

    private Term[] one(CodePoints set) {
        return only(0, terms.characters(set, spelling));
    }

    private Term[] group() {
        if (eat('?')) {
            boolean name = at + 1 < in.length && in[at] == '<' && in[at + 1] != '=' && in[at + 1] != '!';
            if (name) {
                until('>');
            } else if (!eat(':')) {
                int c = at < in.length ? in[at] : ' ';
                boolean looks = c == '=' || c == '!' || c == '<';
                throw refuse(looks ? "no lookaround" : "a group of ECMA-262", quote("(?" + Character.toString(c)));
            }
        }
        Term[] inner = alternatives();
        if (!eat(')')) {
            throw refuse("a pattern with balanced parentheses", "one that is open");
        }
        return inner;
    }

    private CodePoints bracket() {
        boolean negated = eat('^');
        List<CodePoints> set = new ArrayList<>();
        while (!eat(']')) {
            CodePoints from = member();
            boolean range = at + 1 < in.length && in[at] == '-' && in[at + 1] != ']' && from.isSingle();
            if (range) {
                at++;
                CodePoints to = member();
                if (!to.isSingle() || to.bounds()[0] < from.bounds()[0]) {
                    throw refuse("a range of two characters in order", "another");
                }
                from = CodePoints.range(from.bounds()[0], to.bounds()[0]);
            }
            terms.budget().spend(from.bounds().length);
            set.add(from);
        }
        CodePoints all = CodePoints.any(set);
        return negated ? all.not() : all;
    }

    /** A character or a set; a surrogate alone is one, too, so that ranges can begin and end with it. */
    private CodePoints member() {
        if (at == in.length) {
            throw refuse("a class that ends with ]", "the end");
        }
        int c = in[at++];
        return c == '\\' ? escape(true) : CodePoints.of(c);
    }

    private CodePoints escape(boolean inClass) {
        if (at == in.length) {
            throw refuse("a character after the backslash", "the end");
        }
        int c = in[at++];
        return switch (c) {
            case 't', 'n', 'v', 'f', 'r', '0' -> CodePoints.of("\t\n\013\f\r\0".charAt("tnvfr0".indexOf(c)));
            case 'd' -> DIGITS;
            case 'D' -> DIGITS.not();
            case 'w' -> WORD;
            case 'W' -> WORD.not();
            case 's' -> SPACE;
            case 'S' -> SPACE.not();
            case 'p' -> property();
            case 'P' -> property().not();
            case 'x' -> CodePoints.of(hex(2));
            case 'u' -> CodePoints.of(unicode());
            case 'c' -> CodePoints.of((at < in.length ? in[at++] : 0) & 31);
            default -> {
                if (c == 'b' && inClass) {
                    yield CodePoints.of('\b');
                }
                if (c < 128 && Character.isLetterOrDigit(c)) {
                    throw refuse(
                            "no word boundary, back reference or unknown escape", quote("\\" + Character.toString(c)));
                }
                yield CodePoints.of(c);
            }
        };
    }

    private int unicode() {
        if (eat('{')) {
            return number(until('}'), 1);
        }
        int high = hex(4);
        int next = at;
        if (Character.isHighSurrogate((char) high) && eat('\\') && eat('u') && at < in.length && in[at] != '{') {
            int low = hex(4);
            if (Character.isLowSurrogate((char) low)) {
                return Character.toCodePoint((char) high, (char) low);
            }
        }
        at = next; // a surrogate alone, which no text has
        return high;
    }

    private int hex(int digits) {
        int from = at;
        at = Math.min(at + digits, in.length);
        return number(new String(in, from, at - from), digits);
    }

    private int number(String hex, int least) {
        boolean known = hex.length() >= least && hex.matches("0*[0-9a-fA-F]{1,6}");
        int value = known ? Integer.parseInt("0" + hex.substring(Math.max(0, hex.length() - 6)), 16) : -1;
        if (value < 0 || value > Character.MAX_CODE_POINT) {
            throw refuse("a character in hexadecimal digits", quote(hex));
        }
        return value;
    }

    /** The text before a character, which is skipped too. */
    private String until(int end) {
        int from = at;
        while (at < in.length && in[at] != end) {
            at++;
        }
        if (!eat(end)) {
            throw refuse("a " + Character.toString(end), "the end");
        }
        return new String(in, from, at - 1 - from);
    }

    private CodePoints property() {
        String name = eat('{') ? until('}') : "";
        CodePoints known = terms.properties.of(name);
        if (known.equals(CodePoints.NONE)) {
            throw refuse("a property of Unicode", quote("\\p{" + name + "}"));
        }
        return known;
    }

    /** The characters of a property of Unicode; none if there is no such property. */
    static CodePoints property(String name, Budget budget) {
        budget.spend(PROPERTY_STEPS); // also for one that is known: the same work everywhere
        CodePoints known = PROPERTIES.get(name);
        if (known == null) {
            known = named(name);
            if (CANONICAL.matcher(name).matches() && !known.equals(CodePoints.NONE)) {
                PROPERTIES.put(name, known);
            }
        }
        return known;
    }

    private static CodePoints named(String name) {
        List<String> categories = List.of(CATEGORIES.split(" ", -1));
        int at = categories.indexOf(name);
        String category = at >= 0 && at % 2 == 0 ? categories.get(at + 1) : name;
        boolean java = category.length() <= 2 || category.indexOf('=') > 0;
        try {
            Pattern pattern = Pattern.compile("\\p{" + (java ? "" : "Is") + category + "}");
            Matcher matcher = pattern.matcher("");
            return CodePoints.where(c -> matcher.reset(Character.toString(c)).matches());
        } catch (PatternSyntaxException unused) {
            return CodePoints.NONE;
        }
    }

    private boolean eat(int c) {
        boolean is = at < in.length && in[at] == c;
        at += is ? 1 : 0;
        return is;
    }

    private ConstraintException refuse(String expected, String got) {
        return new ConstraintException(
                subject, expected, got + " in " + quote(source), "see the guide to structured output");
    }
}
