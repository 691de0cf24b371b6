package dev.causal4j.constraint;

import static dev.causal4j.constraint.BudgetTest.list;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.constraint.BudgetTest.Cost;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SeededTest {
    @Test
    void whatHasOneForeseenHashTakesNoLongerThanOthers() {
        List<IntFunction<Constraint>> alike = List.of(
                n -> required(
                        n,
                        i -> IntStream.range(0, 14)
                                .mapToObj(bit -> (i >> bit & 1) == 0 ? "Aa" : "BB")
                                .collect(Collectors.joining())),
                n -> counted(n, i -> 1_000_000 - 31 * i));
        List<IntFunction<Constraint>> others =
                List.of(n -> required(n, i -> "name" + i), n -> counted(n, i -> 1_000_000 - 17 * i));
        for (int i = 0; i < alike.size(); i++) {
            Cost.of(others.get(i).apply(1000));
            long nanos = Cost.of(others.get(i).apply(8000)).nanos();
            assertThat(Cost.of(alike.get(i).apply(8000)).nanos()).isLessThan(3 * nanos + 500_000_000);
        }
    }

    private static Constraint required(int count, IntFunction<String> name) {
        return Constraint.schema("{\"anyOf\":["
                + list(count, i -> "{\"type\":\"object\",\"required\":[\"" + name.apply(i) + "\"]}") + "]}");
    }

    private static Constraint counted(int count, IntFunction<Integer> most) {
        return Constraint.grammar("root ::= "
                + IntStream.range(0, count)
                        .mapToObj(i -> "\"a\"{" + i + "," + most.apply(i) + "}")
                        .collect(Collectors.joining(" ")));
    }
}
