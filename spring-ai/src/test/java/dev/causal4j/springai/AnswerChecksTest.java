package dev.causal4j.springai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.content.Media;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.util.MimeTypeUtils;

/** Whole answers, values and thoughts. */
@NullUnmarked // where Spring AI has nothing to give, a check fails
class AnswerChecksTest extends SpringChecks {

    @Test
    void wholeUsageAndReason() {
        ChatResponse five = CHAT.call(prompt("Who is Emma?", 1, 5));
        assertEquals(5, out(five));
        assertTrue(in(five) > 5);
        assertEquals(in(five) + 5, usage(five).getTotalTokens());
        assertEquals("LENGTH", reason(five));
        assertEquals(1, five.getResults().size());
    }

    @Test
    void wholeHasModelAndIdOfItsOwn() {
        ChatResponse a = CHAT.call(prompt("a", 1, 2));
        ChatResponse b = CHAT.call(prompt("a", 1, 2));
        assertEquals("tools", a.getMetadata().getModel());
        assertFalse(a.getMetadata().getId().isEmpty());
        assertNotEquals(a.getMetadata().getId(), b.getMetadata().getId());
    }

    @Test
    void wholeEqualSeedsGiveEqualTexts() {
        assertEquals(text(CHAT.call(prompt("a", 7, 30))), text(CHAT.call(prompt("a", 7, 30))));
        assertNotEquals(text(CHAT.call(prompt("a", 7, 30))), text(CHAT.call(prompt("a", 8, 30))));
        ChatOptions unseeded = S.options().maxTokens(30).temperature(3.0).build();
        assertNotEquals(text(CHAT.call(new Prompt("a", unseeded))), text(CHAT.call(new Prompt("a", unseeded))));
    }

    @Test
    void wholeTakesPlainOptions() { // of no provider; a cast to the own class fails
        ChatResponse three = CHAT.call(new Prompt(
                "a", ChatOptions.builder().maxTokens(3).temperature(0.0).build()));
        assertEquals(3, out(three));
        assertEquals(
                3,
                out(CHAT.call(new Prompt(
                        "a", ToolCallingChatOptions.builder().maxTokens(3).build()))));
    }

    @Test
    void defaultsHoldWhereAPromptSaysNothing() {
        ChatModel model = S.chatWithDefaults();
        assertEquals(7, model.getOptions().getMaxTokens());
        assertEquals(7, out(model.call(new Prompt("a"))));
        assertEquals(
                7, out(model.call(new Prompt("a", ChatOptions.builder().topK(3).build()))));
        assertEquals(4, out(model.call(new Prompt("a", S.options().maxTokens(4).build()))));
        assertEquals(
                4,
                out(ChatClient.create(model)
                        .prompt("a")
                        .options(ChatOptions.builder().maxTokens(4))
                        .call()
                        .chatResponse()));
        assertEquals(7, model.getOptions().getMaxTokens(), "the model's own options must not change");
        assertEquals(model.getOptions(), model.getOptions().mutate().build());
    }

    @Test
    void optionsCombineAndClone() {
        ChatOptions.Builder<?> a = options(1, 3).temperature(0.5).topK(9);
        ChatOptions.Builder<?> copy = a.clone();
        ChatOptions both = a.combineWith(S.seed(S.options(), 2).topK(4)).build();
        assertEquals(4, both.getTopK());
        assertEquals(0.5, both.getTemperature());
        assertEquals(options(2, 3).temperature(0.5).topK(4).build(), both, "combineWith takes the seed, too");
        assertEquals(options(1, 3).temperature(0.5).topK(9).build(), copy.build(), "a clone is on its own");
        assertTrue(both instanceof ToolCallingChatOptions && both instanceof StructuredOutputChatOptions);
        ChatOptions first = options(1, 30).build();
        ChatOptions second = options(1, 30).combineWith(S.seed(S.options(), 2)).build();
        assertNotEquals(text(CHAT.call(new Prompt("a", first))), text(CHAT.call(new Prompt("a", second))));
    }

    @Test
    void stopSequencesEndTheTextAndAreNotInIt() {
        long seed = LongStream.range(0, 100)
                .filter(i -> text(CHAT.call(prompt("b", i, 60))).length() > 30)
                .findFirst()
                .orElseThrow();
        String all = text(CHAT.call(prompt("b", seed, 60)));
        String stop = all.substring(20, 21);
        ChatResponse cut = CHAT.call(
                new Prompt("b", options(seed, 60).stopSequences(List.of(stop)).build()));
        assertEquals(all.substring(0, all.indexOf(stop)), text(cut));
        assertEquals("STOP", reason(cut));
    }

    @Test
    void badSettingsAreRefusedBeforeWork() {
        for (ChatOptions bad : List.of(
                S.options().topP(2.0).build(),
                S.options().temperature(-1.0).build(),
                S.options().maxTokens(-1).build(),
                S.options().model("gpt-4o").maxTokens(2).build())) {
            String said = assertThrows(IllegalArgumentException.class, () -> CHAT.call(new Prompt("a", bad)))
                    .getMessage();
            assertTrue(said.contains("expected") && said.contains("got"), said);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> CHAT.stream(new Prompt("a", bad)).blockLast());
        }
    }

    @Test
    void mediaAreRefused() {
        UserMessage image = UserMessage.builder()
                .text("what is it?")
                .media(new Media(MimeTypeUtils.IMAGE_PNG, new ByteArrayResource(new byte[8])))
                .build();
        assertThrows(
                IllegalArgumentException.class,
                () -> CHAT.call(new Prompt(List.of(image), options(1, 2).build())));
    }

    @Test
    void tooLongAPromptIsRefused() {
        String said = assertThrows(
                        IllegalArgumentException.class, () -> CHAT.call(prompt("word ".repeat(20_000), 1, 2)))
                .getMessage();
        assertTrue(said.contains("16384"), said);
    }

    @Test
    void severalSystemMessages() {
        List<Message> both =
                List.of(new SystemMessage("Be brief."), new SystemMessage("Be kind."), new UserMessage("a"));
        int two = in(CHAT.call(new Prompt(both, options(1, 2).build())));
        int one = in(CHAT.call(new Prompt(both.subList(1, 3), options(1, 2).build())));
        int none = in(CHAT.call(new Prompt(both.subList(2, 3), options(1, 2).build())));
        assertTrue(two > one && one > none, two + " " + one + " " + none);
    }

    @Test
    void controlTokensOfUsersAreText() {
        int plain = in(CHAT.call(prompt("x", 1, 2)));
        assertEquals(plain - 1 + "<|im_end|>".length(), in(CHAT.call(prompt("<|im_end|>", 1, 2))));
    }

    @Test
    void cachedTokensAreInTheUsage() {
        Prompt longer = prompt("Once upon a time there was a cat. ".repeat(30), 1, 2);
        CHAT.call(longer);
        Long cached = usage(CHAT.call(longer)).getCacheReadInputTokens();
        assertNotNull(cached);
        assertTrue(cached > 500, cached + " of " + in(CHAT.call(longer)));
    }

    @Test
    void callersAtOnceGetWhatTheyGetAlone() throws Exception {
        List<String> alone = IntStream.range(0, 8)
                .mapToObj(i -> text(CHAT.call(prompt("a" + i, i, 40))))
                .toList();
        try (var pool = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> all = IntStream.range(0, 8)
                    .mapToObj(i -> pool.submit(() -> i % 2 == 0
                            ? text(CHAT.call(prompt("a" + i, i, 40)))
                            : CHAT.stream(prompt("a" + i, i, 40))
                                    .map(SpringChecks::text)
                                    .collect(Collectors.joining())
                                    .block()))
                    .toList();
            for (int i = 0; i < 8; i++) {
                assertEquals(alone.get(i), all.get(i).get(), "caller " + i);
            }
        }
    }

    @Test
    void anInterruptEndsACall() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        Thread caller = Thread.ofVirtual().start(() -> {
            try {
                CHAT.call(endless(15_000));
            } catch (RuntimeException e) {
                ended.countDown();
            }
        });
        Thread.sleep(200);
        caller.interrupt();
        assertTrue(ended.await(5, TimeUnit.SECONDS));
        idle();
    }

    // ---- values

    @Test
    void aSchemaIsHeldAndNotPrompted() {
        String schema =
                "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"SPAM\",\"HAM\"]},\"sure\":{\"type\":\"boolean\"}},\"required\":[\"kind\",\"sure\"],\"additionalProperties\":false}";
        ChatOptions held = ((StructuredOutputChatOptions.Builder<?>) options(1, 500))
                .outputSchema(schema)
                .build();
        for (int seed = 0; seed < 5; seed++) {
            ChatResponse answer = CHAT.call(new Prompt(
                    "a",
                    ((StructuredOutputChatOptions.Builder<?>) options(seed, 500))
                            .outputSchema(schema)
                            .build()));
            Map<String, Object> map = JSON.fromJsonToMap(text(answer));
            assertTrue(
                    List.of("SPAM", "HAM").contains(map.get("kind")) && map.get("sure") instanceof Boolean,
                    text(answer));
            assertEquals("STOP", reason(answer));
        }
        assertEquals(in(CHAT.call(prompt("a", 1, 2))), in(CHAT.call(new Prompt("a", held))));
    }

    @Test
    void aClientMakesRecords() {
        for (int seed = 0; seed < 5; seed++) {
            Verdict verdict = ChatClient.create(CHAT)
                    .prompt("spam?")
                    .options(options(seed, 500))
                    .call()
                    .entity(
                            Verdict.class,
                            spec -> spec.useProviderStructuredOutput().validateSchema());
            assertNotNull(verdict.kind());
        }
        List<String> one = ChatClient.create(CHAT)
                .prompt("spam?")
                .options(
                        ((StructuredOutputChatOptions.Builder<?>) options(1, 500))
                                .outputSchema(
                                        "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"enum\":[\"a\",\"b\"]}}"))
                .call()
                .entity(new ParameterizedTypeReference<List<String>>() {});
        assertEquals(2, one.size());
    }

    record Numbers(int pages, long letters, Integer chapters) {}

    /** Digits are likely for a model of random weights: without bounds the converter would refuse most values. */
    @Test
    void aClientMakesNumbersOfTheirTypes() {
        for (int seed = 0; seed < 9; seed++) {
            assertNotNull(ChatClient.create(CHAT)
                    .prompt("how long?")
                    .options(options(seed, 500))
                    .call()
                    .entity(Numbers.class, spec -> spec.useProviderStructuredOutput()));
        }
    }

    @Test
    void aStreamHoldsASchema() {
        ChatOptions held = ((StructuredOutputChatOptions.Builder<?>) options(3, 500))
                .outputSchema("{\"enum\":[\"one\",\"two\"]}")
                .build();
        String told = CHAT.stream(new Prompt("a", held))
                .map(SpringChecks::text)
                .collect(Collectors.joining())
                .block();
        assertTrue(told.strip().matches("\"(one|two)\""), told);
    }

    @Test
    void badSchemasAreRefused() {
        for (String bad : List.of("{", "{\"type\":\"what\"}", "{\"$ref\":\"https://example.org/x\"}")) {
            ChatOptions asked = ((StructuredOutputChatOptions.Builder<?>) options(1, 20))
                    .outputSchema(bad)
                    .build();
            assertThrows(IllegalArgumentException.class, () -> CHAT.call(new Prompt("a", asked)), bad);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> CHAT.stream(new Prompt("a", asked)).blockLast(),
                    bad);
        }
    }

    // ---- thoughts

    @Test
    void thoughtsAreNoContent() {
        ChatModel model = S.thinking();
        ChatResponse whole = model.call(prompt("a", 1, 40));
        assertEquals("", text(whole));
        String thought =
                String.valueOf(whole.getResult().getOutput().getMetadata().get("thinking"));
        assertTrue(thought.length() > 10, thought);
        List<ChatResponse> parts =
                model.stream(prompt("a", 1, 40)).collectList().block();
        assertEquals("", parts.stream().map(SpringChecks::text).collect(Collectors.joining()));
        StringBuilder told = new StringBuilder();
        parts.forEach(each -> told.append(each.getResult().getMetadata().<String>getOrDefault("thinking", "")));
        assertEquals(thought, told.toString());
        assertTrue(parts.size() > 5, "thoughts in parts: " + parts.size());
    }
}
