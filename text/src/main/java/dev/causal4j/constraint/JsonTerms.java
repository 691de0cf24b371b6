package dev.causal4j.constraint;

import dev.causal4j.constraint.JsonNumbers.Bound;
import dev.causal4j.constraint.JsonNumbers.Multiple;
import dev.causal4j.constraint.Shape.Strings;
import java.math.BigDecimal;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The regular parts of JSON: strings, numbers, literals, white space. Not thread-safe. */
final class JsonTerms {
    /** White space that is optional: nothing, one space, or a new line with its indent; more would let a model write on. */
    private static final String FLEXIBLE = "( |\\n[ \\t]{0,32})?";

    /** Two digits keep every number finite. */
    private static final String EXPONENT = "([eE][+-]?[0-9]{1,2})?";

    private static final String SUBJECT = "schema";

    final Terms terms;
    private final Spelling spelling;
    final Term nothing;
    final Term yes;
    final Term no;
    final Term either;
    final Term number;
    final Term integer;

    /** Numbers without exponent. */
    final Term plainNumber;

    /** Spellings without exponent of whole numbers. */
    final Term whole;

    /** Any string in plain spelling, without quotes. */
    final Term strings;

    /** White space that may follow an opening and precede a closing bracket. */
    final Term space;

    final Term comma;
    final Term colon;
    private final Term quotation;
    private final Term inside; // quotes
    private final Term character;
    private final Term freeCharacter;

    /** Strings that a pattern matches somewhere, without quotes. */
    final Memo<String, Term> searches;

    /** Strings that a pattern matches as a whole, without quotes. */
    final Memo<String, Term> wholes;

    /**
     * @param spelling of strings; raw ones have no quotes
     * @param end what no string contains, as it would end the document; empty for nothing
     * @param python whether null, true and false are Python's
     */
    JsonTerms(Terms terms, Whitespace whitespace, Spelling spelling, String end, boolean python) {
        this.terms = terms;
        this.spelling = spelling;
        nothing = terms.raw(python ? "None" : "null");
        yes = terms.raw(python ? "True" : "true");
        no = terms.raw(python ? "False" : "false");
        either = terms.or(yes, no);
        plainNumber = terms.machine(new JsonNumbers(false, null, null, null));
        number = terms.concat(plainNumber, Regex.whole(terms, EXPONENT, Spelling.RAW, SUBJECT));
        integer = terms.machine(new JsonNumbers(true, null, null, null));
        whole = terms.machine(new JsonNumbers(false, null, null, new Multiple(1, 0)));
        quotation = spelling == Spelling.RAW ? terms.empty : terms.raw("\"");
        inside = end.isEmpty() ? terms.all : terms.without(terms.raw(end));
        character = terms.characters(CodePoints.ALL, spelling);
        strings = terms.repeat(character, 0, Terms.UNBOUNDED);
        space = whitespace == Whitespace.FLEXIBLE ? Regex.whole(terms, FLEXIBLE, Spelling.RAW, SUBJECT) : terms.empty;
        boolean spaced = whitespace == Whitespace.SPACED;
        comma = terms.concat(terms.raw(spaced ? ", " : ","), space);
        colon = terms.concat(terms.raw(spaced ? ": " : ":"), space);
        freeCharacter = spelling == Spelling.RAW ? character : freeCharacter();
        searches = new Memo<>(pattern -> Regex.search(terms, pattern, spelling, SUBJECT));
        wholes = new Memo<>(pattern -> Regex.whole(terms, pattern, spelling, SUBJECT));
    }

    /** Spellings without exponent of the value. */
    Term equal(BigDecimal value) {
        Bound bound = Bound.of(value, false);
        return terms.machine(new JsonNumbers(false, bound, bound, null));
    }

    /** Whole numbers of this many bits beside their sign. */
    Term signed(int bits) {
        BigDecimal end = BigDecimal.TWO.pow(bits);
        return terms.machine(new JsonNumbers(true, Bound.of(end.negate(), false), Bound.of(end, true), null));
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

    /** Strings of one of these texts, without quotes. */
    Term plain(Collection<String> texts) {
        return terms.texts(texts, spelling, "schema, string");
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

    /** Whether a text is one of these. */
    boolean matches(Term content, String text) {
        return terms.live(both(content, plain(List.of(text))));
    }
}
