package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.constraint.RecordSchema;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.util.AbstractMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Conversations with a model that has learned nothing, in a context of 307 tokens. */
class ChatTest {
    private static final String SOURCE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
            + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}{{ mood }}";

    private static final int EOS = 5;

    private final Tokenizer tokenizer;
    private final CausalLM model;
    private final Chat.Format format;

    ChatTest() throws IOException {
        String file = "/dev/causal4j/tokenizer/golden/qwen3-small/tokenizer.json";
        try (InputStream json = Objects.requireNonNull(ChatTest.class.getResourceAsStream(file))) {
            tokenizer = Tokenizer.fromJson(file, json.readAllBytes());
        }
        model = CausalLM.create(
                SmallModels.gpt2(tokenizer.vocabularySize() + 3, 307, 40, 2, 4)
                        .withSpecialIds(OptionalInt.empty(), Set.of(EOS)),
                5,
                DType.F32,
                tokenizer);
        format = Chat.Format.of(model, ChatTemplate.parse("t", SOURCE, Map.of()));
    }

    @AfterEach
    void close() {
        model.close();
    }

    private Chat chat() {
        return Chat.of(format).options(options(7));
    }

    private static GenerationOptions options(int maxNewTokens) {
        return GenerationOptions.DEFAULT.withMaxNewTokens(maxNewTokens);
    }

    private static Generation again(Chat chat) {
        chat.regenerate(Answer.Listener.NONE);
        return chat.last().orElseThrow().generation();
    }

    private String prompt(Generation answer) {
        return tokenizer.decode(answer.promptTokens());
    }

    @Test
    void anAnswerIsThatToTheWholeConversation() {
        Chat chat = chat().system("Hi");
        Generation first = chat.send("One");
        Generation second = chat.send("Two");
        assertThat(prompt(second))
                .isEqualTo("<|im_start|>system\nHi<|im_end|>\n<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\n"
                        + first.text() + "<|im_end|>\n<|im_start|>user\nTwo<|im_end|>\n<|im_start|>assistant\n");
        assertThat(chat.messages())
                .containsExactly(
                        new Message("system", "Hi"),
                        new Message("user", "One"),
                        new Message("assistant", first.text()),
                        new Message("user", "Two"),
                        new Message("assistant", second.text()));
        GenerationRequest alone = format.request(chat.messages().subList(0, 4), options(7));
        assertThat(second.tokens())
                .isEqualTo(new Generator(model)
                        .generate(List.of(alone), TokenListener.NONE)
                        .getFirst()
                        .tokens());
    }

    @Test
    void aTurnCostsItsNewTokens() {
        String long60 = "It is a truth universally acknowledged. ".repeat(8);
        Chat chat = chat();
        Generation first = chat.send(long60);
        Generation second = chat.send("And now?");
        int before = first.promptTokens().length;
        assertThat(before).isGreaterThan(64);
        assertThat(second.timing().cachedTokens()).isGreaterThanOrEqualTo(before - before % 64);
        assertThat(second.timing().prefillTokens())
                .isEqualTo(second.promptTokens().length - second.timing().cachedTokens());
    }

    @Test
    void aTurnEndsWithTheModelsTokensAndThoseOfTheTemplate() {
        int end = tokenizer.id("<|im_end|>").orElseThrow();
        assertThat(format.ends()).contains(EOS, end);
        GenerationRequest request = format.request(List.of(new Message("user", "a")), options(3));
        assertThat(request.options().eos()).hasValue(format.ends());
        Generation forced =
                chat().options(options(7).withLogitBias(Map.of(end, 1000.0))).send("One");
        assertThat(forced.finishReason()).isEqualTo(FinishReason.EOS);
        assertThat(forced.text()).isEmpty();
        Chat plain = Chat.of(model).options(options(9).withStop(List.of("x")));
        assertThat(Chat.Format.of(model).template().isPlain()).isTrue();
        plain.through((plainly, _) -> {
                    assertThat(plainly.options().stop()).containsExactly("x", "\nUser:");
                    return forced;
                })
                .send("One");
    }

    @Test
    void optionsMayReplaceWhatEndsATurn() {
        GenerationOptions none = options(3).withEos(Set.of());
        assertThat(format.request(List.of(new Message("user", "a")), none)
                        .options()
                        .eos())
                .hasValue(Set.of());
    }

    @Test
    void aListenerSeesTheAnswerAndMayEndIt() {
        Chat chat = chat();
        List<String> pieces = new ArrayList<>();
        Generation answer = chat.send("One", token -> {
            pieces.add(token.text());
            return pieces.size() < 3;
        });
        assertThat(answer.finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(String.join("", pieces))
                .isEqualTo(answer.text().substring(0, String.join("", pieces).length()));
        assertThat(chat.messages().getLast()).isEqualTo(new Message("assistant", answer.text()));
    }

    @Test
    void anotherAnswerHasTheNextSeedAndAnotherMessageTheFirst() {
        Chat chat = chat();
        Generation first = chat.send("One");
        Generation again = again(chat);
        assertThat(again.promptTokens()).isEqualTo(first.promptTokens());
        assertThat(again.seed()).isEqualTo(first.seed() + 1);
        assertThat(again.text()).isNotEqualTo(first.text());
        assertThat(chat.messages()).hasSize(2).last().isEqualTo(new Message("assistant", again.text()));
        assertThat(chat.send("Two").seed()).isEqualTo(first.seed());
        assertThat(chat.undo().turns()).isEqualTo(1);
        assertThat(chat.undo().messages()).isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(chat::undo)
                .withMessage("conversation: expected a message of yours, got none; write one first");
    }

    @Test
    void theOldestTurnsAreLeftOutOfAFullContextAndTheSystemsMessageStays() {
        Chat chat = chat().system("Hi");
        String message = "It is a truth universally acknowledged, that a single man must be in want of a wife.";
        int most = 307 - 307 / 4;
        for (int turn = 1; turn <= 12; turn++) {
            Generation answer = chat.send(message);
            assertThat(answer.promptTokens().length).as("turn " + turn).isLessThanOrEqualTo(most);
            assertThat(prompt(answer)).startsWith("<|im_start|>system\nHi<|im_end|>\n<|im_start|>user\nIt is");
        }
        assertThat(chat.turns()).isEqualTo(12);
        assertThat(chat.leftOut()).isBetween(1, 11);
        Generation again = again(chat);
        assertThat(prompt(again).split("user\n", -1)).hasSize(12 - chat.leftOut() + 1);
        assertThat(chat.undo().leftOut()).isZero();
        assertThat(chat.clear().messages()).containsExactly(new Message("system", "Hi"));
    }

    @Test
    void aFailureLeavesTheConversationAsBefore() {
        Chat chat = chat();
        chat.send("One");
        List<Message> before = chat.messages();
        assertThatThrownBy(() -> chat.send("word ".repeat(400)))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("prompt: expected at most 307 tokens, the context length, got ");
        assertThat(chat.messages()).isEqualTo(before);
        assertThat(chat.leftOut()).isZero();
        assertThatIllegalStateException()
                .isThrownBy(() -> again(chat.through((_, _) -> {
                    throw new IllegalStateException("no");
                })));
        assertThat(chat.messages()).isEqualTo(before);
    }

    /** The number of renderings is how often the template's variables are read. */
    @Test
    void turnsAreLeftOutWithFewRenderings() {
        List<Integer> renderings = new ArrayList<>();
        for (int turns : List.of(50, 100, 200)) {
            AtomicInteger count = new AtomicInteger();
            Map<String, String> variables = new AbstractMap<>() {
                @Override
                public Set<Entry<String, String>> entrySet() {
                    count.incrementAndGet();
                    return Set.of();
                }
            };
            List<Message> messages = new ArrayList<>();
            for (int turn = 0; turn < turns; turn++) {
                messages.add(new Message("user", "It is a truth universally acknowledged."));
                messages.add(new Message("assistant", "It is."));
            }
            Chat chat = Chat.of(format.withVariables(variables)).options(options(1));
            chat.send("One");
            int once = count.getAndSet(0);
            chat.messages(messages);
            Generation answer = chat.send("Two");
            renderings.add(count.get() / once);
            assertThat(answer.promptTokens().length).isBetween(307 / 4, 307 / 2);
        }
        assertThat(renderings.getFirst()).isLessThanOrEqualTo(8);
        assertThat(renderings.getLast()).isLessThanOrEqualTo(renderings.getFirst() + 2);
    }

    @Test
    void aFailedAttemptIsNotCounted() {
        Chat chat = chat();
        Generation first = chat.send("One");
        again(chat);
        chat.through((_, _) -> {
            throw new IllegalStateException("no");
        });
        assertThatIllegalStateException().isThrownBy(() -> again(chat));
        assertThatIllegalStateException().isThrownBy(() -> chat.send("Two"));
        chat.through(new Generator(model)::relay);
        assertThat(again(chat).seed()).isEqualTo(first.seed() + 2);
    }

    private enum Mood {
        CALM,
        MERRY
    }

    private record Visit(Mood mood, boolean alone) {}

    @Test
    void anAnswerMayBeARecord() throws FormatException {
        Chat chat = chat().tools(List.of(RecordSchema.of(Visit.class).tool("visit", "Visits.")));
        chat.options(options(60));
        Visit visit = chat.ask("How was it?", Visit.class);
        String document = (String) chat.messages().getLast().fields().get("content");
        assertThat(document).contains(visit.mood().name()).contains("" + visit.alone());
        assertThat(prompt(chat.last().orElseThrow().generation())).doesNotContain("Visits.");
        List<Message> before = chat.messages();
        chat.options(options(2));
        assertThatThrownBy(() -> chat.ask("And now?", Visit.class)).isInstanceOf(FormatException.class);
        assertThat(chat.messages()).isEqualTo(before);
        assertThat(chat.send("And then?").constrained()).isEmpty();
    }

    @Test
    void aConversationGoesOnInAnotherChat() {
        Chat chat = chat().system("Hi");
        chat.send("One");
        Chat other = chat().messages(chat.messages());
        assertThat(other.send("Two").tokens()).isEqualTo(chat.send("Two").tokens());
        assertThat(other.system("").messages().getFirst()).isEqualTo(new Message("user", "One"));
    }

    @Test
    void variablesReachTheTemplate() {
        Chat chat = Chat.of(format.withVariables(Map.of("mood", "happy"))).options(options(2));
        assertThat(prompt(chat.send("One"))).endsWith("assistant\nhappy");
    }
}
