package dev.causal4j.server;

import static dev.causal4j.server.Unserved.MODEL;
import static dev.causal4j.server.Unserved.SERVED;
import static dev.causal4j.server.Unserved.in;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.generation.Engine;
import io.undertow.server.HttpServerExchange;
import org.junit.jupiter.api.Test;

class SequencesTest {
    private static final int TOKEN = (4 + 4) * Limits.LOGPROB_BYTES;

    private static Sequences sequences(Engine engine, Shares bytes, String body) {
        Call call = new Call(new HttpServerExchange(null), new CompletionApi(), "caller", 0, () -> new byte[0]);
        return new Sequences(
                engine, new CompletionApi().read(in(body), SERVED, ""), new Metrics(engine, ""), call, bytes);
    }

    @Test
    void logProbabilitiesTakeBytesAsTheyComeAndGiveThemBack() throws InterruptedException {
        Shares bytes = new Shares(12 * TOKEN, 0);
        try (Engine engine = new Engine(MODEL)) {
            String body = "{'prompt': 'Emma was', 'logprobs': 4, 'max_tokens': 12, 'ignore_eos': true}";
            Sequences sequences = sequences(engine, bytes, body);
            assertThat(sequences.generation(0).predictions()).hasSize(12);
            assertThat(bytes.take("other", 7 * TOKEN)).isFalse();
            sequences.close();
            assertThat(bytes.take("other", 12 * TOKEN)).isTrue();
        }
    }

    @Test
    void tokensAloneTakeBytes() throws InterruptedException {
        Shares bytes = new Shares(12 * 2 * Limits.LOGPROB_BYTES, 0);
        try (Engine engine = new Engine(MODEL)) {
            Sequences sequences =
                    sequences(engine, bytes, "{'prompt': 'Emma was', 'n': 2, 'max_tokens': 6, 'ignore_eos': true}");
            assertThat(sequences.generation(0).tokens()).hasSize(6);
            assertThat(sequences.generation(1).tokens()).hasSize(6);
            assertThat(bytes.take("other", 7 * 2 * Limits.LOGPROB_BYTES)).isFalse();
            sequences.close();
            assertThat(bytes.take("other", 12 * 2 * Limits.LOGPROB_BYTES)).isTrue();
        }
    }

    /** A grammar with a remainder of its own for each of 300 ways to read a text. */
    @Test
    void whatAConstraintKeepsForATextTakesBytes() {
        StringBuilder grammar = new StringBuilder("root ::= .*");
        for (int i = 1; i <= 300; i++) {
            grammar.append("|r").append(i);
        }
        for (int i = 1; i <= 300; i++) {
            String own = Integer.toString(i, 6).replaceAll("(.)", "\\\\\\\\x1$1");
            grammar.append("\\nr%1$d ::= [^{%2$s] r%1$d [q%2$s] | [{%2$s]".formatted(i, own));
        }
        Shares bytes = new Shares(1 << 20, 0);
        try (Engine engine = new Engine(MODEL)) {
            String body = "{'prompt': 'Emma was', 'max_tokens': 200, 'ignore_eos': true, 'guided_grammar': '%s'}";
            Sequences sequences = sequences(engine, bytes, body.formatted(grammar));
            assertThatExceptionOfType(ApiError.class)
                    .isThrownBy(() -> sequences.generation(0))
                    .matches(error -> error.status == ApiError.bytesFull().status);
            sequences.close();
            assertThat(bytes.take("other", 1 << 20)).isTrue();
        }
    }

    @Test
    void aTokenWithoutRoomForItsLogProbabilitiesEndsItsRequest() {
        Shares bytes = new Shares(3 * TOKEN, 0);
        try (Engine engine = new Engine(MODEL)) {
            String body = "{'prompt': 'Emma was', 'logprobs': 4, 'max_tokens': 200, 'ignore_eos': true}";
            Sequences sequences = sequences(engine, bytes, body);
            assertThatExceptionOfType(ApiError.class)
                    .isThrownBy(() -> sequences.generation(0))
                    .matches(error -> error.status == ApiError.bytesFull().status);
            sequences.close();
            assertThat(bytes.take("other", 3 * TOKEN)).isTrue();
        }
    }
}
