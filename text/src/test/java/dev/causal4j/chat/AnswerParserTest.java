package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.IntToLongFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Answers of each family, as they were written down beside the formats of their publishers. */
class AnswerParserTest {
    private static final List<String> FAMILIES = List.of(
            "hermes",
            "qwen3-coder",
            "llama3",
            "pythonic",
            "mistral",
            "mistral-v11",
            "granite",
            "phi4",
            "harmony",
            "deepseek",
            "glm",
            "functiongemma",
            "gemma4",
            "lfm2");

    private static Object resource(String name) throws IOException {
        try (InputStream in = AnswerParserTest.class.getResourceAsStream("calls/" + name)) {
            return Objects.requireNonNull(Json.value(name, in.readAllBytes()));
        }
    }

    /** One case of a family. */
    private record Case(
            ToolFormat format, List<ToolDefinition> tools, String name, String text, boolean open, Json expect) {
        Answer read(Heard heard, List<String> pieces) {
            return read(heard, pieces, "length".equals(expect.root().get("finish_reason")) ? "length" : "stop");
        }

        Answer read(Heard heard, List<String> pieces, String finish) {
            AnswerParser parser = new AnswerParser(format, tools, ToolChoice.AUTO, open, 1, heard);
            pieces.forEach(parser::accept);
            return parser.end(finish);
        }
    }

    /** The parts that a listener heard, joined. */
    private static final class Heard implements Answer.Listener {
        final StringBuilder content = new StringBuilder();
        final StringBuilder reasoning = new StringBuilder();
        final List<ToolCall> calls = new ArrayList<>();

        @Override
        public void content(String piece) {
            assertThat(piece).isNotEmpty();
            content.append(piece);
        }

        @Override
        public void reasoning(String piece) {
            assertThat(piece).isNotEmpty();
            reasoning.append(piece);
        }

        @Override
        public void call(int index, String id, String name) {
            assertThat(index).isEqualTo(calls.size());
            calls.add(new ToolCall(id, name, ""));
        }

        @Override
        public void arguments(int index, String piece) {
            assertThat(index).isEqualTo(calls.size() - 1);
            assertThat(piece).isNotEmpty();
            ToolCall call = calls.removeLast();
            calls.add(new ToolCall(call.id(), call.name(), call.arguments() + piece));
        }

        Answer answer(String finishReason) {
            return new Answer(content.toString(), reasoning.toString(), calls, finishReason);
        }
    }

    private static List<Case> cases() throws IOException {
        List<Case> cases = new ArrayList<>();
        for (String family : FAMILIES) {
            Json file = new Json(family, (Map<?, ?>) resource(family + ".json"));
            List<ToolDefinition> tools = file.objects("tools").stream()
                    .map(tool -> new ToolDefinition(named(tool.root())))
                    .toList();
            for (Json each : file.objects("cases")) {
                cases.add(new Case(
                        ToolFormat.named(family),
                        tools,
                        each.requireString("name"),
                        each.requireString("text"),
                        each.bool("reasoning_open", false),
                        each.section("expect")));
            }
        }
        return cases;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> named(Map<?, ?> map) {
        return (Map<String, Object>) map;
    }

    private static void check(Case each, List<String> pieces) throws IOException {
        Heard heard = new Heard();
        Answer answer = each.read(heard, pieces);
        assertThat(heard.answer(answer.finishReason())).as("what was told").isEqualTo(answer);
        assertThat(answer.content()).isEqualTo(each.expect.string("content", ""));
        assertThat(answer.reasoning()).isEqualTo(each.expect.string("reasoning_content", ""));
        assertThat(answer.finishReason()).isEqualTo(each.expect.requireString("finish_reason"));
        List<Json> calls = each.expect.objects("tool_calls");
        assertThat(answer.calls()).hasSameSizeAs(calls);
        for (int i = 0; i < calls.size(); i++) {
            ToolCall call = answer.calls().get(i);
            assertThat(call.name()).isEqualTo(calls.get(i).requireString("name"));
            assertThat(call.arguments()).isEqualTo(calls.get(i).requireString("arguments"));
            assertThat(call.id())
                    .isEqualTo(calls.get(i).string("id", call.id()))
                    .matches("call_[A-Za-z0-9]{24}|[A-Za-z0-9]{9}");
        }
    }

    private static List<String> characters(String text) {
        return text.codePoints().mapToObj(Character::toString).toList();
    }

    @TestFactory
    Stream<DynamicTest> anAnswerMeansWhatWasWrittenDown() throws IOException {
        List<Case> cases = cases();
        assertThat(cases).hasSize(84);
        return cases.stream()
                .map(each -> DynamicTest.dynamicTest(
                        each.format.label() + ": " + each.name, () -> check(each, List.of(each.text))));
    }

    @TestFactory
    Stream<DynamicTest> anyCuttingGivesTheSameWhole() throws IOException {
        return cases().stream()
                .map(each -> DynamicTest.dynamicTest(each.format.label() + ": " + each.name, () -> {
                    check(each, characters(each.text));
                    SplittableRandom random = new SplittableRandom(1);
                    for (int trial = 0; trial < Whole.or(100, 30); trial++) {
                        List<String> pieces = new ArrayList<>();
                        for (String character : characters(each.text)) {
                            if (pieces.isEmpty() || random.nextInt(6) == 0) {
                                pieces.add(character);
                            } else {
                                pieces.add(pieces.removeLast() + character);
                            }
                        }
                        check(each, pieces);
                    }
                }));
    }

    @Test
    void anAnswerWhoseCallIsCutByAStopStringIsNotWhole() {
        AnswerParser parser = new AnswerParser(
                ToolFormat.named("hermes"), List.of(), ToolChoice.AUTO, false, 1, Answer.Listener.NONE);
        parser.accept("<tool_call>\n{\"name\": \"visit\", \"arguments\": {\"a\": 5, ");
        Answer answer = parser.end("stop");
        assertThat(answer.calls()).hasSize(1);
        assertThat(answer.finishReason()).isEqualTo("length");
    }

    /**
     * Whether a call that was told is content in the expectation, which looks at whole texts: cut between the arguments and
     * the end of what they stand in. A stream cannot take it back.
     */
    private static boolean tookBack(Answer answer, List<?> known) {
        List<?> calls = (List<?>) known.get(2);
        return known.get(0) instanceof String content
                && (content.startsWith(answer.content()) || content.endsWith(answer.content()))
                && answer.calls().size() > calls.size()
                && answer.calls().stream()
                        .skip(calls.size())
                        .allMatch(call -> content.contains(call.name()) && content.contains(call.arguments()));
    }

    @Test
    void afterEachPieceAsMuchIsKnownAsTheTextSays() throws IOException {
        List<Case> cases = cases();
        int seen = 0;
        int exceptions = 0;
        for (Object stream : (List<?>) resource("streams.json")) {
            Json json = new Json("stream", (Map<?, ?>) stream);
            Case of = cases.stream()
                    .filter(each -> each.format.label().equals(json.root().get("family"))
                            && each.name.equals(json.root().get("name")))
                    .findFirst()
                    .orElseThrow();
            List<String> chunks = json.strings("chunks");
            List<?> known = (List<?>) Objects.requireNonNull(json.root().get("known"));
            for (int count = 1; count <= chunks.size(); count++) {
                List<?> expected = (List<?>) known.get(count - 1);
                Heard heard = new Heard();
                Answer answer = of.read(heard, chunks.subList(0, count), "length");
                assertThat(heard.answer("length")).isEqualTo(answer);
                Answer whole = of.read(new Heard(), List.of(String.join("", chunks.subList(0, count))), "length");
                assertThat(answer).isEqualTo(whole);
                if (tookBack(answer, expected)) {
                    exceptions++;
                    continue;
                }
                String place = of.format + " " + of.name + " " + count;
                assertThat(answer.content()).as(place).isEqualTo(text(expected.get(0)));
                assertThat(answer.reasoning()).as(place).isEqualTo(text(expected.get(1)));
                assertThat(answer.calls().stream().map(call -> List.of(call.name(), call.arguments())))
                        .as(place)
                        .isEqualTo(expected.get(2));
                seen++;
            }
        }
        assertThat(List.of(seen, exceptions)).isEqualTo(List.of(415, 22));
    }

    @Test
    void strippedPiecesAreTheStrippedText() {
        for (String text : List.of(" \n a b \n\nc \n", "a", "  ", "")) {
            for (int length = 1; length < 4; length++) {
                UnaryOperator<String> edges = Answer.stripping();
                StringBuilder told = new StringBuilder();
                for (int from = 0; from < text.length(); from += length) {
                    told.append(edges.apply(text.substring(from, Math.min(text.length(), from + length))));
                    assertThat(text.substring(0, Math.min(text.length(), from + length))
                                    .strip())
                            .isEqualTo(told.toString());
                }
                assertThat(told.toString()).isEqualTo(text.strip());
            }
        }
    }

    @Test
    void textThatIsNoMarkIsToldAtOnce() {
        for (ToolFormat format : ToolFormat.values()) {
            if (format == ToolFormat.HARMONY || format == ToolFormat.PYTHONIC || format == ToolFormat.LLAMA3) {
                continue; // there the first characters decide
            }
            Heard heard = new Heard();
            List<ToolDefinition> tools = List.of(new ToolDefinition(Map.of("name", "now")));
            AnswerParser parser = new AnswerParser(format, tools, ToolChoice.AUTO, false, 1, heard);
            String text = "1 < 2, and f(x)  is not <tool";
            for (int i = 0; i < text.length(); i++) {
                parser.accept(text.substring(i, i + 1));
                assertThat(heard.content.length()).isGreaterThanOrEqualTo(i + 1 - " <tool".length());
            }
            parser.accept("s\n");
            assertThat(heard.content).asString().isEqualTo(text + "s" + (format == ToolFormat.NONE ? "\n" : ""));
            assertThat(parser.end("stop").content()).isEqualTo(text + "s\n");
        }
    }

    private static Answer answer(ToolFormat format, String... pieces) {
        AnswerParser parser = new AnswerParser(format, List.of(), ToolChoice.AUTO, false, 1, Answer.Listener.NONE);
        Stream.of(pieces).forEach(parser::accept);
        return parser.end("stop");
    }

    @Test
    void argumentsMayBeTextOfJson() {
        Answer answer = answer(
                ToolFormat.HERMES, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>");
        assertThat(answer.calls()).extracting(ToolCall::arguments).containsExactly("{\"a\": 1}");
    }

    @Test
    void argumentsThatAreNullAreNone() {
        for (String call : List.of(
                "{\"name\": \"f\", \"arguments\": null}",
                "{\"arguments\":null , \"name\": \"f\"}",
                "{\"name\": \"f\",\"parameters\": null\n}")) {
            Answer answer = answer(ToolFormat.HERMES, "<tool_call>", call, "</tool_call>");
            assertThat(answer.calls()).extracting(ToolCall::arguments).containsExactly("{}");
            assertThat(answer.content()).isEmpty();
        }
        String other = "<tool_call>{\"name\": \"f\", \"arguments\": nullable}</tool_call>";
        assertThat(answer(ToolFormat.HERMES, other).calls()).isEmpty();
    }

    @Test
    void theFirstClosingTagEndsAValueAlsoInsideAString() {
        String qwen = "<tool_call>\n<function=f>\n<parameter=p>\n[\"a</parameter>\n</function>\n</tool_call>";
        String glm = "<tool_call>f\n<arg_key>p</arg_key>\n<arg_value>[\"a</arg_value>\n</tool_call>";
        for (Answer answer : List.of(answer(ToolFormat.QWEN3_CODER, qwen), answer(ToolFormat.GLM, glm))) {
            assertThat(answer.calls()).extracting(ToolCall::arguments).containsExactly("{\"p\": \"[\\\"a\"}");
        }
    }

    @Test
    void literalsHaveEscapesAndHalvesOfPairsKeepTheirs() {
        String call = "[f(a='\\x41\\u00e9\\/\\ud83d\\ude00', b={'c d': (None, 1.5, x y)})]";
        String json = "{\"a\": \"A\u00e9/\\ud83d\\ude00\", \"b\": {\"c d\": [null, 1.5, \"x y\"]}}";
        for (List<String> pieces : List.of(List.of(call), characters(call))) {
            Answer answer = answer(ToolFormat.PYTHONIC, pieces.toArray(String[]::new));
            assertThat(answer.calls()).extracting(ToolCall::arguments).containsExactly(json);
            assertThat(answer.content()).isEmpty();
        }
    }

    @Test
    void whatIsMalformedBehindATellingLosesNoByte() {
        Answer answer = answer(
                ToolFormat.HERMES, "a <tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}, \"y\": 2}</tool_call> b");
        assertThat(answer.calls()).extracting(ToolCall::arguments).containsExactly("{\"x\": 1}");
        assertThat(answer.content()).isEqualTo("a, \"y\": 2}</tool_call>b");
        assertThat(answer(ToolFormat.HARMONY, "Hello.").content()).isEqualTo("Hello.");
        assertThat(answer(ToolFormat.HARMONY, "<|channel|>final<|message|>a<|end|>b")
                        .content())
                .isEqualTo("a<|end|>b");
    }

    @Test
    void callsAreTextWhereNoneMayBe() {
        String call = "<tool_call>{\"name\": \"f\"}</tool_call>";
        for (ToolFormat format : List.of(ToolFormat.HERMES, ToolFormat.NONE)) {
            AnswerParser parser = new AnswerParser(format, List.of(), ToolChoice.NONE, false, 1, Answer.Listener.NONE);
            parser.accept("<think>a</think> " + call + " ");
            assertThat(parser.end("stop")).isEqualTo(new Answer(call + " ", "a", List.of(), "stop"));
        }
        String plain = "{\"name\": \"f\", \"arguments\": {}}";
        assertThat(answer(ToolFormat.NONE, plain).content()).isEqualTo(plain);
        AnswerParser forced =
                new AnswerParser(ToolFormat.NONE, List.of(), ToolChoice.REQUIRED, false, 1, Answer.Listener.NONE);
        forced.accept(plain);
        assertThat(forced.end("stop").calls()).extracting(ToolCall::name).containsExactly("f");
    }

    @Test
    void equalRequestsHaveEqualIdsAndCallsDifferentOnes() {
        String call = "<tool_call>{\"name\": \"f\"}</tool_call>";
        List<ToolCall> calls = answer(ToolFormat.HERMES, call, call).calls();
        assertThat(calls).isEqualTo(answer(ToolFormat.HERMES, call + call).calls());
        assertThat(calls.getFirst().id()).isNotEqualTo(calls.getLast().id());
    }

    @Test
    void longAnswersTakeLinearTime() {
        String many = "x".repeat(200_000);
        for (String text : List.of(
                "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"" + many + "\"}}</tool_call>",
                "<tool_call>{\"arguments\": {\"a\": \"" + many + "\"}, \"name\": \"f\"}</tool_call>",
                "<tool_call>" + " ".repeat(200_000),
                " ".repeat(200_000),
                many)) {
            AnswerParser parser =
                    new AnswerParser(ToolFormat.HERMES, List.of(), ToolChoice.AUTO, false, 1, Answer.Listener.NONE);
            for (int i = 0; i < text.length(); i += 4) {
                parser.accept(text.substring(i, Math.min(text.length(), i + 4)));
            }
            Answer answer = parser.end("stop");
            assertThat(answer.content().length() + answer.calls().size()).isPositive();
        }
    }

    private static String text(Object value) {
        return value instanceof String text ? text : "";
    }

    /** Two calls, or one where nothing may stand between two. */
    private static String calls(ToolFormat.Form form) {
        String member = form.member().replace("$key", "a").replace("$value", "1");
        String call = form.call()
                .replaceAll("«.*?»", "")
                .replace("$name", "f")
                .replace("$arguments", "{\"a\": 1}")
                .replace("$members", member);
        String more = form.between().isEmpty() ? "" : form.between() + call;
        return form.mark() + form.begin() + call + more + form.end();
    }

    @Test
    void aForcedCallThatIsCutIsNoContent() {
        ToolDefinition tool = new ToolDefinition(Map.of("name", "f", "parameters", Map.of()));
        for (ToolFormat format : ToolFormat.values()) {
            for (ToolFormat.Form form : format.forms()) {
                String whole = calls(form);
                for (int cut = 0; cut <= whole.length(); cut++) {
                    Heard heard = new Heard();
                    AnswerParser parser = new AnswerParser(format, List.of(tool), ToolChoice.REQUIRED, false, 1, heard);
                    whole.substring(0, cut).chars().forEach(c -> parser.accept(Character.toString(c)));
                    Answer answer = parser.end(cut < whole.length() ? "length" : "stop");
                    assertThat(answer.content() + heard.content)
                            .as(format + ": " + whole.substring(0, cut))
                            .isEmpty();
                    if (cut == whole.length()) {
                        assertThat(answer.calls())
                                .as(whole)
                                .hasSize(form.between().isEmpty() ? 1 : 2)
                                .allMatch(call ->
                                        call.arguments().replace(" ", "").equals("{\"a\":1}"));
                    }
                }
            }
        }
    }

    @Test
    void timeGrowsAsTheLengthOfAPiece() {
        IntToLongFunction escapes = n -> millis(ToolFormat.PYTHONIC, "[f(a='" + "\\n".repeat(n) + "')]", 1);
        assertThat(escapes.applyAsLong(20_000)).as("warms up").isNotNegative();
        long once = escapes.applyAsLong(100_000);
        assertThat(escapes.applyAsLong(200_000)).isLessThan(3 * once + 100);
    }

    /** Only the end of the answer shows that the first is no call; then each of those inside is looked at. */
    @Test
    void timeGrowsAsTheNumberOfTextsThatBeginLikeCalls() {
        String begun = "<tool_call>{\"arguments\": {\"a\": \"";
        IntToLongFunction beginnings = n -> millis(ToolFormat.HERMES, begun + "</tool_call><tool_call>{x".repeat(n), 0);
        long once = beginnings.applyAsLong(40_000);
        assertThat(beginnings.applyAsLong(160_000)).isLessThan(8 * once + 100);
    }

    private static long millis(ToolFormat format, String text, int calls) {
        AnswerParser parser = new AnswerParser(format, List.of(), ToolChoice.AUTO, false, 1, Answer.Listener.NONE);
        long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        parser.accept(text);
        Answer answer = parser.end("stop");
        long nanos = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start;
        assertThat(answer.calls()).hasSize(calls);
        assertThat(calls > 0 || answer.content().equals(text)).isTrue();
        return nanos / 1_000_000;
    }
}
