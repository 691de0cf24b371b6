package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import dev.causal4j.Whole;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Calls of a model that has learned nothing: only their grammar makes them calls. */
class ToolCallsTest {
    private static final int EOS = 5;
    private static final int CALLS = Integer.getInteger("tool.calls", Whole.or(100, 10));
    private static final SchemaRegistry REGISTRY = SchemaRegistry.withDefaultDialect(
            SpecificationVersion.DRAFT_2020_12,
            builder -> builder.schemaRegistryConfig(
                    SchemaRegistryConfig.builder().formatAssertionsEnabled(true).build()));
    private static final Set<String> SEVERAL_TYPES = Set.of("tool_13", "tool_14", "tool_15", "tool_17");

    /** Arguments of twenty tools. */
    private static final List<String> SCHEMAS =
            List.of("""
            {"type":"object","properties":{"city":{"type":"string","maxLength":12}},"required":["city"],"additionalProperties":false}""", """
            {"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"required":["x","y"],"additionalProperties":false}""", """
            {"type":"object","properties":{"text":{"type":"string","maxLength":9},"tags":{"type":"array","items":{"type":"string","maxLength":5},"maxItems":3}},"required":["text","tags"],"additionalProperties":false}""", """
            {"type":"object","properties":{},"additionalProperties":false}""", """
            {"type":"object","properties":{"unit":{"type":"string","enum":["celsius","kelvin","k"]}},"required":["unit"],"additionalProperties":false}""", """
            {"type":"object","properties":{"on":{"type":"boolean"},"level":{"type":"integer","minimum":0,"maximum":120}},"additionalProperties":false}""", """
            {"type":"object","properties":{"price":{"type":"number","exclusiveMinimum":0,"maximum":2.25}},"required":["price"],"additionalProperties":false}""", """
            {"type":"object","properties":{"day":{"type":"string","format":"date"}},"required":["day"],"additionalProperties":false}""", """
            {"type":"object","properties":{"code":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{2}$"}},"required":["code"],"additionalProperties":false}""", """
            {"type":"object","properties":{"list":{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":4}},"required":["list"],"additionalProperties":false}""", """
            {"type":"object","properties":{"a":{"type":"null"},"b":{"type":"integer","multipleOf":5,"minimum":-99999,"maximum":99999}},"required":["b"],"additionalProperties":false}""", """
            {"type":"object","properties":{"id":{"type":"string","minLength":2,"maxLength":4},"n":{"type":"number"}},"required":["n"],"additionalProperties":false}""", """
            {"type":"object","properties":{"p":{"type":"object","properties":{"q":{"type":"boolean"},"r":{"type":"integer"}},"required":["q"],"additionalProperties":false}},"required":["p"],"additionalProperties":false}""", """
            {"type":"object","properties":{"v":{"anyOf":[{"type":"integer"},{"type":"null"},{"type":"boolean"}]}},"required":["v"],"additionalProperties":false}""", """
            {"type":"object","properties":{"v":{"enum":["1",2,null,true,"x y"]}},"required":["v"],"additionalProperties":false}""", """
            {"type":"object","properties":{"t":{"$ref":"#/$defs/tree"}},"required":["t"],"additionalProperties":false,"$defs":{"tree":{"type":"array","items":{"$ref":"#/$defs/tree"},"maxItems":2}}}""", """
            {"type":"object","properties":{"c":{"type":"string","const":"</x> \\"q\\""},"z":{"type":"integer"}},"required":["c"],"additionalProperties":false}""", """
            {"type":"object","properties":{"m":{"type":["integer","null"]},"d":{"type":"string","description":"D","maxLength":6,"default":""}},"required":["m","d"],"additionalProperties":false}""", """
            {"type":"object","properties":{"a1":{"type":"boolean"},"a2":{"type":"boolean"},"a3":{"type":"boolean"},"a4":{"type":"boolean"}},"additionalProperties":false}""", """
            {"type":"object","title":"T","properties":{"when":{"type":"string","format":"time"},"who":{"type":"string","maxLength":8}},"required":["who"],"additionalProperties":false}""");

    private static final List<ToolDefinition> TOOLS = IntStream.range(0, SCHEMAS.size())
            .mapToObj(i -> new ToolDefinition(Json.object(
                    "type",
                    "function",
                    "function",
                    Json.object("name", "tool_" + i, "strict", true, "parameters", tree(SCHEMAS.get(i))))))
            .toList();

    private final Tokenizer tokenizer;
    private final CausalLM model;

    ToolCallsTest() throws IOException {
        String file = "/dev/causal4j/tokenizer/golden/qwen3-small/tokenizer.json";
        tokenizer = Tokenizer.fromJson(file, resource(file));
        model = CausalLM.create(
                SmallModels.gpt2(tokenizer.vocabularySize(), 900, 16, 1, 2)
                        .withSpecialIds(OptionalInt.empty(), Set.of(EOS)),
                5,
                DType.F32,
                tokenizer);
    }

    @AfterEach
    void close() {
        model.close();
    }

    private static byte[] resource(String file) throws IOException {
        try (InputStream in = Objects.requireNonNull(ToolCallsTest.class.getResourceAsStream(file))) {
            return in.readAllBytes();
        }
    }

    private static Map<String, Object> tree(String json) {
        try {
            return Json.tree("schema", json.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private List<Answer> answers(Chat.Format format, int count, int maxNewTokens) {
        List<Message> messages = List.of(new Message("user", "Hi"));
        List<GenerationRequest> requests = new ArrayList<>();
        for (int seed = 0; seed < count; seed++) {
            requests.add(format.request(
                    messages,
                    GenerationOptions.DEFAULT
                            .withMaxNewTokens(maxNewTokens)
                            .withTemperature(1)
                            .withSeed(seed)));
        }
        List<Generation> all = new Generator(model).generate(requests, TokenListener.NONE);
        return IntStream.range(0, count)
                .mapToObj(i -> format.answer(requests.get(i), (_, _) -> all.get(i), Answer.Listener.NONE)
                        .answer())
                .toList();
    }

    private static List<ToolFormat> formats() {
        return Whole.RUN ? List.of(ToolFormat.values()) : List.of(ToolFormat.HERMES, ToolFormat.GEMMA4);
    }

    @ParameterizedTest
    @MethodSource("formats")
    void requiredCallsObeyTheirSchemas(ToolFormat calls) {
        Chat.Format format = Chat.Format.of(model, ChatTemplate.plain()).withToolFormat(calls);
        boolean several = calls.quote().isEmpty(); // formats with such marks have no values of several types
        int count = Whole.or(2, 1);
        for (ToolDefinition tool : TOOLS) {
            boolean exact = several || !SEVERAL_TYPES.contains(tool.name());
            assertThat(wholeCalls(format, exact ? tool : notStrict(tool), count, exact))
                    .isLessThanOrEqualTo(count);
        }
    }

    @Test
    void manyCallsOfAModelWithATemplateObeyTheirSchemas() throws IOException {
        Chat.Format format = template();
        int whole = 0;
        for (ToolDefinition tool : TOOLS) {
            whole += wholeCalls(format, tool, Math.ceilDiv(CALLS, SCHEMAS.size()), true);
        }
        assertThat(whole).isGreaterThan(CALLS * 9 / 10);
    }

    /**
     * Calls are cut by their length alone: all calls that ended are whole and obey their schema. Returns their number.
     */
    private int wholeCalls(Chat.Format format, ToolDefinition tool, int count, boolean exact) {
        Chat.Format required = format.withTools(List.of(tool), ToolChoice.REQUIRED.withParallel(false));
        int whole = 0;
        for (Answer answer : answers(required, count, 300)) {
            if (!answer.finishReason().equals("length")) {
                assertThat(answer.finishReason()).isEqualTo("tool_calls");
                assertThat(answer.content()).isEmpty();
                assertThat(answer.calls()).hasSize(1);
                check(answer.calls().getFirst(), tool, exact);
                whole++;
            }
        }
        return whole;
    }

    private Chat.Format template() throws IOException {
        String source = new String(resource("/dev/causal4j/chat/minimind.jinja"), StandardCharsets.UTF_8);
        return Chat.Format.of(model, ChatTemplate.parse("minimind", source, Map.of()));
    }

    @Test
    void aModelCallsTheToolsThatItLikes() throws IOException {
        Chat.Format format = template();
        assertThat(format.toolFormat()).isEqualTo(ToolFormat.HERMES);
        List<ToolDefinition> some = TOOLS.subList(0, 5);
        List<Answer> answers = answers(format.withTools(some, ToolChoice.REQUIRED), 8, 200);
        List<ToolCall> calls =
                answers.stream().flatMap(answer -> answer.calls().stream()).toList();
        assertThat(calls)
                .extracting(ToolCall::name)
                .hasSizeGreaterThan(1)
                .isSubsetOf(some.stream().map(ToolDefinition::name).toList());
    }

    /** Notes the parts of an answer; wants at most {@code most} of them. */
    private record Parts(List<String> told, int most) implements Answer.Listener {
        @Override
        public void content(String piece) {
            told.add(piece);
        }

        @Override
        public void call(int index, String id, String name) {
            told.add(index + " " + name + " ");
        }

        @Override
        public void arguments(int index, String piece) {
            told.add(piece);
        }

        @Override
        public boolean goesOn() {
            return told.size() < most;
        }

        private String all() {
            return String.join("", told);
        }
    }

    @Test
    void aListenerIsToldThePartsOfAnAnswerOnceHoweverItIsComputed() throws IOException {
        GenerationOptions options =
                GenerationOptions.DEFAULT.withMaxNewTokens(300).withSeed(3);
        List<Message> asked = List.of(new Message("user", "Hi"));
        List<Answer> answers = new ArrayList<>();
        for (boolean relayed : List.of(false, true)) {
            Chat chat = Chat.of(template().withTools(TOOLS.subList(0, 1), ToolChoice.REQUIRED.withParallel(false)))
                    .options(options);
            Parts parts = new Parts(new ArrayList<>(), Integer.MAX_VALUE);
            Answer answer = (relayed ? chat.through(new Generator(model)::relay) : chat).answer(asked, parts);
            ToolCall call = answer.calls().getFirst();
            assertThat(parts.all()).isEqualTo("0 tool_0 " + call.arguments());
            assertThat(parts.told).hasSizeGreaterThan(3);
            answers.add(answer);
        }
        assertThat(answers.getLast()).isEqualTo(answers.getFirst());
    }

    @Test
    void aListenerMayEndAnAnswerWhichStaysInTheConversation() throws IOException {
        Chat chat = Chat.of(template());
        Parts parts = new Parts(new ArrayList<>(), 3);
        Answer answer = chat.answer(List.of(new Message("user", "Hi")), parts);
        assertThat(answer.finishReason()).isEqualTo("cancelled");
        assertThat(answer.content()).isEqualTo(parts.all()).isNotEmpty();
        assertThat(chat.messages()).last().isEqualTo(answer.message());
        assertThat(chat.last().orElseThrow().generation().finishReason()).isEqualTo(FinishReason.CANCELLED);
    }

    @Test
    void aConversationGoesOnWithTheResultsOfItsCalls() throws IOException {
        GenerationOptions options =
                GenerationOptions.DEFAULT.withMaxNewTokens(300).withSeed(3);
        Chat chat =
                Chat.of(template()).options(options).tools(TOOLS.subList(3, 4)).toolChoice(ToolChoice.named("tool_3"));
        Answer called = chat.answer(List.of(new Message("user", "Hi")));
        assertThat(called.calls()).extracting(ToolCall::name).containsExactly("tool_3");
        assertThat(chat.messages()).last().isEqualTo(called.message());
        chat.toolChoice(ToolChoice.NONE).options(options.withMaxNewTokens(5));
        Answer answer = chat.answer(List.of(new Message("tool", "42")));
        assertThat(answer.calls()).isEmpty();
        assertThat(chat.messages()).hasSize(4);
        assertThat(chat.last().orElseThrow().answer()).isEqualTo(answer);
    }

    private static ToolDefinition notStrict(ToolDefinition tool) {
        return new ToolDefinition(Map.of("name", tool.name(), "parameters", tool.parameters()));
    }

    private static void check(ToolCall call, ToolDefinition tool, boolean exact) {
        assertThat(call.name()).isEqualTo(tool.name());
        if (exact) {
            String schema = new String(Json.write(tool.parameters()), StandardCharsets.UTF_8);
            assertThat(REGISTRY.getSchema(schema).validate(call.arguments(), InputFormat.JSON))
                    .as(call.arguments())
                    .isEmpty();
        } else {
            assertThat(tree(call.arguments())).isNotNull();
        }
    }
}
