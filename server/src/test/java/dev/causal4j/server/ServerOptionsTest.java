package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.causal4j.generation.Draft;
import dev.causal4j.generation.Mark;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.receipt.Receipt;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ServerOptionsTest {
    private static final Mark MARK = Mark.of(new byte[16]);

    @Test
    void eachSettingChangesItselfAlone() {
        Consumer<ServerOptions.Answered> log = _ -> {};
        UnaryOperator<Receipt> signing = receipt -> receipt;
        ServerOptions options = ServerOptions.DEFAULT
                .withAddress("::1", 1)
                .withAliases(List.of("a"))
                .withBounds(2, 3)
                .withCacheBytes(4)
                .withKeys(List.of("k"))
                .withOrigins(List.of("https://o"))
                .withHostNames(List.of("h"))
                .withResponses(5)
                .withDraft(Draft.LOOKUP)
                .withMark(MARK)
                .withReceipts(signing)
                .withPooling(Optional.of(Pooling.LAST), true)
                .withLog(log);
        assertThat(options)
                .isEqualTo(new ServerOptions(
                        "::1",
                        1,
                        List.of("a"),
                        2,
                        3,
                        4,
                        List.of("k"),
                        List.of("https://o"),
                        List.of("h"),
                        5,
                        Draft.LOOKUP,
                        null,
                        Optional.of(MARK),
                        Optional.of(signing),
                        Optional.of(Pooling.LAST),
                        true,
                        log));
    }

    @Test
    void listsAreCopied() {
        List<String> keys = new ArrayList<>(List.of("key"));
        ServerOptions options = ServerOptions.DEFAULT.withKeys(keys);
        keys.clear();
        assertThat(options.keys()).containsExactly("key");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "example.com",
                "https://example.com/",
                "https://Example.com",
                "https://",
                "",
                "//example.com",
                "https://a b"
            })
    void anOriginThatNoBrowserSendsIsRefused(String origin) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ServerOptions.DEFAULT.withOrigins(List.of(origin)))
                .withMessageStartingWith("cors-origin: expected * or scheme://host, ");
        for (String sent :
                List.of("*", "null", "https://example.com:8443", "http://[::1]:80", "chrome-extension://abc")) {
            assertThat(ServerOptions.DEFAULT.withOrigins(List.of(sent)).origins())
                    .containsExactly(sent);
        }
    }

    @Test
    void numbersOutOfTheirRangeAndBlankKeysAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ServerOptions.DEFAULT.withAddress("localhost", 65_536))
                .withMessage("port: expected 0 to 65535, got 65536");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ServerOptions.DEFAULT.withBounds(0, 0))
                .withMessage("parallel: expected at least 1, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ServerOptions.DEFAULT.withBounds(1, -1))
                .withMessage("queue: expected at least 0, got -1");
        assertThatIllegalArgumentException().isThrownBy(() -> ServerOptions.DEFAULT.withCacheBytes(-1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ServerOptions.DEFAULT.withKeys(List.of(" ")))
                .withMessage("key: expected a text, got an empty one");
    }
}
