package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AutomatonTest {
    private static final int GRAMMARS = Whole.or(200, 30);
    private static final String[] REPEATED = {"", "", "", "?", "*", "+", "{0,2}", "{2,3}", "{1,40}"};

    private final Budget budget = new Budget();
    private long steps;

    private Automaton automaton(String grammar) {
        Terms terms = new Terms(CodePoints.ALL, budget);
        Automaton automaton = new Automaton(terms, new Gbnf(grammar).compile(terms, null, new ArrayList<>()));
        terms.seal();
        return automaton;
    }

    /** How many characters can be followed. */
    private int follow(Automaton automaton, String text, int length) {
        Configuration at = automaton.start();
        for (int i = 0; i < length; i++) {
            budget.renew(Limits.TOKEN_STEPS, 0);
            at = automaton.next(at, text.charAt(i % text.length()));
            steps += budget.spent();
            if (at.isDead()) {
                return i;
            }
        }
        return length;
    }

    /** A grammar, and a text that is repeated. A space in the grammar may be a line end. */
    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            root ::= "a" root root | "a"                                                     § a
            root ::= "a" root root root | "a" root root | "a" | "b"                          § ab
            root ::= e . e ::= n | n o e | n o e o e . o ::= "+" | "*" . n ::= [0-9]         § 1+2*
            root ::= t | t "+" root | t "*" root . t ::= [0-9]+ | "(" root ")"               § 1+23*(4)*
            root ::= t | t root | t root root . t ::= "x" | "(" root? ")"                    § x(x)()
            root ::= "i" root | "i" root "e" root | "x;"                                     § iiix;ex;e
            root ::= "a" root n | "a" root m n | "a" . m ::= "a"? n . n ::= "b"?             § a
            root ::= (p? q? p? q?)* . p ::= "a" | "a" q . q ::= "a" | "b" | "b" p            § ab
            root ::= "a" root "a" | "b" root "b" | "a" | "b" |                               § aab
            root ::= m{1,100000} . m ::= n | n n . n ::= "a" | "a" "b" n | "b"               § ab
            root ::= (m{3,1000})* . m ::= n | n n . n ::= "a" n? | "b"?                      § ab
            root ::= a b . a ::= "x" a | "x" a "x" | . b ::= "x" b b | [a-z]?                § x
            root ::= c root x root | d root y root | . c ::= [ab] . d ::= [bc] . x ::= [ab] . y ::= [bc] § abbcbac
            """)
    void workGrowsWithTheTextHoweverManyWaysThereAreToReadIt(String grammar, String text) {
        long[] spent = new long[2];
        for (int i = 0; i < 2; i++) {
            steps = 0;
            int length = Whole.or(5_000, 1_500) << i;
            assertThat(follow(automaton(grammar.strip().replace(" . ", "\n")), text.strip(), length))
                    .isEqualTo(length);
            spent[i] = steps;
        }
        assertThat(spent[1]).isBetween(1L, 5 * spent[0] / 2);
        assertThat(spent[1]).isLessThan(1_000L * 2 * Whole.or(5_000, 1_500));
    }

    /** A text that lived while the tables were forgotten kept stacks of texts that had ended. */
    @Test
    void aStepLeavesNoStacksAtItsPlaces() {
        Automaton automaton = automaton("root ::= \"a\" root root | \"a\"");
        Configuration at = automaton.start();
        for (int i = 0; i < 5; i++) {
            at = automaton.next(at, 'a');
            assertThat(at.members)
                    .isNotEmpty()
                    .allSatisfy(member -> assertThat(member.then().frames)
                            .allSatisfy(frame -> assertThat(frame.place().then).isNull()));
        }
    }

    /** Grammars with nested and optional parts, beside a recogniser that fills tables. */
    @Test
    void randomGrammarsAreFollowedAsTheirTablesSay() {
        Random random = new Random(29);
        int followed = 0;
        int alive = 0;
        for (int held = 0; held < GRAMMARS; ) {
            Map<String, List<List<String>>> rules = rules(random);
            StringBuilder grammar = new StringBuilder();
            rules.forEach((name, options) -> grammar.append(name)
                    .append(" ::= ")
                    .append(String.join(
                            " | ", options.stream().map(AutomatonTest::written).toList()))
                    .append('\n'));
            Automaton automaton;
            try {
                budget.renew(Limits.TOKEN_STEPS, 0);
                automaton = automaton(grammar.toString());
            } catch (ConstraintException e) {
                assertThat(e).hasMessageContaining("begin with themselves");
                continue;
            }
            held++;
            for (int i = 0; i < 3; i++) {
                StringBuilder text = new StringBuilder();
                Configuration at = automaton.start();
                while (text.length() < 12) {
                    text.append((char) ('x' + random.nextInt(2)));
                    budget.renew(Limits.TOKEN_STEPS, 0);
                    at = automaton.next(at, text.charAt(text.length() - 1));
                    Tables tables = new Tables(rules, text.toString());
                    assertThat(at.isDead()).as("%s after %s", grammar, text).isNotEqualTo(tables.begins);
                    assertThat(at.accepts).as("%s ends %s", grammar, text).isEqualTo(tables.isWhole);
                    followed++;
                    if (at.isDead()) {
                        break;
                    }
                    alive++;
                }
            }
        }
        assertThat(followed).isGreaterThan(10 * GRAMMARS);
        assertThat(alive).isGreaterThan(8 * GRAMMARS);
    }

    private static String written(List<String> parts) {
        return String.join(
                " ",
                parts.stream()
                        .map(part -> part.replaceFirst("^[xy](?![a-z])", "\"$0\""))
                        .toList());
    }

    /** Every rule ends, since each has an option of letters. */
    private static Map<String, List<List<String>>> rules(Random random) {
        String[] parts = {"root", "ra", "rb", "rc", "x", "y", "x", "y"};
        Map<String, List<List<String>>> rules = new LinkedHashMap<>();
        for (String name : List.of("root", "ra", "rb", "rc")) {
            List<List<String>> options = new ArrayList<>();
            options.add(random.nextInt(3) == 0 ? List.of() : List.of(random.nextBoolean() ? "x" : "y"));
            for (int i = random.nextInt(4); i >= 0; i--) {
                List<String> option = new ArrayList<>();
                for (int k = random.nextInt(4); k >= 0; k--) {
                    boolean first = option.isEmpty() && random.nextInt(3) > 0; // else most are left recursive
                    String part = parts[first ? 4 + random.nextInt(4) : random.nextInt(parts.length)];
                    option.add(part + REPEATED[first ? 0 : random.nextInt(REPEATED.length)]);
                }
                options.add(option);
            }
            rules.put(name, options);
        }
        return rules;
    }

    /** Where the rules that begin at a place of a text can end, found by trying all until nothing is new. */
    private static final class Tables {
        private static final Pattern PART = Pattern.compile("([a-z]+)([?*+]?)(\\{(\\d+),(\\d+)\\})?");

        private final String text;
        private final Map<String, BitSet[]> ends = new HashMap<>(); // of a rule, by its begin
        private final Map<String, BitSet> cut =
                new HashMap<>(); // places where a rule begins and the text ends inside it
        final boolean begins;
        final boolean isWhole;

        Tables(Map<String, List<List<String>>> rules, String text) {
            this.text = text;
            rules.keySet().forEach(name -> {
                ends.put(
                        name,
                        Stream.generate(BitSet::new).limit(text.length() + 1).toArray(BitSet[]::new));
                cut.put(name, new BitSet());
            });
            boolean more = true;
            while (more) {
                more = false;
                for (Map.Entry<String, List<List<String>>> rule : rules.entrySet()) {
                    for (List<String> option : rule.getValue()) {
                        for (int from = 0; from <= text.length(); from++) {
                            more |= read(rule.getKey(), option, from);
                        }
                    }
                }
            }
            begins = Objects.requireNonNull(cut.get("root")).get(0);
            isWhole = Objects.requireNonNull(ends.get("root"))[0].get(text.length());
        }

        /** @return whether anything is new */
        private boolean read(String rule, List<String> option, int from) {
            BitSet all = Objects.requireNonNull(ends.get(rule))[from];
            BitSet begun = Objects.requireNonNull(cut.get(rule));
            int before = all.cardinality() + begun.cardinality();
            BitSet at = BitSet.valueOf(new long[] {1L << from});
            for (String each : option) {
                java.util.regex.Matcher part = PART.matcher(each);
                assertThat(part.matches()).isTrue();
                String count = part.group(2);
                boolean counted = part.group(3) != null;
                int least = counted ? Integer.parseInt(part.group(4)) : count.matches("[?*]") ? 0 : 1;
                int most = counted ? Integer.parseInt(part.group(5)) : count.matches("[*+]") ? 99 : 1;
                BitSet after = new BitSet();
                for (int turn = 0; turn <= Math.min(most, text.length() + 3); turn++) {
                    if (turn >= least) {
                        after.or(at);
                    }
                    BitSet next = new BitSet();
                    for (int place : at.stream().toArray()) {
                        boolean inside = turn < most
                                && cut.getOrDefault(part.group(1), new BitSet()).get(place);
                        begun.set(from, begun.get(from) || inside || place == text.length());
                        if (ends.containsKey(part.group(1))) {
                            next.or(Objects.requireNonNull(ends.get(part.group(1)))[place]);
                        } else if (text.startsWith(part.group(1), place)) {
                            next.set(place + 1);
                        }
                    }
                    at = next;
                }
                at = after;
            }
            all.or(at);
            begun.set(from, begun.get(from) || at.get(text.length()));
            return all.cardinality() + begun.cardinality() > before;
        }
    }
}
