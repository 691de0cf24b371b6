package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class DescriptionTest {
    private static final ToolDefinition TOOL = ToolDefinition.of(
            "weather",
            "The weather.",
            "{\"type\":\"object\",\"properties\":{\"n\":{\"maximum\":1.50,\"type\":\"number\"}}}");

    private static final List<Constraint> ALL = List.of(
            Constraint.regex("[a-z]{3}"),
            Constraint.choice(List.of("yes", "no", "\u001f")),
            Constraint.grammar("root ::= \"a\"+"),
            Constraint.schema("{\"type\":\"integer\"}", Whitespace.COMPACT, true),
            Constraint.jsonObject(),
            Constraint.sequence(Constraint.regex("a"), Constraint.choice(List.of("b"))),
            Constraint.anyOf(Constraint.regex("a"), Constraint.grammar("root ::= \"b\"")),
            Constraint.repeat(Constraint.regex("ab"), 1, Integer.MAX_VALUE),
            Constraint.mark("<tool_call>"),
            Constraint.after("<a>", Constraint.regex("b+")),
            Constraint.answer(
                    ToolFormat.HERMES, List.of(TOOL), ToolChoice.named("weather"), false, true, Optional.empty()),
            Constraint.answer(
                    ToolFormat.NONE, List.of(), ToolChoice.AUTO, true, false, Optional.of(Constraint.jsonObject())));

    @Test
    void anEqualConstraintIsMadeFromWhatIsWritten() throws FormatException {
        for (Constraint each : ALL) {
            byte[] json = Json.write(each.description().orElseThrow());
            Constraint again = Constraint.described(Json.tree("test", json));
            assertThat(again).isEqualTo(each);
            assertThat(again.description()).isEqualTo(each.description());
        }
    }

    private static final String REGEX = "{\"kind\":\"regex\",\"values\":[\"a\"]}";

    @Test
    void aConstraintOfTheUserHasNone() {
        Constraint own = vocabulary -> {
            throw new IllegalStateException();
        };
        assertThat(own.description()).isEmpty();
    }

    @Test
    void otherDescriptionsAreRefusedInALine() {
        refuses("{}", "constraint, key \"kind\": expected a string, got nothing");
        refuses("{\"kind\":\"x\"}", "constraint \"x\": expected a description, got no such kind");
        refuses("{\"kind\":\"regex\",\"values\":[1]}", "constraint, key \"values\": expected a list of strings");
        refuses("{\"kind\":\"regex\",\"values\":[]}", "constraint \"regex\": expected a description, got ");
        refuses("{\"kind\":\"schema\",\"values\":[\"{}\",\"WIDE\",\"true\"]}", "Whitespace.WIDE");
        refuses("{\"kind\":\"repeat\",\"values\":[\"1\",\"2\"]}", "constraint \"repeat\": expected a description");
        refuses("{\"kind\":\"anyOf\",\"parts\":[{\"values\":[]}]}", "key \"parts\"[0], key \"kind\"");
        refuses("{\"kind\":\"repeat\",\"values\":[\"3\",\"x\"],\"parts\":[" + REGEX + "]}", "For input string");
        refuses("{\"kind\":\"repeat\",\"values\":[\"3\",\"2\"],\"parts\":[" + REGEX + "]}", "least <= most");
        refuses(answer("hermes", "[1]", "true true true"), "a list of objects");
        refuses(answer("zebra", "[]", "true true true"), "tool format");
        refuses(answer("hermes", "[]", "true true"), "constraint \"answer\": expected a description");
    }

    private static String answer(String format, String tools, String flags) {
        return "{\"kind\":\"answer\",\"values\":[\"" + format + "\",\"" + tools + "\",\"AUTO\",\"\",\"" + flags
                + "\"]}";
    }

    private static void refuses(String description, String message) {
        byte[] json = description.getBytes(StandardCharsets.UTF_8);
        assertThatThrownBy(() -> Constraint.described(Json.tree("test", json)))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }
}
