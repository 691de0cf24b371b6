package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class TermsTest {
    private final Terms terms = new Terms(CodePoints.ALL, new Budget());

    private Term whole(String pattern) {
        return Regex.whole(terms, pattern, Spelling.RAW, "regex");
    }

    private Term search(String pattern) {
        return Regex.search(terms, pattern, Spelling.RAW, "regex");
    }

    private boolean matches(Term term, String text) {
        Term rest = term;
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            rest = terms.derivative(rest, b & 255);
        }
        return rest.nullable;
    }

    @ParameterizedTest
    @CsvSource({"^$, '', a", "^a|b$, ax, a\u0301b c", "'(^|,)x(,|$)', 'a,x', 'ax,'", "$^, '', x", "a$|^b, ba, ab c"})
    void anchorsHoldWhereTheTextBeginsAndEnds(String pattern, String matching, String other) {
        assertThat(matches(search(pattern), matching)).isTrue();
        assertThat(matches(search(pattern), other))
                .isEqualTo(Pattern.compile(pattern).matcher(other).find());
        assertThat(matches(search(pattern), matching))
                .isEqualTo(Pattern.compile(pattern).matcher(matching).find());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                ".+:.+(:.+)?",
                "EN(.*,.*,.*)",
                ".*",
                "^\\S+@\\S+$",
                "(https?://([-\\w\\.]+)+(/([\\w]*(\\?\\S+)?)?)?)"
            })
    void aSearchInAStringHasFewStates(String pattern) {
        Term string = terms.concat(Regex.search(terms, pattern, Spelling.PLAIN, "regex"), terms.raw("\""));
        Deque<Term> open = new ArrayDeque<>(List.of(string));
        Set<Term> states = new HashSet<>();
        while (!open.isEmpty() && states.size() < 200) {
            Term term = open.remove();
            for (int i = 0; i < term.classes.count(); i++) {
                Term next = terms.derivative(term, term.classes.first(i));
                if (states.add(next)) {
                    open.add(next);
                }
            }
        }
        assertThat(states).hasSizeLessThan(120);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "^a|b$",
                "a(^b)?c*",
                "(^a|b)*c",
                "(a|b$)+",
                "(^|a)(b|$)",
                "x(a|$){2}",
                "(^){2}a",
                "ab{2,3}c?$",
                "[^ab]c",
                "(ab?){2,}$",
                "(a|ab)(c|bcd)(d*)",
                "^(a+)+$",
                "a.c|..b"
            })
    void searchesAgreeWithJava(String pattern) {
        Term term = search(pattern);
        Pattern java = Pattern.compile(pattern);
        Random random = new Random(7);
        for (int i = 0; i < 3000; i++) {
            StringBuilder text = new StringBuilder();
            random.ints(random.nextInt(7), 0, 4).forEach(c -> text.append("abcd".charAt(c)));
            assertThat(matches(term, text.toString()))
                    .as(text.toString())
                    .isEqualTo(java.matcher(text).find());
        }
    }

    @Test
    void intersectionsAndComplementsAgreeWithJava() {
        Term term = terms.and(search("a"), terms.not(search("bb")), whole("[abc]{2,5}"));
        Random random = new Random(7);
        for (int i = 0; i < 3000; i++) {
            StringBuilder text = new StringBuilder();
            random.ints(random.nextInt(7), 0, 4).forEach(c -> text.append("abcd".charAt(c)));
            boolean expected = text.toString().matches("(?=.*a)(?!.*bb)[abc]{2,5}");
            assertThat(matches(term, text.toString())).as(text.toString()).isEqualTo(expected);
        }
    }

    @Test
    void deadTermsAreFoundThatLookAlive() {
        assertThat(terms.live(terms.and(whole("(ab)*"), whole("(ba)+")))).isFalse();
        assertThat(terms.live(terms.and(whole("[a-z]{3,}"), whole(".{0,2}")))).isFalse();
        assertThat(terms.live(terms.and(whole("[a-z]{3,}"), whole(".{0,3}")))).isTrue();
        assertThat(terms.live(terms.not(whole("[^]*")))).isTrue(); // all that is no UTF-8
        assertThat(terms.live(terms.not(terms.all))).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "((((((((((a*)*)*)*)*)*)*)*)*)*)*",
                "(((((((((a{1,2}){1,2}){1,2}){1,2}){1,2}){1,2}){1,2}){1,2}){1,2}){0,20}",
                "(a|a)*",
                "(a|aa)*",
                "(.*){50}",
                "(.*.*.*)*",
                "a{1000000}",
                "(a?){5000}a{5000}",
                "(a+)+(a+)+(a+)+"
            })
    void hardPatternsTakeLinearTime(String pattern) {
        Term rest = whole(pattern);
        int length = pattern.endsWith("{0,20}") ? 1000 : 10_000;
        for (int i = 0; i < length; i++) {
            rest = terms.derivative(rest, 'a');
            assertThat(terms.live(rest)).isTrue();
        }
    }

    @Test
    void aRangeOfCountsIsOneTerm() {
        Term some = whole("a{0,5}b");
        assertThat(terms.or(whole("a{2,9}b"), some)).isSameAs(whole("a{0,9}b"));
        assertThat(terms.derivative(some, 'a')).isSameAs(whole("a{0,4}b"));
        assertThat(whole("(a{0,3}){0,4}")).isSameAs(whole("a{0,12}"));
    }

    @Test
    void characterClassesAreWholeUtf8() {
        Term any = terms.repeat(terms.characters(CodePoints.ALL, Spelling.RAW), 0, Terms.UNBOUNDED);
        for (int c : new int[] {0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff}) {
            assertThat(matches(any, Character.toString(c))).isTrue();
        }
        for (String bytes : List.of("c080", "e08080", "eda080", "f0808080", "f4908080", "f8", "80", "e697")) {
            Term rest = any;
            for (byte b : Golden.bytes("hex:" + bytes)) {
                rest = terms.derivative(rest, b & 255);
            }
            assertThat(rest.nullable).as(bytes).isFalse();
        }
    }

    @Test
    void plainTextIsEscapedInJson() {
        Term term = Regex.whole(terms, "[\\u0000-\\uffff]{4}", Spelling.PLAIN, "pattern");
        assertThat(matches(term, "\\\"\\\\\\n\\u001F")).isTrue();
        assertThat(matches(term, "\\\"\\\\\\nx")).isTrue();
        assertThat(matches(term, "\\u0041abc")).isFalse();
        assertThat(matches(term, "a\nbc")).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "(?=a)b; no lookaround",
                "(?<!a)b; no lookaround",
                "(a)\\1; back reference",
                "a\\b; word boundary",
                "(a; balanced",
                "a); balanced",
                "[a; class that ends",
                "[b-a]; in order",
                "a{3,2}; in order",
                "*a; something to repeat",
                "^*; repeated anchor",
                "\\p{Nothing}; property of Unicode",
                "a\\; after the backslash",
                "a\\u12; a character in hexadecimal digits",
                "\\x4; a character in hexadecimal digits",
                "[\\u{}]; a character in hexadecimal digits",
                "(?i)a; group of ECMA-262",
                "a{1000001}; at most 1,000,000",
                "(a{1000}){1001}; at most 1,000,000"
            })
    void whatIsNotRegularOrMalformedIsRefused(String pattern, String expected) {
        assertThatThrownBy(() -> whole(pattern))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining(expected)
                .hasMessageMatching("[^\\n]+: expected [^\\n]+, got [^\\n]+; [^\\n]+");
    }

    @Test
    void aBraceThatIsNoQuantifierIsACharacter() {
        assertThat(matches(whole("a{,2}{x}"), "a{,2}{x}")).isTrue();
        assertThat(matches(whole("{1a}"), "{1a}")).isTrue();
    }

    @Test
    void theDialectIsEcmas() {
        assertThat(matches(whole("\\d\\w\\s"), "1é ")).isFalse();
        assertThat(matches(whole("\\d\\W\\s"), "1é\u00a0")).isTrue();
        assertThat(matches(whole("\\x41\\u0042\\u{1F600}\\cJ[\\b]"), "AB\ud83d\ude00\n\b"))
                .isTrue();
        assertThat(matches(whole("\\ud83d\\ude00"), "\ud83d\ude00")).isTrue();
        assertThat(matches(whole("\\p{Script=Greek}\\p{Letter}\\P{Lu}"), "αB1")).isTrue();
        assertThat(matches(whole("(?<name>a)(?:b)"), "ab")).isTrue();
        assertThat(matches(whole("a.b"), "a\u2028b")).isFalse();
        assertThat(matches(whole("[\\w-]+[a-]"), "x-_-")).isTrue();
    }
}
