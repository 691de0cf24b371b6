package dev.causal4j.server;

import static dev.causal4j.server.Served.MODEL;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.GenerationOptions;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class ServedModelTest {
    private static ServedModel served() {
        CompletableFuture<String> fingerprint = CompletableFuture.failedFuture(new OutOfMemoryError());
        return new ServedModel(
                MODEL,
                MODEL.requireTokenizer(),
                Chat.Format.of(MODEL, ChatTemplate.plain()),
                "name",
                1,
                1,
                1,
                GenerationOptions.DEFAULT,
                0,
                fingerprint,
                Optional.empty());
    }

    @Test
    void aFingerprintThatFailedIsItsOwnAndEqualsNoOther() {
        ServedModel served = served();
        String fingerprint = served.fingerprint().join();
        assertThat(fingerprint).matches("fp_[0-9a-f]{8}");
        assertThat(served.fingerprint().join()).isEqualTo(fingerprint);
        assertThat(served().fingerprint().join()).isNotEqualTo(fingerprint);
    }
}
