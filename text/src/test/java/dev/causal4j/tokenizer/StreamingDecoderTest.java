package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StreamingDecoderTest {
    private final Tokenizer austen = Fixtures.austen();

    StreamingDecoderTest() throws IOException {}

    private List<String> stream(int... ids) {
        StreamingDecoder decoder = austen.decoder();
        List<String> parts = new ArrayList<>();
        for (int id : ids) {
            parts.add(decoder.accept(id));
        }
        parts.add(decoder.finish());
        return parts;
    }

    /** The ids of single bytes: the first 256 of the vocabulary, in the order of the alphabet. */
    private int[] ids(int... bytes) {
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            for (int id = 0; id < 256; id++) {
                byte[] piece = austen.bytes(id);
                if (piece.length == 1 && piece[0] == (byte) bytes[i]) {
                    ids[i] = id;
                }
            }
        }
        return ids;
    }

    @Test
    void bytesOfTheirOwnComeWithTheNextTokenThatIsNone() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("llama2-style");
        int[] ids = tokenizer.encode("a\ud83d\ude42b");
        StreamingDecoder decoder = tokenizer.decoder();

        // The mark before the text is no space of it, and one token's text is not that of a whole.
        List<String> parts = Arrays.stream(ids).mapToObj(decoder::accept).toList();
        assertThat(parts).hasSize(6).startsWith("a", "", "", "", "").endsWith("\ud83d\ude42b");
        assertThat(decoder.finish()).isEmpty();
        assertThat(decoder.accept(ids[1]) + decoder.accept(ids[2]) + decoder.finish())
                .isEqualTo("\ufffd\ufffd");
    }

    @Test
    void aLeadingSpaceIsDroppedOnceUnlessTheTextGoesOn() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("llama2-style");
        int[] ids = tokenizer.encode("a b");
        StreamingDecoder first = tokenizer.decoder();
        StreamingDecoder next = tokenizer.continuingDecoder();
        StringBuilder text = new StringBuilder();
        StringBuilder more = new StringBuilder();
        for (int id : ids) {
            text.append(first.accept(id));
            more.append(next.accept(id));
        }

        assertThat(text).hasToString("a b");
        assertThat(more).hasToString(" a b");
    }

    @Test
    void aTextBeginsBehindSpecialTokensAlone() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("llama2-style");
        int[] ids = tokenizer.encode("a");
        int[] prefix = tokenizer.withPrefix(new int[0]);
        assertThat(prefix).isNotEmpty();
        assertThat(tokenizer.decoderBehind(prefix).accept(ids[0])).isEqualTo("a");
        assertThat(tokenizer.decoderBehind(ids[0]).accept(ids[0])).isEqualTo(" a");
        assertThat(tokenizer.decoderBehind(tokenizer.withPrefix(ids)).accept(ids[0]))
                .isEqualTo(" a");
    }

    @Test
    void aCharacterComesWithItsLastByte() {
        assertThat(stream(ids('a', 0xc3, 0xa9, 'b'))).containsExactly("a", "", "\u00e9", "b", "");
        assertThat(stream(ids(0xe4, 0xb8, 0x96))).containsExactly("", "", "\u4e16", "");
        assertThat(stream(ids(0xf0, 0x9f, 0x99, 0x82))).containsExactly("", "", "", "\ud83d\ude42", "");
        assertThat(stream(ids('e', 0xcc, 0x81))).containsExactly("e", "", "\u0301", "");
    }

    @Test
    void bytesThatCannotBecomeACharacterAreReplacedAtOnce() {
        assertThat(stream(ids(0xff, 'a'))).containsExactly("\ufffd", "a", "");
        assertThat(stream(ids(0xe4, 'a'))).containsExactly("", "\ufffda", "");
        assertThat(stream(ids(0xe0, 0x80))).containsExactly("", "\ufffd\ufffd", "");
        assertThat(stream(ids(0xed, 0xa0))).containsExactly("", "\ufffd\ufffd", "");
    }

    @Test
    void anUnfinishedCharacterIsOneReplacementAtTheEnd() {
        assertThat(stream(ids('a', 0xf0, 0x9f, 0x99))).containsExactly("a", "", "", "", "\ufffd");
        assertThat(stream(ids(0xc3))).containsExactly("", "\ufffd");
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void allPartsTogetherAreTheTextDecodedAtOnce(long seed) {
        Random random = new Random(seed);
        int[] bytes = ids(0xf0, 0x9f, 0x99, 0x82, 0xe0, 0xa0, 0xc3, 'a');
        for (int round = 0; round < 2000; round++) {
            // Single bytes are mostly no UTF-8; few different ones are more often nearly so.
            int bound = List.of(256, 2048, 8).get(round % 3);
            int[] ids = random.ints(random.nextInt(30), 0, bound)
                    .map(id -> bound == 8 ? bytes[id] : id)
                    .toArray();

            assertThat(String.join("", stream(ids))).isEqualTo(austen.decode(ids));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void noPartOfAValidTextEndsInsideACharacter(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            String text = Fixtures.randomText(random, 40).replace("\ufffd", "")
                    + "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67 e\u0301 \ud83c\uddeb\ud83c\uddf7";
            List<String> parts = stream(austen.encode(text));

            assertThat(String.join("", parts)).isEqualTo(text);
            assertThat(parts)
                    .allSatisfy(part -> assertThat(part)
                            .doesNotContain("\ufffd")
                            .isEqualTo(new String(part.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8)));
        }
    }

    @Test
    void anUnknownIdLeavesTheDecoderAsItWas() {
        StreamingDecoder decoder = austen.decoder();
        int[] ids = ids(0xc3, 0xa9);

        assertThat(decoder.accept(ids[0])).isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> decoder.accept(2048))
                .withMessage("token id: expected 0 to 2047, got 2048");
        assertThat(decoder.accept(ids[1])).isEqualTo("\u00e9");
    }

    @Test
    void afterTheEndADecoderIsAsNew() {
        StreamingDecoder decoder = austen.decoder();
        int[] ids = ids(0xc3, 0xa9);

        decoder.accept(ids[0]);
        assertThat(decoder.finish()).isEqualTo("\ufffd");
        assertThat(decoder.finish()).isEmpty();
        assertThat(decoder.accept(ids[0]) + decoder.accept(ids[1])).isEqualTo("\u00e9");
    }
}
