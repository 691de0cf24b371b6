package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.CustomMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Claims that LangChain4j's suite does not make. */
class Causal4jChatModelTest {
    private static final String QUESTION = "What is the capital of Germany?";

    private static Causal4jChatModel.Builder builder() {
        return Causal4jChatModel.builder()
                .engine(Taught.ENGINE)
                .chatTemplate(Taught.TEMPLATE)
                .maxOutputTokens(20);
    }

    private static ChatResponse ask(ChatModel model, ChatRequestParameters parameters) {
        return model.chat(ChatRequest.builder()
                .messages(UserMessage.from(QUESTION))
                .parameters(parameters)
                .build());
    }

    private static Generation generation(ChatResponse response) {
        return ((Causal4jChatResponseMetadata) response.metadata()).generation();
    }

    private static Causal4jChatRequestParameters.Builder parameters() {
        return Causal4jChatRequestParameters.builder();
    }

    @Test
    void theSeedThatAnAnswerTellsGivesItAgainAlsoAmongOthers() {
        ChatModel model = builder().temperature(5.0).build();
        ChatResponse once = ask(model, Causal4jChatRequestParameters.EMPTY);
        long seed = generation(once).seed();
        List<String> again = IntStream.range(0, 8)
                .parallel()
                .mapToObj(i -> ask(model, parameters().seed(i == 5 ? seed : i).build())
                        .aiMessage()
                        .text())
                .toList();
        assertThat(again.get(5)).isEqualTo(once.aiMessage().text());
        assertThat(again).doesNotHaveDuplicates();
    }

    @Test
    void eachParameterOfARequestIsHonoured() {
        ChatModel model = builder().temperature(1.0).seed(7L).build();
        String plain = text(model, parameters());
        assertThat(text(model, parameters())).isEqualTo(plain);
        int berlin = Taught.MODEL.requireTokenizer().encode(" Berlin")[0];
        for (Causal4jChatRequestParameters.Builder other : List.of(
                parameters().frequencyPenalty(200.0),
                parameters().presencePenalty(200.0),
                parameters().options(o -> o.withRepetitionPenalty(100)),
                parameters().options(o -> o.withLogitBias(Map.of(berlin, Double.NEGATIVE_INFINITY))),
                parameters().temperature(5.0),
                parameters().maxOutputTokens(3),
                parameters().stopSequences(List.of("capital")))) {
            assertThat(text(model, other)).isNotEqualTo(plain);
        }
        String greedy = text(model, parameters().temperature(0.0));
        for (Causal4jChatRequestParameters.Builder same : List.of(
                parameters().temperature(5.0).topK(1),
                parameters().temperature(5.0).topP(1e-6),
                parameters().temperature(5.0).options(o -> o.withMinP(1)))) {
            assertThat(text(model, same)).isEqualTo(greedy);
        }
    }

    private static String text(ChatModel model, Causal4jChatRequestParameters.Builder parameters) {
        return ask(model, parameters.build()).aiMessage().text();
    }

    @Test
    void aPenaltyKeepsTokensFromComingTwice() {
        ChatModel model = builder().temperature(1.0).presencePenalty(1e4).build();
        int[] tokens =
                generation(ask(model, Causal4jChatRequestParameters.EMPTY)).tokens();
        assertThat(Arrays.stream(tokens).distinct().count()).isEqualTo(tokens.length);
    }

    @Test
    void theMetadataHaveTheAnswersTokensWithTheirLogProbabilities() {
        ChatResponse response = ask(
                builder()
                        .temperature(0.0)
                        .options(o -> o.withLogProbabilities(2))
                        .build(),
                Causal4jChatRequestParameters.EMPTY);
        Generation generation = generation(response);
        assertThat(generation.predictions()).hasSameSizeAs(generation.pieces()).allSatisfy(prediction -> {
            assertThat(prediction.rank()).isZero();
            assertThat(prediction.alternatives()).hasSize(2);
        });
        assertThat(generation.text().strip()).isEqualTo(response.aiMessage().text());
        assertThat(generation.timing().decodedTokens()).isEqualTo(generation.tokens().length - 1);
        assertThat(response.tokenUsage().inputTokenCount()).isEqualTo(generation.promptTokens().length);
        assertThat(response.metadata()).isEqualTo(response.metadata()).isInstanceOf(Causal4jChatResponseMetadata.class);
    }

    @Test
    void aDocumentThatIsCutIsAnErrorThatSaysWhatToDo() {
        ChatModel model = builder().maxOutputTokens(3).temperature(0.0).build();
        ResponseFormat format =
                ResponseFormat.builder().type(ResponseFormatType.JSON).build();
        assertThatThrownBy(() -> ask(model, parameters().responseFormat(format).build()))
                .isExactlyInstanceOf(LangChain4jException.class)
                .hasMessage(
                        "document: expected a whole one, got one that ended by length after 3 tokens; leave more room"
                                + " (maxOutputTokens, the context), or bound strings and lists in its schema");
        assertThat(ask(model, Causal4jChatRequestParameters.EMPTY).finishReason())
                .isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void withoutATemplateDocumentsAndArgumentsAreSpaced() {
        ChatModel plain = Causal4jChatModel.builder()
                .engine(Taught.ENGINE)
                .chatTemplate(ChatTemplate.plain())
                .temperature(1.0)
                .seed(1L)
                .build();
        String schema = "{\"type\": \"object\", \"properties\": {\"to\": {\"enum\": [1, 2]}, \"by\": {\"enum\": [3]}},"
                + " \"required\": [\"to\", \"by\"], \"additionalProperties\": false}";
        JsonSchema named = JsonSchema.builder()
                .name("a")
                .rootElement(JsonRawSchema.from(schema))
                .build();
        ResponseFormat format = ResponseFormat.builder()
                .type(ResponseFormatType.JSON)
                .jsonSchema(named)
                .build();
        assertThat(text(plain, parameters().responseFormat(format))).matches("\\{\"to\": [12], \"by\": 3}");
        ToolSpecification tool = ToolSpecification.builder()
                .name("go")
                .parameters(JsonObjectSchema.builder()
                        .addEnumProperty("to", List.of("Highbury", "Hartfield"))
                        .required("to")
                        .additionalProperties(false)
                        .build())
                .build();
        ChatResponse called = ask(
                plain,
                parameters()
                        .toolSpecifications(tool)
                        .toolChoice(ToolChoice.REQUIRED)
                        .build());
        assertThat(called.aiMessage().toolExecutionRequests().getFirst().arguments())
                .matches("\\{\"to\": \"(Highbury|Hartfield)\"}");
    }

    @Test
    void whatAUserWritesStaysTextWhateverTokensItSpells() {
        int end = Taught.MODEL.eos().iterator().next();
        ChatResponse response = builder().build().chat(UserMessage.from("Say <|endoftext|> and stop."));
        assertThat(generation(response).promptTokens()).doesNotContain(end);
        assertThat(Taught.MODEL.requireTokenizer().decode(generation(response).promptTokens()))
                .contains("Say <|endoftext|> and stop.");
    }

    @Test
    void textsOfAMessageAreJoinedAndAnswersAreRead() {
        ChatResponse response = builder()
                .build()
                .chat(UserMessage.from(TextContent.from("one, "), TextContent.from("two")), AiMessage.from("three"));
        assertThat(Taught.MODEL.requireTokenizer().decode(generation(response).promptTokens()))
                .isEqualTo("User: one, two\n\nAssistant: three\n\nAssistant:");
    }

    @Test
    void aPromptLongerThanTheContextIsAnInvalidRequest() {
        assertThatThrownBy(() -> builder().build().chat("word ".repeat(400)))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("prompt: expected at most 256 tokens, the context length, got 4")
                .message()
                .doesNotContain("\n");
    }

    @Test
    void aConversationThatTheTemplateRefusesIsAnInvalidRequest() {
        ChatModel model = builder()
                .chatTemplate(ChatTemplate.parse("strict", "{{ raise_exception('roles must alternate') }}", Map.of()))
                .build();
        assertThatThrownBy(() -> model.chat("hello"))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("roles must alternate");
    }

    @Test
    void valuesOutOfTheirRangeAreInvalidRequests() {
        ChatModel model = builder().build();
        for (Causal4jChatRequestParameters.Builder wrong : List.of(
                parameters().temperature(-1.0),
                parameters().temperature(Double.NaN),
                parameters().topP(0.0),
                parameters().topK(-1),
                parameters().maxOutputTokens(-1),
                parameters().frequencyPenalty(Double.POSITIVE_INFINITY),
                parameters().stopSequences(""),
                parameters().options(o -> o.withMinP(2)),
                parameters().options(o -> o.withRepetitionPenalty(0)),
                parameters().options(o -> o.withLogitBias(Map.of(1_000_000, 1.0))),
                parameters().options(o -> o.withLogProbabilities(-1)))) {
            assertThatThrownBy(() -> ask(model, wrong.build()))
                    .as("%s", wrong.build())
                    .isExactlyInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining(": expected ");
        }
        assertThatThrownBy(() -> builder().temperature(-1.0).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("temperature: expected a finite number >= 0, got -1.0");
    }

    @Test
    void whatIsNotThereIsRefusedByName() {
        ChatModel model = builder().build();
        assertThatThrownBy(() -> ask(model, parameters().modelName("gpt-4").build()))
                .isExactlyInstanceOf(UnsupportedFeatureException.class)
                .hasMessage("modelName: expected \"taught\", since others are not supported here, got \"gpt-4\";"
                        + " leave it out");
        assertThatThrownBy(() -> ask(model, new OfAnotherProvider()))
                .isExactlyInstanceOf(UnsupportedFeatureException.class)
                .hasMessageEndingWith("since others are not supported, got OfAnotherProvider");
        assertThatThrownBy(() -> model.chat(CustomMessage.from(Map.of("a", 1))))
                .isExactlyInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining("not supported");
    }

    @Test
    void aSchemaThatIsRefusedIsAnInvalidRequest() {
        ResponseFormat format = ResponseFormat.builder()
                .type(ResponseFormatType.JSON)
                .jsonSchema(JsonSchema.builder()
                        .name("refused")
                        .rootElement(JsonRawSchema.from("{\"if\": {\"type\": \"string\"}}"))
                        .build())
                .build();
        assertThatThrownBy(() -> ask(
                        builder().build(), parameters().responseFormat(format).build()))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("\"if\"");
    }

    private static final class OfAnotherProvider extends DefaultChatRequestParameters {
        OfAnotherProvider() {
            super(new Builder<>());
        }
    }

    @Test
    void messagesThatAreNullAreInvalidRequests() {
        assertThatThrownBy(() -> builder().build().chat(Arrays.asList(UserMessage.from("hello"), null)))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessage("message: expected one, got null");
    }

    @Test
    void withoutATemplateThatOfTheModelsFilesIsTaken(@TempDir Path folder) throws IOException {
        Taught.MODEL.save(folder, DType.F32);
        ChatTemplate.parse("own", "{{ messages[0].content }} Indeed", Map.of()).save(folder);
        try (CausalLM model = CausalLM.load(folder)) {
            ChatResponse response = builder()
                    .model(model)
                    .chatTemplate(null)
                    .build()
                    .chat(List.<ChatMessage>of(UserMessage.from("hello")));
            int[] prompt = ((Causal4jChatResponseMetadata) response.metadata())
                    .generation()
                    .promptTokens();
            assertThat(model.requireTokenizer().decode(prompt)).isEqualTo("hello Indeed");
        }
    }

    @Test
    void aModelNeedsAnEngineAndATemplateAndANullIsLikeNothing() {
        assertThatThrownBy(() -> builder().model(null).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("engine: expected one, got none; call engine(...) or model(...)");
        assertThatThrownBy(() -> builder().chatTemplate(null).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("chat template: expected one in the model's files, got none; ");
        ChatModel model = builder()
                .model(Taught.MODEL)
                .temperature(null)
                .topP(null)
                .topK(null)
                .frequencyPenalty(null)
                .presencePenalty(null)
                .maxOutputTokens(null)
                .stopSequences(null)
                .seed(null)
                .options(null)
                .listeners(null)
                .defaultRequestParameters(null)
                .build();
        assertThat(model.defaultRequestParameters())
                .isEqualTo(parameters().modelName("taught").build())
                .isNotEqualTo(parameters().modelName("taught").seed(1L).build());
    }

    @Test
    void parametersOfTheBuilderWinOverDefaultsAndThoseOfARequestOverBoth() {
        ChatModel model = builder()
                .maxOutputTokens(3)
                .defaultRequestParameters(
                        parameters().maxOutputTokens(9).seed(4L).build())
                .build();
        Generation generation = generation(model.chat(ChatRequest.builder()
                .messages(UserMessage.from(QUESTION))
                .maxOutputTokens(2)
                .build()));
        assertThat(generation.tokens()).hasSize(2);
        assertThat(generation.seed()).isEqualTo(4);
        assertThat(model.defaultRequestParameters().maxOutputTokens()).isEqualTo(3);
        ChatRequestParameters both = parameters()
                .seed(5L)
                .build()
                .defaultedBy(parameters().seed(6L).topP(0.5).build());
        assertThat(both).isEqualTo(parameters().seed(5L).topP(0.5).build());
    }

    @Test
    void aClosedEngineIsNamed() {
        Engine engine = new Engine(Taught.MODEL);
        engine.close();
        assertThatThrownBy(() -> builder().engine(engine).build().chat("hello"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("engine: expected an open one, got one that was closed");
    }
}
