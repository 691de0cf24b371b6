package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The oracle is Hugging Face's own pre-tokenizer, which says to which word each of its tokens belongs. */
class SplitterTest {
    private static HuggingFaceTokenizer peer;
    private static Tokenizer austen;

    @BeforeAll
    static void load() throws IOException {
        peer = HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(Fixtures.resource("tokenizer.json")), Map.of("truncation", "false"));
        austen = Fixtures.austen();
    }

    @AfterAll
    static void close() {
        peer.close();
    }

    /** To Java 21, which has Unicode 15, newer characters are of no kind. */
    @EnabledForJreRange(min = JRE.JAVA_24)
    @Test
    void everyCharacterIsOfTheKindItIsToHuggingFace() {
        StringBuilder text = new StringBuilder();
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            int type = Character.getType(c);
            boolean oneOfMany = type == Character.UNASSIGNED
                    || type == Character.PRIVATE_USE
                    || Character.isIdeographic(c)
                    || (c >= 0xac00 && c <= 0xd7a3); // Hangul
            if (type == Character.SURROGATE || (oneOfMany && c % 97 != 0)) {
                continue; // all 1,112,064 were tried once; that takes most of a minute
            }
            String s = Character.toString(c);
            text.append("!").append(s).append("a").append(s).append("1").append(s);
            if (text.length() > 1 << 12) {
                assertThat(words(text.toString())).isEqualTo(peerWords(text.toString()));
                text.setLength(0);
            }
        }
    }

    /**
     * Counts letters and digits of Unicode 16, as in Hugging Face's library. A newer JDK would split new characters
     * otherwise.
     */
    @EnabledForJreRange(min = JRE.JAVA_24)
    @ParameterizedTest
    @CsvSource({"L, 141028", "N, 1911", "M, 2501", "P, 855", "S, 8514"})
    void classesHaveTheCodePointsOfUnicode16(String name, int count) {
        Pattern pattern = Pattern.compile("\\p{" + name + "}");

        assertThat(IntStream.rangeClosed(0, Character.MAX_CODE_POINT)
                        .mapToObj(Character::toString)
                        .filter(c -> pattern.matcher(c).matches())
                        .count())
                .isEqualTo(count);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'s't're've'm'll'd 'S 'x's !'s 's1's",
                "don't we'll I'LL they've 'tis it''s l'l",
                "   x  1  !   \n\n  y \t",
                " ",
                "  ",
                "\n",
                "a\u00a0 b \u00a0c\u3000\u3000d\u0085\u2028",
                "\u001c\u001d\u001e\u001f\u180e\u200b\ufeff x",
                "e\u0301\u0301 \u0e01\u0e33 \u00bd\u00b2\u2167 12a34"
            })
    void wordsAreThoseOfHuggingFace(String text) {
        assertThat(words(text)).isEqualTo(peerWords(text));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void wordsOfRandomTextsAreThoseOfHuggingFace(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            String text = Fixtures.randomText(random, 1 + random.nextInt(50)).replace(Tokenizer.END_OF_TEXT, "");
            assertThat(words(text)).as(text).isEqualTo(peerWords(text));
        }
    }

    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        Fixtures.split(text, words::add);
        return words;
    }

    private static List<String> peerWords(String text) {
        Encoding encoding = peer.encode(text, false, false);
        int[] ids = Arrays.stream(encoding.getIds()).mapToInt(id -> (int) id).toArray();
        long[] word = encoding.getWordIds();
        List<String> words = new ArrayList<>();
        for (int from = 0; from < ids.length; ) {
            int to = from + 1;
            while (to < ids.length && word[to] == word[from]) {
                to++;
            }
            words.add(austen.decode(Arrays.copyOfRange(ids, from, to)));
            from = to;
        }
        return words;
    }
}
