package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Random walks along the masks of random constraints, beside the scalar twin. */
class RandomMasksTest {
    private static final int CONSTRAINTS = Whole.or(200, 12);
    private static final int WALKS = 3;
    private static final int STEPS = 12;
    private static final String[] ATOMS = {
        "a",
        "b",
        "ab",
        "[a-c]",
        "[^a]",
        ".",
        "\\d",
        "\\w",
        "é",
        "[à-ü日]",
        "(?:ab|a|b)",
        "\"",
        "\\\\",
        " ",
        "\\p{Lu}",
        "the"
    };

    private static String regex(Random random, int depth) {
        if (depth == 0) {
            return ATOMS[random.nextInt(ATOMS.length)];
        }
        return switch (random.nextInt(6)) {
            case 0 -> "(" + regex(random, depth - 1) + "|" + regex(random, depth - 1) + ")";
            case 1 -> "(" + regex(random, depth - 1) + ")" + quantifier(random);
            case 2 -> "^" + regex(random, depth - 1);
            case 3 -> regex(random, depth - 1) + "$";
            default -> regex(random, depth - 1) + regex(random, depth - 1);
        };
    }

    private static String quantifier(Random random) {
        int least = random.nextInt(3);
        return switch (random.nextInt(4)) {
            case 0 -> "*";
            case 1 -> "+?";
            case 2 -> "{" + least + "," + (least + random.nextInt(4)) + "}";
            default -> "{" + least + ",}";
        };
    }

    private static GrammarSource source(Random random) {
        String one = regex(random, 3);
        String two = regex(random, 2);
        int kind = random.nextInt(3);
        return (terms, vocabulary, ignored) -> {
            Term first = Regex.whole(terms, one, Spelling.RAW, "regex");
            Term quoted =
                    terms.concat(terms.raw("\""), Regex.search(terms, two, Spelling.PLAIN, "regex"), terms.raw("\""));
            return switch (kind) {
                case 0 -> Grammar.of(first);
                case 1 -> Grammar.of(quoted);
                default -> nested(terms, terms.or(first, terms.raw("x")));
            };
        };
    }

    /** Lists of texts and lists, of at most three members. */
    private static Grammar nested(Terms terms, Term text) {
        Expression member = new Expression.Choice(List.of(new Expression.Text(text), new Expression.Call(0)));
        Expression comma = new Expression.Text(terms.raw(","));
        Expression more = new Expression.Repeat(new Expression.Sequence(List.of(comma, member)), 0, 2);
        Expression list = new Expression.Sequence(
                List.of(new Expression.Text(terms.raw("[")), member, more, new Expression.Text(terms.raw("]"))));
        return new Grammar(List.of(list), List.of(""));
    }

    @ParameterizedTest
    @ValueSource(strings = {"minimind", "smollm2-small"})
    void tokensFollowIfAndOnlyIfTheTwinFollowsThem(String name) {
        Tokenizer tokenizer = Golden.tokenizer(name);
        Lexicon lexicon = new Lexicon(tokenizer);
        int[] tokens = IntStream.range(0, lexicon.size)
                .filter(id -> lexicon.text(tokenizer, id) != null)
                .toArray();
        int masks = 0;
        for (int seed = 0; seed < CONSTRAINTS; seed++) {
            GrammarSource source = source(new Random(seed));
            Compiled compiled;
            try {
                compiled = new Compiled(source, tokenizer, lexicon, "");
            } catch (ConstraintException e) {
                assertThat(e).hasMessageContaining("that some text meets");
                continue;
            }
            for (int walk = 0; walk < WALKS; walk++) {
                Random random = new Random(1000L * seed + walk);
                Grammar grammar = source.compile(new Terms(lexicon.spellable, new Budget()), null, new ArrayList<>());
                masks += walk(tokens, tokenizer, compiled.start(tokenizer), new ScalarTwin(grammar), random);
            }
        }
        assertThat(masks).isGreaterThan(5 * CONSTRAINTS);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"string\",\"pattern\":\"^(?:\\\\S+\\\\s+){0,9}\\\\S+$\",\"maxLength\":60}",
                "{\"type\":\"string\",\"pattern\":\"^([a-z]+é?){3}$\",\"minLength\":5,\"maxLength\":50}",
                "{\"type\":\"string\",\"pattern\":\"x{2,90}y\",\"maxLength\":70}",
                "{\"type\":\"string\",\"pattern\":\"^(a|b{20}c)*$\",\"maxLength\":45}",
                "{\"type\":\"string\",\"maxLength\":40}",
                "{\"type\":\"string\",\"pattern\":\"^(a{0,30}|b{0,90})$\",\"minLength\":50}",
                "{\"type\":\"string\",\"pattern\":\"^([a-z]{1,20}|[A-Z]{1,60})$\",\"minLength\":30,\"maxLength\":1000}",
                "{\"type\":\"object\",\"patternProperties\":{\"^[a-c]{2,30}$\":{\"maxLength\":20}}}",
                "{\"type\":\"object\",\"properties\":{\"name\":{},\"names\":{\"enum\":[1,12]}}}"
            })
    void aMaskIsThatOfItsTokensOneByOne(String schema) {
        Tokenizer tokenizer = Golden.tokenizer("minimind");
        Lexicon lexicon = new Lexicon(tokenizer);
        Random random = new Random(3);
        int apart = Whole.or(1, 3); // the tokens that are looked at, others at each step
        for (int walk = 0; walk < Whole.or(4, 1); walk++) {
            Matcher matcher = Constraint.schema(schema).start(tokenizer);
            for (int step = 0; step < 25; step++) {
                BitSet mask = Golden.mask(matcher, tokenizer.vocabularySize());
                for (int id = step % apart; id < lexicon.size; id += apart) {
                    byte[] text = lexicon.text(tokenizer, id);
                    boolean follows = text != null && matcher.copy().accept(text) == text.length;
                    assertThat(mask.get(id)).as(tokenizer.piece(id)).isEqualTo(follows);
                }
                int[] allowed = mask.stream().toArray();
                if (allowed.length == 0) {
                    break;
                }
                matcher.accept(allowed[random.nextInt(allowed.length)]);
            }
        }
    }

    /** A token that a mask allows is taken: also where the alternatives of a pattern end before a least length. */
    @Test
    void lengthsBoundAlternativesThatEndAtOthers() {
        Tokenizer tokenizer = Golden.tokenizer("minimind");
        Lexicon lexicon = new Lexicon(tokenizer);
        int walks = 0;
        int limits = 0;
        for (int seed = 0; seed < CONSTRAINTS; seed++) {
            Random random = new Random(seed);
            String options = IntStream.rangeClosed(0, 1 + random.nextInt(3))
                    .mapToObj(i -> counted(random))
                    .collect(Collectors.joining("|"));
            String pattern = "^(" + options + ")" + (random.nextInt(3) == 0 ? counted(random) : "") + "$";
            int least = random.nextInt(80);
            String most = random.nextBoolean() ? ",\"maxLength\":" + (least + random.nextInt(200)) : "";
            Matcher matcher;
            try {
                matcher = Constraint.schema("{\"type\":\"string\",\"pattern\":\"" + pattern + "\",\"minLength\":"
                                + least + most + "}")
                        .start(tokenizer);
            } catch (ConstraintException e) {
                limits += String.valueOf(e.getMessage()).contains("steps of compilation") ? 1 : 0;
                assertThat(e).hasMessageMatching(".*(nothing fits|steps of compilation).*");
                continue;
            }
            for (int step = 0; step < 40; step++) {
                BitSet mask = Golden.mask(matcher, tokenizer.vocabularySize());
                int[] ids = IntStream.concat(random.ints(20, 0, lexicon.size), mask.stream())
                        .toArray();
                for (int i = 0; i < Math.min(60, ids.length); i++) {
                    int id = ids[i < 20 ? i : random.nextInt(ids.length)];
                    byte[] text = lexicon.text(tokenizer, id);
                    boolean follows = text != null && matcher.copy().accept(text) == text.length;
                    assertThat(mask.get(id))
                            .as("%s by %s", tokenizer.piece(id), pattern)
                            .isEqualTo(follows);
                }
                if (mask.isEmpty()) {
                    break;
                }
                matcher.accept(ids[20 + random.nextInt(ids.length - 20)]);
                walks++;
            }
        }
        assertThat(walks).isGreaterThan(5 * CONSTRAINTS);
        assertThat(limits).as("too much work").isLessThan(Math.max(1, CONSTRAINTS / 50));
    }

    private static String counted(Random random) {
        String unit =
                List.of("a", "b", "[a-z]", "[A-Z]", "(ab|é)", "[^x]", "the ").get(random.nextInt(7));
        int least = random.nextInt(3) * random.nextInt(30);
        String most = random.nextInt(4) == 0 ? "" : "" + (least + random.nextInt(90));
        return unit.replace("the ", "(the )") + "{" + least + "," + most + "}";
    }

    private static int walk(int[] tokens, Tokenizer tokenizer, Matcher matcher, ScalarTwin start, Random random) {
        ScalarTwin twin = start;
        for (int step = 0; step < STEPS; step++) {
            BitSet mask = Golden.mask(matcher, tokenizer.vocabularySize());
            assertThat(matcher.isAccepting()).isEqualTo(twin.accepts());
            assertThat(!mask.isEmpty() || matcher.isAccepting()).isTrue();
            for (int i = 0; i < 6; i++) {
                int token = tokens[random.nextInt(tokens.length)];
                assertThat(twin.next(tokenizer.bytes(token)) != null)
                        .as(tokenizer.piece(token))
                        .isEqualTo(mask.get(token));
            }
            if (mask.isEmpty()) {
                return step + 1;
            }
            int[] allowed = mask.stream().toArray();
            int token = allowed[random.nextInt(allowed.length)];
            matcher.accept(token);
            twin = Objects.requireNonNull(twin.next(tokenizer.bytes(token)), tokenizer.piece(token));
        }
        return STEPS;
    }
}
