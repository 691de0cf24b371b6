package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AccessTest {
    private static Access access(String host, boolean loopback, List<String> keys, List<String> names) {
        ServerOptions options =
                ServerOptions.DEFAULT.withAddress(host, 0).withKeys(keys).withHostNames(names);
        return new Access(options, loopback);
    }

    @ParameterizedTest
    @CsvSource({
        "localhost, true",
        "LocalHost:8080, true",
        "127.0.0.1:1, true",
        "192.168.1.5:8080, true",
        "[::1]:8080, true",
        "[fe80::1], true",
        "box.lan:8080, true",
        "Box.lan, true",
        "evil.example, false",
        "127.0.0.1.evil.example, false",
        "192.168.1.5.nip.io:8080, false",
        "localhost.evil.example, false",
        "user@localhost, false",
        "localhost:1:2, false",
        "localhost., false",
        "::1, false",
        "*, false",
        "'', false"
    })
    void namesThatAPageCouldMakeItsOwnAreUnknownWithoutAKey(String host, boolean known) {
        List<String> names = List.of("box.LAN");
        assertThat(access("127.0.0.1", true, List.of(), names).isOurs(host)).isEqualTo(known);
        assertThat(access("127.0.0.1", true, List.of("key"), names).isOurs(host))
                .isEqualTo(known);
        assertThat(access("0.0.0.0", false, List.of(), names).isOurs(host)).isEqualTo(known);
        assertThat(access("box.lan", false, List.of(), List.of()).isOurs(host)).isEqualTo(known);
        assertThat(access("0.0.0.0", false, List.of("key"), names).isOurs(host)).isTrue();
        assertThat(access("0.0.0.0", false, List.of(), List.of("*")).isOurs(host))
                .isTrue();
    }
}
