package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RecordSchemaTest {
    enum Mood {
        CALM,
        MERRY
    }

    record Place(String name, Optional<Integer> rooms) {}

    record Person(
            String name,
            int age,
            Long letters,
            double height,
            boolean married,
            BigDecimal income,
            LocalDate born,
            Mood mood,
            Optional<Place> home,
            List<Person> children) {}

    record Wrong(Map<String, String> map) {}

    record Even(int n) {
        Even {
            if (n % 2 != 0) {
                throw new IllegalArgumentException("odd");
            }
        }
    }

    private static final String EMMA =
            "{\"name\": \"Emma\", \"age\": 21, \"letters\": 9007199254740993, \"height\": 1.7,"
                    + " \"married\": false, \"income\": 1500.50, \"born\": \"1794-02-28\", \"mood\": \"MERRY\","
                    + " \"home\": {\"name\": \"Hartfield\"}, \"children\": []}";

    @Test
    void anAnswerOfTheSchemaBecomesARecord() throws FormatException {
        RecordSchema<Person> people = RecordSchema.of(Person.class);
        assertThat(JsonSchemaTest.accepts(people.constraint(), EMMA)).isTrue();
        Person emma = people.read(EMMA);
        assertThat(emma)
                .isEqualTo(new Person(
                        "Emma",
                        21,
                        9007199254740993L,
                        1.7,
                        false,
                        new BigDecimal("1500.50"),
                        LocalDate.of(1794, 2, 28),
                        Mood.MERRY,
                        Optional.of(new Place("Hartfield", Optional.empty())),
                        List.of()));
        String mother = EMMA.replace("[]", "[" + EMMA + "]");
        assertThat(JsonSchemaTest.accepts(people.constraint(), mother)).isTrue();
        assertThat(people.read(mother).children()).containsExactly(emma);
    }

    @Test
    void whatIsNotARecordIsNotOfTheSchema() {
        Constraint constraint = RecordSchema.of(Person.class).constraint();
        assertThat(JsonSchemaTest.accepts(constraint, EMMA.replace("21", "3000000000")))
                .isFalse();
        assertThat(JsonSchemaTest.accepts(constraint, EMMA.replace("MERRY", "GRAVE")))
                .isFalse();
        assertThat(JsonSchemaTest.accepts(constraint, EMMA.replace("\"age\": 21, ", "")))
                .isFalse();
        assertThat(JsonSchemaTest.accepts(constraint, "{\"x\": 1}")).isFalse();
    }

    @Test
    void errorsAreOneLine() {
        RecordSchema<Place> places = RecordSchema.of(Place.class);
        assertThatThrownBy(() -> places.read("{\"name\": \"Hart"))
                .isInstanceOf(FormatException.class)
                .hasMessageMatching("answer: expected valid JSON, got [^\n]*");
        assertThatThrownBy(() -> places.read("{\"name\": 1}"))
                .hasMessage("answer, key \"name\": expected java.lang.String, got 1; was the answer cut?");
        assertThatThrownBy(() -> places.read("{\"name\": \"a\", \"rooms\": 1.5}"))
                .hasMessage("answer, key \"rooms\": expected java.lang.Integer, got 1.5; was the answer cut?");
        assertThatThrownBy(() -> RecordSchema.of(Even.class).read("{\"n\": 1}")).hasMessageContaining("odd");
        assertThatThrownBy(() -> RecordSchema.of(Wrong.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("got java.util.Map<java.lang.String, java.lang.String>");
    }

    @Test
    void aRecordIsTheArgumentsOfATool() throws FormatException {
        RecordSchema<Place> places = RecordSchema.of(Place.class);
        ToolDefinition tool = places.tool("visit", "Visits a place.");
        assertThat(tool.name()).isEqualTo("visit");
        assertThat(tool.strict()).isTrue();
        assertThat(tool.parameters().get("properties")).asString().contains("name", "rooms");
        assertThat(tool.withStrict(false).strict()).isFalse();
        assertThat(tool.withStrict(false).withStrict(true)).isEqualTo(tool);
        String arguments = "{\"name\": \"Bath\"}";
        ToolCall call = new ToolCall("id1", "visit", arguments);
        assertThat(places.read(call.arguments())).isEqualTo(new Place("Bath", Optional.empty()));
        assertThat(Message.result(call, "open").fields())
                .isEqualTo(Map.of("role", "tool", "tool_call_id", "id1", "name", "visit", "content", "open"));
        Constraint calls = Constraint.answer(
                ToolFormat.HERMES, List.of(tool), ToolChoice.REQUIRED, false, false, Optional.empty());
        String begin = "<tool_call>\n{\"name\": \"visit\", \"arguments\": ";
        assertThat(JsonSchemaTest.accepts(calls, begin + arguments + "}\n</tool_call>"))
                .isTrue();
        assertThat(JsonSchemaTest.accepts(calls, begin + "{\"rooms\": 3}}\n</tool_call>"))
                .isFalse();
        for (String wrong : List.of("", "[]", "{")) {
            assertThatThrownBy(() -> ToolDefinition.of("visit", "Visits.", wrong))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("schema of visit");
        }
    }
}
