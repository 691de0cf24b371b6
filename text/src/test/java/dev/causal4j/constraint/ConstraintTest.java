package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ConstraintTest {
    private final Tokenizer minimind = Golden.tokenizer("minimind");

    private static Matcher at(Constraint constraint, Tokenizer tokenizer, String prefix) {
        Matcher matcher = constraint.start(tokenizer);
        byte[] bytes = Golden.bytes(prefix);
        assertThat(matcher.accept(bytes)).as(prefix).isEqualTo(bytes.length);
        return matcher;
    }

    private static List<String> allowed(Matcher matcher, Tokenizer tokenizer) {
        return Golden.mask(matcher, tokenizer.vocabularySize()).stream()
                .mapToObj(id -> new String(tokenizer.bytes(id), StandardCharsets.UTF_8))
                .toList();
    }

    private static boolean matches(Constraint constraint, String text) {
        Matcher matcher = constraint.start(Golden.tokenizer("minimind"));
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return matcher.accept(bytes) == bytes.length && matcher.isAccepting();
    }

    @Test
    void aTextThatBeginsAnotherMayEndOrGoOn() {
        Matcher matcher = at(Constraint.choice(List.of("a", "ab")), minimind, "a");
        assertThat(matcher.isAccepting()).isTrue();
        assertThat(allowed(matcher, minimind)).containsExactly("b");
        matcher.accept("b".getBytes(StandardCharsets.UTF_8));
        assertThat(matcher.isAccepting()).isTrue();
        assertThat(allowed(matcher, minimind)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "(a      | a pattern with balanced parentheses, got one that is open in \"(a\"",
                "a)      | a pattern with balanced parentheses, got \")\" in \"a)\"",
                "[b-a]   | a range of two characters in order, got another in \"[b-a]\"",
                "[a      | a class that ends with ], got the end in \"[a\"",
                "a(?=b)  | no lookaround, got \"(?=\" in \"a(?=b)\"",
                "a{2,1}  | a quantifier with its counts in order, got \"{2,1}\" in \"a{2,1}\"",
            })
    void aPatternThatIsRefusedIsQuotedAndNothingElse(String pattern, String told) {
        assertThatThrownBy(() -> Constraint.regex(pattern).start(minimind))
                .hasMessage("regex: expected " + told + "; see the guide to structured output");
    }

    /** A class, characters of it, a bar, others. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            value = {
                "x|[\\ud800-\\udfff] § x | -",
                "x|[\\ud83c-\\udbff] § x | -",
                "[^\\ud800-\\udfff]  § -x\ud7ff | ",
                "[\\ud7ff-\\udfff]   § \ud7ff | -x",
                "[\\ud800-\\ue000]   § \ue000 | -\ud7ff",
                "[+-\\ud800]        § +-x | *",
            })
    void aRangeOfSurrogatesHasNoCharacterAndNoHyphen(String pattern, String characters) {
        String[] sides = characters.split("\\|", 2);
        for (int side = 0; side < 2; side++) {
            for (String each : sides[side].strip().split("", 0)) {
                assertThat(matches(Constraint.regex(pattern), each)).as(each).isEqualTo(side == 0);
            }
        }
    }

    @Test
    void everyTokenOfACommonBeginningIsAllowed() {
        Matcher matcher = Constraint.choice(List.of("orderId", "orderName")).start(minimind);
        assertThat(allowed(matcher, minimind)).contains("o", "or", "ord").allMatch("orderId,orderName"::contains);
    }

    @Test
    void aTokenThatIsNotAllowedChangesNothing() {
        Matcher matcher = Constraint.choice(List.of("yes", "no")).start(minimind);
        int other = minimind.encode("x")[0];
        assertThatThrownBy(() -> matcher.accept(other)).hasMessageContaining("one that the constraint allows");
        matcher.accept(minimind.encode("yes")[0]);
    }

    @Test
    void aCopyGoesItsOwnWay() {
        Matcher matcher = at(Constraint.regex("a(b|c)"), minimind, "a");
        Matcher copy = matcher.copy();
        copy.accept(new byte[] {'b'});
        assertThat(matcher.isAccepting()).isFalse();
        assertThat(copy.isAccepting()).isTrue();
        assertThat(allowed(matcher, minimind)).containsExactly("b", "c");
    }

    @Test
    void whereTheDecoderDropsASpaceAnswersMayBeginWithOne() {
        Tokenizer llama = Golden.tokenizer("llama2-style");
        int mark = llama.id("\u2581").orElseThrow();
        Matcher matcher = Constraint.choice(List.of("yes")).start(llama);
        BitSet mask = Golden.mask(matcher, llama.vocabularySize());
        assertThat(mask.get(mark)).isTrue();
        matcher.accept(mark);
        assertThat(Golden.mask(matcher, llama.vocabularySize()).get(mark)).isFalse();
        int[] tokens = llama.encode("yes", SpecialTokens.AS_TEXT);
        Matcher usual = Constraint.choice(List.of("yes")).start(llama);
        for (int token : tokens) {
            assertThat(Golden.mask(usual, llama.vocabularySize()).get(token)).isTrue();
            usual.accept(token);
        }
        assertThat(usual.isAccepting()).isTrue();
        Tokenizer gemma = Golden.tokenizer("gemma-style");
        int kept = gemma.id("\u2581").orElseThrow();
        assertThat(Golden.mask(Constraint.choice(List.of("yes")).start(gemma), gemma.vocabularySize())
                        .get(kept))
                .isFalse();
    }

    @Test
    void charactersThatTheTokenizerCannotWriteAreRefusedOrLeftOut() {
        Tokenizer smol = Golden.tokenizer("smollm2-small"); // has no bytes F1 to FF
        String plane = Character.toString(0x50000);
        assertThatThrownBy(() -> Constraint.choice(List.of("a" + plane)).start(smol))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("expected characters that the tokenizer can write, got U+50000");
        Constraint.choice(List.of(plane)).start(minimind);
        assertThat(at(Constraint.regex("[\\u{1F600}\\u{50000}]"), smol, "hex:f09f9880")
                        .isAccepting())
                .isTrue();
        Matcher matcher = Constraint.regex(".").start(smol);
        assertThat(matcher.accept(plane.getBytes(StandardCharsets.UTF_8))).isZero();
        Tokenizer llama = Golden.tokenizer("llama2-style");
        assertThatThrownBy(() -> Constraint.choice(List.of("\u2581")).start(llama))
                .hasMessageContaining("U+2581");
    }

    @Test
    void controlTokensAreNeverText() {
        Matcher matcher = Constraint.regex("[^]*").start(minimind);
        BitSet mask = Golden.mask(matcher, minimind.vocabularySize());
        minimind.controlTokens()
                .forEach(each ->
                        assertThat(mask.get(minimind.id(each).orElseThrow())).isFalse());
        String control = minimind.controlTokens().getFirst();
        assertThat(matches(Constraint.regex("[^]*"), control)).isTrue(); // by letters
    }

    @Test
    void aMarkIsATextOrItsControlToken() {
        String control = minimind.controlTokens().getFirst();
        Constraint call = Constraint.sequence(Constraint.mark(control), Constraint.choice(List.of("f()")));
        Matcher matcher = call.start(minimind);
        matcher.accept(minimind.id(control).orElseThrow());
        assertThat(matcher.accept("f()".getBytes(StandardCharsets.UTF_8))).isEqualTo(3);
        assertThat(matcher.isAccepting()).isTrue();
        assertThat(matches(call, control + "f()")).isTrue();
    }

    @Test
    void afterEachMarkTheConstraintHolds() {
        Constraint calls = Constraint.after("<c>", Constraint.regex("\\d+;"));
        for (String text : List.of("", "free <c text", "a<c>12;", "a<c>12; <c>3;b", "<<c>1;")) {
            assertThat(matches(calls, text)).as(text).isTrue();
        }
        for (String text : List.of("<c>", "a<c>x", "a<c>12", "<c>1;<c>", "<c>1;<c>x")) {
            assertThat(matches(calls, text)).as(text).isFalse();
        }
        String control = minimind.controlTokens().getFirst();
        Matcher matcher = at(Constraint.after(control, Constraint.choice(List.of("ok"))), minimind, "so ");
        int token = minimind.id(control).orElseThrow();
        assertThat(Golden.mask(matcher, minimind.vocabularySize()).get(token)).isTrue();
        matcher.accept(token);
        assertThat(allowed(matcher, minimind)).contains("o").allMatch(each -> each.startsWith("o"));
        matcher.accept("ok".getBytes(StandardCharsets.UTF_8));
        assertThat(matcher.isAccepting()).isTrue();
        assertThat(Golden.mask(matcher, minimind.vocabularySize()).get(token)).isTrue();
    }

    @Test
    void combinationsAreCombined() {
        Constraint list = Constraint.repeat(
                Constraint.sequence(Constraint.choice(List.of("a", "b")), Constraint.regex(";?")), 1, 2);
        Constraint any = Constraint.anyOf(list, Constraint.choice(List.of("none")));
        List.of("a", "a;", "ab", "b;a;", "none")
                .forEach(text -> assertThat(matches(any, text)).isTrue());
        List.of("", "aba", ";", "anone")
                .forEach(text -> assertThat(matches(any, text)).isFalse());
        assertThatThrownBy(() -> Constraint.sequence(tokenizer -> any.start(tokenizer)))
                .hasMessageContaining("one that Constraint makes");
    }

    @Test
    void whatNoTextMeetsIsRefused() {
        assertThatThrownBy(() -> Constraint.regex("a^b").start(minimind))
                .isInstanceOf(ConstraintException.class)
                .hasMessage("constraint: expected one that some text meets, got one that none can; relax it");
        assertThatThrownBy(() -> Constraint.choice(List.of()).start(minimind)).hasMessageContaining("got none");
        assertThatThrownBy(() -> Constraint.choice(List.of("a", "a")).start(minimind))
                .hasMessageContaining("different texts");
    }

    @Test
    void manyTextsAreCompiledAtOnce() {
        List<String> texts =
                IntStream.range(0, 100_000).mapToObj(i -> "value-" + i * 7919).toList();
        Matcher matcher = at(Constraint.choice(texts), minimind, "value-7919");
        assertThat(matcher.isAccepting()).isTrue();
        assertThatThrownBy(() -> Constraint.choice(IntStream.range(0, 100_001)
                                .mapToObj(Integer::toString)
                                .toList())
                        .start(minimind))
                .hasMessage("choice: expected at most 100,000 texts, got 100,001; make it smaller");
    }

    @Test
    void threadsCompileAConstraintOnce() throws Exception {
        AtomicInteger compilations = new AtomicInteger();
        GrammarConstraint constraint =
                new GrammarConstraint("counted", List.of("once"), (terms, vocabulary, ignored) -> {
                    compilations.incrementAndGet();
                    return Grammar.of(Regex.whole(terms, "[a-z]{1,1000}", Spelling.RAW, "regex"));
                });
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Callable<BitSet>> calls = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                calls.add(() -> Golden.mask(at(constraint, minimind, "abc"), minimind.vocabularySize()));
            }
            List<Future<BitSet>> masks = threads.invokeAll(calls);
            for (Future<BitSet> mask : masks) {
                assertThat(mask.get()).isEqualTo(masks.getFirst().get());
            }
        }
        assertThat(compilations).hasValue(1);
    }

    @Test
    void constraintsThatWereNotUsedForLongAreCompiledAgain() {
        AtomicInteger compilations = new AtomicInteger();
        IntFunction<GrammarConstraint> many =
                i -> new GrammarConstraint("many", List.of("" + i), (terms, vocabulary, ignored) -> {
                    compilations.incrementAndGet();
                    return Grammar.of(terms.raw("text " + i));
                });
        GrammarConstraint first = many.apply(0);
        IntStream.range(0, 80).mapToObj(i -> i == 0 ? first : many.apply(i)).forEach(each -> each.start(minimind));
        assertThat(many.apply(79).isCompiled(minimind)).isTrue();
        many.apply(79).start(minimind);
        assertThat(compilations).hasValue(80);
        assertThat(first.isCompiled(minimind)).isTrue(); // as long as somebody has it
        assertThat(many.apply(0).isCompiled(minimind)).isFalse();
        many.apply(0).start(minimind);
        assertThat(compilations).hasValue(81);
    }

    @Test
    void countsBeyondEveryTokenShareAMask() {
        Constraint constraint = Constraint.regex("\\w{0,1000000}");
        Matcher matcher = constraint.start(minimind);
        BitSet first = Golden.mask(matcher, minimind.vocabularySize());
        byte[] text = "word".repeat(5000).getBytes(StandardCharsets.UTF_8);
        assertThat(matcher.accept(text)).isEqualTo(text.length);
        assertThat(Golden.mask(matcher, minimind.vocabularySize())).isEqualTo(first);
    }

    @Test
    void aLongTextDoesNotFillTheMemory() {
        Matcher matcher = Constraint.regex("\\w{0,900000}( |$)").start(minimind);
        byte[] text = "w".repeat(1000).getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 500; i++) {
            assertThat(matcher.accept(text)).isEqualTo(text.length);
        }
        assertThat(Golden.mask(matcher, minimind.vocabularySize()).isEmpty()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(a|b)*a(a|b){12}",
                "(.*a){20}.*",
                "(\\w+\\s?){0,500}!",
                "((a{1,9}){1,9}){1,9}",
                "(x?){900}x{900}",
                "(.*)(.*)(.*)(.*)(.*)[^.]{500}",
                "(a|aa|aaa|aaaa){0,1000}b",
                "[^]*[\\p{L}]{1000}[^]*"
            })
    void hardPatternsHaveMasksOrMeetALimit(String pattern) {
        Matcher matcher = Constraint.regex(pattern).start(minimind);
        Random random = new Random(5);
        try {
            for (int step = 0; step < 20; step++) {
                int[] allowed =
                        Golden.mask(matcher, minimind.vocabularySize()).stream().toArray();
                assertThat(allowed.length > 0 || matcher.isAccepting()).isTrue();
                if (allowed.length > 0) {
                    matcher.accept(allowed[random.nextInt(allowed.length)]);
                }
            }
        } catch (ConstraintException e) {
            assertThat(e)
                    .hasMessageMatching("answer, constraint: expected at most [^\\n]+, got [^\\n]+; make it smaller");
        }
    }

    @Test
    void recursionEndsWithALimit() {
        Constraint nested = new GrammarConstraint("nested", List.of("[]"), (terms, vocabulary, ignored) -> {
            Expression open = new Expression.Text(terms.raw("["));
            Expression close = new Expression.Text(terms.raw("]"));
            Expression inner =
                    new Expression.Choice(List.of(new Expression.Call(0), new Expression.Sequence(List.of())));
            return new Grammar(List.of(new Expression.Sequence(List.of(open, inner, close))), List.of("brackets"));
        });
        assertThat(matches(nested, "[".repeat(256) + "]".repeat(256))).isTrue();
        Matcher matcher = nested.start(minimind);
        byte[] deep = "[".repeat(5000).getBytes(StandardCharsets.UTF_8);
        assertThatThrownBy(() -> matcher.accept(deep))
                .isInstanceOf(ConstraintException.class)
                .hasMessage("answer in brackets, constraint: expected at most 256 open brackets, got 257;"
                        + " make it smaller");
    }

    @Test
    void aCallInTheLastPlaceComesBackToItsConfiguration() {
        Terms terms = new Terms(CodePoints.ALL, new Budget());
        Expression item = new Expression.Text(terms.raw("ab"));
        Expression rest = new Expression.Choice(List.of(new Expression.Call(0), new Expression.Sequence(List.of())));
        Automaton automaton =
                new Automaton(terms, new Grammar(List.of(new Expression.Sequence(List.of(item, rest))), List.of("")));
        Configuration once = automaton.next(automaton.next(automaton.start(), 'a'), 'b');
        Configuration twice = automaton.next(automaton.next(once, 'a'), 'b');
        assertThat(twice).isSameAs(once);
    }
}
