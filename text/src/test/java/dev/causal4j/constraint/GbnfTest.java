package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GbnfTest {
    /** A grammar, texts of it, a bar, others. A space in the grammar may be a line end. */
    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            root ::= "b" a . a ::= "a" a |                                   § b ba baa | a ab
            root ::= s . s ::= "x" | "x" s | "x" s s                         § x xx xxxxxxx | y
            root ::= n root "x" | "y" . n ::= "m"                            § y myx mmyxx | x ym yx
            root ::= "a" dead | "b" ok . dead ::= dead "x" | dead . ok ::= "c" | dead § bc | a ac
            root ::= r{0} "z" | "(" root ")" . r ::= r                       § z (z) ((z)) | (
            root ::= ((n "b"?){3,1000000} "c"){2} . n ::= "a"? | n{0}        § cc abcbac babacc | c cbd
            root ::= (("a"?)* "b"?){2} "c"                                   § c aac abac bbc | abbb
            root ::= r{2,3} "!" . r ::= "(" r? ")"                           § ()()! (())()()! | ()! ()()()()!
            root ::= "a"{2} | [^"\\\\\\x00-\\x1F] | [+-] "1" | "q"{0} "z"    § aa b z +1 -1 | aaa 1+1 +11
            root ::= "\\u00e9" [\\x41-C] "\\U0001F600"                       § éA😀 éC😀 | éD😀 eA😀
            root ::= a-b a_b . a-b ::= "1" . a_b ::= ("2" | "3")+            § 12 1323 | 1 23
            root ::= . . x ::= "y"                                           § a é | aa
            """)
    void holdsTheseAndNotThose(String grammar, String texts) {
        Constraint constraint = Constraint.grammar(grammar.strip().replace(" . ", "\n") + " # the end");
        String[] sides = texts.strip().split("\\|", 2);
        for (String text : sides[0].strip().split(" +", -1)) {
            assertThat(JsonSchemaTest.accepts(constraint, text))
                    .as("%s holds", text)
                    .isTrue();
        }
        for (String text : sides[1].strip().split(" +", -1)) {
            assertThat(JsonSchemaTest.accepts(constraint, text))
                    .as("%s does not hold", text)
                    .isFalse();
        }
    }

    /** Also nullable, ambiguous and endless ones, against all their short texts; left recursion is refused. */
    @Test
    void randomGrammarsKeepTheirLanguage() {
        Random random = new Random(11);
        int held = 0;
        for (int round = 0; round < 400; round++) {
            Map<String, List<List<String>>> rules = rules(random);
            Set<String> expected = language(rules, 5);
            StringBuilder text = new StringBuilder();
            rules.forEach((name, options) -> text.append(name)
                    .append(" ::= ")
                    .append(String.join(
                            " | ", options.stream().map(GbnfTest::written).toList()))
                    .append('\n'));
            Constraint constraint = Constraint.grammar(text.toString());
            if (!ending(rules, "xy").contains("root") || isLeftRecursive(rules)) {
                String error = expected.isEmpty() ? "one that some text fits|.*begin" : "rules that do not begin";
                assertThatThrownBy(() -> constraint.start(Golden.tokenizer("minimind")))
                        .as("%s", text)
                        .isInstanceOf(ConstraintException.class)
                        .hasMessageMatching("grammar: expected (" + error + ")[^\n]*; [^\n]*");
                continue;
            }
            held++;
            for (String each : texts(5)) {
                assertThat(JsonSchemaTest.accepts(constraint, each))
                        .as("%s in %s", each, text)
                        .isEqualTo(expected.contains(each));
            }
        }
        assertThat(held).isBetween(100, 300);
    }

    /** The rules with an option of rules that end and these letters alone. */
    private static Set<String> ending(Map<String, List<List<String>>> rules, String letters) {
        Set<String> known = new HashSet<>(List.of(letters.split("")));
        boolean more = true;
        while (more) {
            more = false;
            for (Map.Entry<String, List<List<String>>> rule : rules.entrySet()) {
                more |= rule.getValue().stream().anyMatch(known::containsAll) && known.add(rule.getKey());
            }
        }
        return known;
    }

    /** Whether a rule begins with itself, perhaps after rules that may be empty. */
    private static boolean isLeftRecursive(Map<String, List<List<String>>> rules) {
        Set<String> ending = ending(rules, "xy");
        Set<String> empty = ending(rules, "");
        return rules.keySet().stream().anyMatch(start -> {
            Set<String> reached = new HashSet<>();
            List<String> open = new ArrayList<>(List.of(start));
            while (!open.isEmpty()) {
                for (List<String> option : rules.getOrDefault(open.removeLast(), List.of())) {
                    for (int i = 0; i < option.size() && ending.containsAll(option); i++) {
                        if (reached.add(option.get(i))) {
                            open.add(option.get(i));
                        }
                        i = empty.contains(option.get(i)) ? i : option.size();
                    }
                }
            }
            return reached.contains(start);
        });
    }

    private static String written(List<String> parts) {
        return String.join(
                " ",
                parts.stream()
                        .map(part -> part.length() == 1 ? '"' + part + '"' : part)
                        .toList());
    }

    private static Map<String, List<List<String>>> rules(Random random) {
        String[] parts = {"root", "ra", "rb", "rc", "x", "y", "x", "y"};
        Map<String, List<List<String>>> rules = new HashMap<>();
        for (String name : List.of("root", "ra", "rb", "rc")) {
            List<List<String>> options = new ArrayList<>();
            for (int i = random.nextInt(3); i >= 0; i--) {
                List<String> option = new ArrayList<>();
                for (int k = random.nextInt(4); k > 0; k--) {
                    option.add(parts[random.nextInt(parts.length)]);
                }
                options.add(option);
            }
            rules.put(name, options);
        }
        return rules;
    }

    /** The texts of at most some letters: those that are known put together until nothing is new. */
    private static Set<String> language(Map<String, List<List<String>>> rules, int longest) {
        Map<String, Set<String>> known = new HashMap<>();
        rules.keySet().forEach(name -> known.put(name, new HashSet<>()));
        boolean more = true;
        while (more) {
            more = false;
            for (Map.Entry<String, List<List<String>>> rule : rules.entrySet()) {
                for (List<String> option : rule.getValue()) {
                    Set<String> texts = Set.of("");
                    for (String part : option) {
                        Set<String> longer = new HashSet<>();
                        for (String begin : texts) {
                            for (String end : known.getOrDefault(part, Set.of(part))) {
                                if (begin.length() + end.length() <= longest) {
                                    longer.add(begin + end);
                                }
                            }
                        }
                        texts = longer;
                    }
                    more |= Objects.requireNonNull(known.get(rule.getKey())).addAll(texts);
                }
            }
        }
        return Objects.requireNonNull(known.get("root"));
    }

    private static List<String> texts(int longest) {
        List<String> texts = new ArrayList<>(List.of(""));
        for (int i = 0; texts.get(i).length() < longest; i++) {
            texts.add(texts.get(i) + "x");
            texts.add(texts.get(i) + "y");
        }
        return texts;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            a ::= "x"                § a rule "root" at line 1, column 1 § none
            root ::= b               § a rule "b" at line 1, column 11 § none
            root ::= "x              § a closing " at line 1, column 12 § the end
            root ::= [a-             § a closing ] at line 1, column 13 § the end
            root ::= ("x"            § a closed group at line 1, column 14 § the end
            root ::= "x" )           § the name of a rule at line 1, column 14 § ")"
            root "x"                 § ::= after the name of a rule at line 1, column 6 § ""x""
            root ::= "x"{3,2}        § counts in order at line 1, column 13 § 3 and 2
            root ::= "x"{a}          § counts as {2}, {2,} or {2,5} at line 1, column 13 § "{a}"
            root ::= "\\xZZ"         § 2 hexadecimal digits of a character at line 1, column 13 § "ZZ"
            root ::= [b-a]           § a range in order at line 1, column 14 § "]"
            start: x                 § GBNF at line 1, column 1 § Lark
            root ::= root            § one that some text fits § one that nothing fits
            root ::= root "a" | "b"  § rules that do not begin with themselves § rule root, which does
            root ::= "x" | e "y" . e ::= n t? e . e ::= "1" . t ::= "t" . n ::= "n"* § rules that do not begin with themselves § rule e, which does
            root ::= a . a ::= "1" | b . b ::= c . c ::= "2"? ("3"* a | "4") § rules that do not begin with themselves § rule a, which does
            root ::= "x"{1000001}    § at most 1,000,000 repetitions § 1,000,001
            root ::= <nothing>       § a token of the tokenizer at line 1, column 19 § "<nothing>"
            """)
    void errorsSayLineAndColumn(String grammar, String expected, String got) {
        assertThatThrownBy(() ->
                        Constraint.grammar(grammar.strip().replace(" . ", "\n")).start(Golden.tokenizer("minimind")))
                .isInstanceOf(ConstraintException.class)
                .hasMessageStartingWith("grammar: expected " + expected.strip() + ", got " + got.strip() + ";");
    }

    @Test
    void aTokenCanBeNamedByItsTextOrItsId() {
        var tokenizer = Golden.tokenizer("minimind");
        String control = tokenizer.controlTokens().iterator().next();
        int id = tokenizer.id(control).orElseThrow();
        for (String name : List.of("<[" + id + "]>", control)) {
            Matcher matcher = Constraint.grammar("root ::= " + name + " \"a\"").start(tokenizer);
            assertThat(Golden.mask(matcher, tokenizer.vocabularySize()).stream())
                    .containsExactly(id);
            matcher.accept(id);
            assertThat(matcher.accept(Golden.bytes("a"))).isEqualTo(1);
            assertThat(matcher.isAccepting()).isTrue();
        }
        Matcher other = Constraint.grammar("root ::= !<[" + id + "]>").start(tokenizer);
        assertThat(Golden.mask(other, tokenizer.vocabularySize()).get(id)).isFalse();
    }

    @Test
    void aLimitNamesItsRule() {
        Matcher matcher = Constraint.grammar("root ::= \"x\" list\nlist ::= \"[\" list* \"]\"")
                .start(Golden.tokenizer("minimind"));
        assertThatThrownBy(() -> matcher.accept(Golden.bytes("x" + "[".repeat(300))))
                .hasMessageMatching("answer in rule list, constraint: expected at most 256 [^\n]+");
    }

    @Test
    void deepGroupsAreRefused() {
        assertThatThrownBy(() ->
                        Constraint.grammar("root ::= " + "(".repeat(10_000)).start(Golden.tokenizer("minimind")))
                .hasMessageStartingWith(
                        "grammar: expected at most 100 groups inside each other at line 1, column 110, got");
    }
}
