package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.server.Bodies.Body;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class BodiesTest {
    private final Bodies bodies = new Bodies();
    private final List<String> givenUp = new ArrayList<>();

    private Body begin(String name, Object address) {
        return bodies.begin(address, () -> givenUp.add(name));
    }

    @Test
    void theOldestOfAnAddressIsGivenUpForOneMore() {
        Body other = begin("other", "b");
        for (int i = 0; i < Limits.UNFINISHED_BODIES_OF_ADDRESS; i++) {
            begin("a" + i, "a");
        }
        assertThat(givenUp).isEmpty();
        begin("more", "a");
        assertThat(givenUp).containsExactly("a0");
        assertThat(other.add(new byte[1])).isTrue();
    }

    @Test
    void theOldestOfAllIsGivenUpForOneMore() {
        for (int i = 0; i < Limits.UNFINISHED_BODIES; i++) {
            begin("of " + i, i);
        }
        assertThat(givenUp).isEmpty();
        begin("more", "more");
        assertThat(givenUp).containsExactly("of 0");
    }

    @Test
    void theLargestIsGivenUpForBytesThatDoNotFit() {
        Body small = begin("small", "a");
        assertThat(small.add(new byte[1])).isTrue();
        int most = Limits.UNFINISHED_BYTES / Limits.BODY_BYTES;
        for (int i = 0; i < most; i++) {
            begin("large", "a").add(new byte[Limits.BODY_BYTES - i]);
        }
        assertThat(givenUp).isEmpty();
        assertThat(begin("more", "a").add(new byte[most * most])).isTrue();
        assertThat(givenUp).containsExactly("large");
        assertThat(small.add(new byte[1])).isTrue();
    }

    @Test
    void oneThatIsTooLongIsGivenUp() {
        Body body = begin("long", "a");
        assertThat(body.add(new byte[Limits.BODY_BYTES])).isTrue();
        assertThat(body.add(new byte[1])).isFalse();
        assertThat(givenUp).containsExactly("long");
    }

    @Test
    void thoseThatAreWholeKeepNoOtherOut() {
        List<Body> whole = new ArrayList<>();
        for (int i = 0; i < Limits.UNFINISHED_BYTES / Limits.BODY_BYTES; i++) {
            Body body = begin("whole", "a");
            body.add(new byte[Limits.BODY_BYTES]);
            body.end();
            whole.add(body);
        }
        assertThat(begin("more", "b").add(new byte[1])).isTrue();
        for (Body body : whole) {
            assertThat(body.take()).hasSize(Limits.BODY_BYTES);
            body.release(); // nothing is left
        }
        int most = Limits.UNFINISHED_BYTES / Limits.BODY_BYTES;
        for (int i = 0; i < most - 1; i++) { // nothing was counted twice
            assertThat(begin("then", "c").add(new byte[Limits.BODY_BYTES])).isTrue();
        }
        assertThat(givenUp).isEmpty();
        assertThat(begin("then", "d").add(new byte[Limits.BODY_BYTES - 1])).isTrue();
        assertThat(begin("then", "d").add(new byte[1])).isTrue();
        assertThat(givenUp).hasSize(1);
    }
}
