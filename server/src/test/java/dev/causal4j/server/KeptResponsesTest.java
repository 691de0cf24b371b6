package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.server.KeptResponses.Kept;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class KeptResponsesTest {
    private final KeptResponses kept = new KeptResponses(1024);

    private static Kept of(String owner, String previous, int bytes) {
        return new Kept(owner, owner, previous, new byte[0], List.of(new byte[0]), new byte[bytes]);
    }

    private List<Integer> left(String owner, int of) {
        return IntStream.range(0, of)
                .filter(i -> kept.get(owner, "resp_" + i).isPresent())
                .boxed()
                .toList();
    }

    @Test
    void ofTenThousandTheLastThousandAreKept() {
        for (int i = 0; i < 10_000; i++) {
            kept.add("resp_" + i, of("", "", 100));
        }
        assertThat(left("", 10_000))
                .isEqualTo(IntStream.range(10_000 - 1024, 10_000).boxed().toList());
    }

    @Test
    void largeOnesAreKeptInTheBytesThatThereAre() {
        for (int i = 0; i < 100; i++) {
            kept.add("resp_" + i, of("", "", 5 << 20));
        }
        assertThat(left("", 100))
                .isEqualTo(IntStream.range(100 - 12, 100).boxed().toList());
        kept.add("resp_0", of("", "", 65 << 20));
        assertThat(left("", 100)).as("one that is too large alone").isEmpty();
    }

    @Test
    void theLeastRecentlyUsedGoesFirst() {
        IntStream.range(0, 1024).forEach(i -> kept.add("resp_" + i, of("", i == 0 ? "" : "resp_0", 100)));
        kept.history("", "resp_1");
        IntStream.range(1024, 1030).forEach(i -> kept.add("resp_" + i, of("", "", 100)));
        assertThat(left("", 10)).containsExactly(0, 1, 8, 9);
    }

    @Test
    void whoeverHasTheMostMakesRoom() {
        kept.add("resp_0", of("a", "", 100));
        IntStream.range(1, 5000).forEach(i -> kept.add("resp_" + i, of("b", "", 100)));
        assertThat(left("a", 5000)).containsExactly(0);
        assertThat(left("b", 5000)).hasSize(1023);
    }

    /** Without keys all are one owner, and still no caller takes the room of another. */
    @Test
    void ofOneOwnerTheCallerWithMostMakesRoom() {
        byte[] none = {};
        kept.add("resp_0", new Kept("", "one", "", none, List.of(), none));
        IntStream.range(1, 5000).forEach(i -> kept.add("resp_" + i, new Kept("", "other", "", none, List.of(), none)));
        assertThat(left("", 5000)).hasSize(1024).contains(0);
    }

    @Test
    void aHistoryIsWholeOrRefused() {
        kept.add("resp_1", of("a", "", 1));
        kept.add("resp_2", of("a", "resp_1", 2));
        kept.add("resp_4", of("a", "resp_3", 4));
        assertThat(kept.history("a", "resp_2"))
                .extracting(each -> each.whole().length)
                .containsExactly(1, 2);
        assertThat(kept.history("a", "")).isEmpty();
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> kept.history("a", "resp_4"))
                .withMessage(
                        "previous_response_id: expected a response that is kept, as are all before it, got \"resp_3\"");
        assertThatExceptionOfType(ApiError.class).isThrownBy(() -> kept.history("b", "resp_2"));
    }

    /** A request that waits keeps them all. */
    @Test
    void settingsTogetherHaveABound() {
        String many = "[" + "0,".repeat(9_000) + "0]";
        String fields = "{'input': 'x', 'user': %s, 'service_tier': %s}";
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> new Responses(new KeptResponses(1))
                        .read(Unserved.in(fields.formatted(many, many)), Unserved.SERVED, ""))
                .withMessage("user: expected at most 16384 JSON values in all, got 18021");
    }

    @Test
    void aHistoryIsCountedAndBoundedBeforeItIsRead() {
        KeptResponses store = new KeptResponses(8);
        byte[] large = new byte[3 << 20];
        store.add("resp_1", new Kept("", "", "", large, List.of(), new byte[0]));
        store.add("resp_2", new Kept("", "", "resp_1", large, List.of(large), new byte[0]));
        Responses dialect = new Responses(store);
        String next = "{'input': 'x', 'previous_response_id': 'resp_%d'}";
        assertThat(dialect.remembered(Unserved.in(next.formatted(1)), "", "")).isEqualTo(3 << 20);
        assertThat(dialect.held()).isEqualTo(3 << 20);
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> dialect.remembered(Unserved.in(next.formatted(2)), "", ""))
                .withMessage("previous_response_id: expected items of at most 8388608 bytes in all, got 9437184");
        String refers = "{'input': [%s{'type': 'item_reference', 'id': 'msg_2_0'}]}";
        assertThat(dialect.remembered(Unserved.in(refers.formatted("")), "", ""))
                .isEqualTo(3 << 20);
        String twice = "{'type': 'item_reference', 'id': 'msg_2_0'}, ".repeat(2);
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> dialect.remembered(Unserved.in(refers.formatted(twice)), "", ""));
    }
}
