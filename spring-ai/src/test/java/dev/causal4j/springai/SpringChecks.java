package dev.causal4j.springai;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.ai.util.JsonHelper;

/** Checks of models in this process by Spring AI's interfaces. None depends on what a model knows. */
@NullUnmarked // where Spring AI has nothing to give, a check fails
@Timeout(60)
class SpringChecks {
    static final Subject S = Subject.IT;
    static final ChatModel CHAT = S.chat(ObservationRegistry.NOOP);
    static final EmbeddingModel EMBED = S.embedding(ObservationRegistry.NOOP);
    static final JsonHelper JSON = new JsonHelper();

    enum Kind {
        SPAM,
        HAM,
        UNKNOWN
    }

    record Verdict(Kind kind, boolean sure) {}

    static final class Tools {
        final AtomicInteger calls = new AtomicInteger();
        final AtomicReference<Kind> last = new AtomicReference<>();

        @Tool(description = "files a letter")
        String file(Kind kind, boolean urgent) {
            calls.incrementAndGet();
            last.set(kind);
            return "filed";
        }
    }

    static final class Seen implements ObservationHandler<Observation.Context> {
        final List<Observation.Context> stopped = new ArrayList<>();
        volatile boolean interrupted;

        @Override
        public synchronized void onStop(Observation.Context context) {
            stopped.add(context);
            interrupted |= Thread.currentThread().isInterrupted();
        }

        @Override
        public boolean supportsContext(Observation.Context context) {
            return true;
        }

        static ObservationRegistry registry(Seen seen) {
            ObservationRegistry registry = ObservationRegistry.create();
            registry.observationConfig().observationHandler(seen);
            return registry;
        }

        Observation.Context only() throws InterruptedException {
            for (int i = 0; i < 300 && stopped.isEmpty(); i++) {
                Thread.sleep(10);
            }
            assertEquals(1, stopped.size());
            return stopped.getFirst();
        }
    }

    /** Warm enough that a model of random weights says something. */
    static ChatOptions.Builder<?> options(long seed, int tokens) {
        return S.seed(S.options(), seed).maxTokens(tokens).temperature(3.0);
    }

    static Prompt prompt(String text, long seed, int tokens) {
        return new Prompt(text, options(seed, tokens).build());
    }

    /** At temperature 0 a model of random weights repeats itself and does not end. */
    static Prompt endless(int tokens) {
        return new Prompt("a", options(1, tokens).temperature(0.0).build());
    }

    static String text(ChatResponse response) {
        return response.getResult().getOutput().getText();
    }

    static String reason(ChatResponse response) {
        return response.getResult().getMetadata().getFinishReason();
    }

    static Usage usage(ChatResponse response) {
        return response.getMetadata().getUsage();
    }

    static int in(ChatResponse response) {
        return usage(response).getPromptTokens();
    }

    static int out(ChatResponse response) {
        return usage(response).getCompletionTokens();
    }

    static void idle() throws InterruptedException {
        for (int i = 0; i < 500 && S.running() > 0; i++) {
            Thread.sleep(10);
        }
        assertEquals(0, S.running(), "sequences that nobody waits for");
    }

    @AfterEach
    void nothingIsLeft() throws InterruptedException {
        idle();
    }
}
