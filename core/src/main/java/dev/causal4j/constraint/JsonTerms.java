package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.constraint.JsonNumbers.Bound;
import dev.causal4j.constraint.JsonNumbers.Multiple;
import dev.causal4j.constraint.Shape.Strings;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The regular parts of JSON: strings, numbers, literals, white space. Not thread-safe. */
final class JsonTerms {
    /** White space that is optional: nothing, one space, or a new line with its indent; more would let a model write on. */
    private static final String FLEXIBLE = "( |\\n[ \\t]{0,32})?";

    /** Two digits keep every number finite. */
    private static final String EXPONENT = "([eE][+-]?[0-9]{1,2})?";

    private static final String SUBJECT = "schema";

    final Terms terms;
    final Term nothing;
    final Term either;
    final Term number;
    final Term integer;

    /** Numbers without exponent. */
    final Term plainNumber;

    /** Spellings without exponent of whole numbers. */
    final Term whole;

    /** Any string in plain spelling, without quotes. */
    final Term strings;

    /** What may stand behind an opening and before a closing bracket. */
    final Term space;

    final Term comma;
    final Term colon;
    private final Term quotation;
    private final Term inside; // quotes
    private final Term character;
    private final Term freeCharacter;
    private final Map<String, Term> patterns = new HashMap<>();
    private final Map<String, Term> formats = new HashMap<>();

    /** @param end what no string contains, as it would end the document; empty for nothing */
    JsonTerms(Terms terms, Whitespace whitespace, String end) {
        this.terms = terms;
        nothing = raw("null");
        either = terms.or(raw("true"), raw("false"));
        plainNumber = numbers(new JsonNumbers(false, null, null, null));
        number = terms.concat(plainNumber, Regex.whole(terms, EXPONENT, Spelling.RAW, SUBJECT));
        integer = numbers(new JsonNumbers(true, null, null, null));
        whole = numbers(new JsonNumbers(false, null, null, new Multiple(1, 0)));
        quotation = raw("\"");
        inside = end.isEmpty() ? terms.all : Marks.without(terms, end);
        character = terms.characters(CodePoints.ALL, Spelling.PLAIN);
        strings = terms.repeat(character, 0, Terms.UNBOUNDED);
        space = whitespace == Whitespace.FLEXIBLE ? Regex.whole(terms, FLEXIBLE, Spelling.RAW, SUBJECT) : terms.empty;
        boolean spaced = whitespace == Whitespace.SPACED;
        comma = terms.concat(raw(spaced ? ", " : ","), space);
        colon = terms.concat(raw(spaced ? ": " : ":"), space);
        freeCharacter = freeCharacter();
    }

    Term raw(String text) {
        return terms.literal(text.getBytes(StandardCharsets.UTF_8));
    }

    Term numbers(JsonNumbers numbers) {
        return terms.machine(numbers, JsonNumbers.BEGIN);
    }

    /** Spellings without exponent of the value. */
    Term equal(BigDecimal value) {
        Bound bound = Bound.of(value, false);
        return numbers(new JsonNumbers(false, bound, bound, null));
    }

    /** One character of a string in every spelling of RFC 8259; surrogates in pairs only. */
    private Term freeCharacter() {
        CodePoints marks = CodePoints.of('"', '\\');
        CodePoints plain = CodePoints.range(0x20, Character.MAX_CODE_POINT).and(marks.not());
        String hex = "[0-9a-fA-F]";
        String escapes = "\\\\([\"\\\\/bfnrt]|u([0-9abcefABCEF]" + hex + "{3}|[dD]([0-7]" + hex + "{2}|[89abAB]" + hex
                + "{2}\\\\u[dD][c-fC-F]" + hex + "{2})))";
        return terms.or(terms.characters(plain, Spelling.RAW), Regex.whole(terms, escapes, Spelling.RAW, SUBJECT));
    }

    /** A string with its quotes. */
    Term quoted(Term content) {
        return terms.concat(quotation, terms.and(content, inside), quotation);
    }

    /** A string of exactly this text, without quotes. */
    Term plain(String text) {
        return terms.text(text, Spelling.PLAIN, "schema, string " + quote(text));
    }

    /** Strings of one of these texts, those without escapes as a trie. */
    Term plain(Collection<String> texts) {
        List<byte[]> literals = new ArrayList<>();
        List<Term> others = new ArrayList<>();
        for (String text : texts) {
            if (text.codePoints().anyMatch(CodePoints.ESCAPED::has)) {
                others.add(plain(text));
            } else {
                terms.requireSpellable(text, "schema, string " + quote(text));
                literals.add(text.getBytes(StandardCharsets.UTF_8));
            }
        }
        others.add(terms.literals(literals));
        return terms.or(others);
    }

    /** The plain spelling of strings, without quotes. */
    Term content(Strings strings) {
        Term plain = strings.content();
        Term content = plain == null ? this.strings : plain;
        boolean measured = strings.min() > 0 || strings.max() < Terms.UNBOUNDED;
        return measured ? both(content, terms.repeat(character, strings.min(), strings.max())) : content;
    }

    /** Strings with their quotes. */
    Term term(Strings strings) {
        boolean free = strings.content() == null;
        return quoted(free ? terms.repeat(freeCharacter, strings.min(), strings.max()) : content(strings));
    }

    Term both(Term a, Term b) {
        return a == b || b == strings ? a : a == strings ? b : terms.and(a, b);
    }

    /** The same where null is every string. */
    @Nullable
    Term bothOf(@Nullable Term a, @Nullable Term b) {
        return a == null ? b : b == null ? a : both(a, b);
    }

    Term minus(Term a, Term b) {
        return terms.and(a, terms.not(b));
    }

    /** Strings that a pattern matches somewhere, without quotes. */
    Term search(String pattern) {
        return patterns.computeIfAbsent(pattern, _ -> Regex.search(terms, pattern, Spelling.PLAIN, SUBJECT));
    }

    /** Strings that have a format, without quotes. */
    Term format(String pattern) {
        return formats.computeIfAbsent(pattern, _ -> Regex.whole(terms, pattern, Spelling.PLAIN, SUBJECT));
    }

    /** Whether a text is one of these. */
    boolean matches(Term content, String text) {
        return terms.live(both(content, plain(text)));
    }
}
