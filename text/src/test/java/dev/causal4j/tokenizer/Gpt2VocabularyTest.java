package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** GPT-2's real vocabulary, with OpenAI's encoding (in jtokkit) as the oracle; and small cases from the peers' tests. */
class Gpt2VocabularyTest {
    private static Tokenizer gpt2;
    private static Encoding oracle;

    @BeforeAll
    static void read() throws IOException {
        gpt2 = Fixtures.gpt2();
        oracle = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
    }

    @Test
    void theKnownSentenceHasTheKnownIds() {
        assertThat(gpt2.vocabularySize()).isEqualTo(50_257);
        assertThat(gpt2.encode("Hello, my dog's cute")).containsExactly(15496, 11, 616, 3290, 338, 13779);
        assertThat(gpt2.encode("The dog")).containsExactly(464, 3290);
        assertThat(gpt2.encode("<|endoftext|>", SpecialTokens.PARSE)).containsExactly(50256);
        assertThat(gpt2.piece(3290)).isEqualTo("\u0120dog");
    }

    // Where the pattern of later models splits otherwise.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "in 2023",
                "(hello)",
                "I'LL I'll",
                "a.\n\nb",
                "Hello\n\nHello",
                "  two  spaces ",
                "1234567 12",
                "x \t\r\n y"
            })
    void wordsAreSplitByGpt2sOwnPattern(String text) {
        assertThat(gpt2.encode(text))
                .containsExactly(oracle.encodeOrdinary(text).toArray());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void idsOfRandomTextsAreThoseOfTheOracle(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            String text = Fixtures.randomText(random, 1 + random.nextInt(50));

            int[] ids = gpt2.encode(text, SpecialTokens.AS_TEXT);

            assertThat(ids).as(text).containsExactly(oracle.encodeOrdinary(text).toArray());
            assertThat(gpt2.decode(ids)).isEqualTo(text);
        }
    }

    // The peers merge strings, so their vocabularies may lack what lies between; here it comes after, with higher ids.
    private static Tokenizer withParts(List<String> pieces, String merges) throws IOException {
        Set<String> all = new LinkedHashSet<>(pieces);
        for (String merge : merges.split(",", -1)) {
            List<String> parts = List.of(merge.split(" ", -1));
            all.addAll(parts);
            all.add(String.join("", parts));
        }
        return Fixtures.of(List.copyOf(all), List.of(merges.split(",", -1)));
    }

    @Test
    void casesOfTheGpt2TokenizerInTensorFlowJs() throws IOException {
        Tokenizer tokenizer = withParts(
                List.of("<|endoftext|>", "Ġair", "plane", "Ġat", "port", "Ġkoh", "li", "Ġis", "Ġthe", "Ġbest"),
                "Ġ a,Ġ t,Ġ k,Ġ i,Ġ b,Ġa i,p l,n e,Ġa t,p o,r t,o h,l i,Ġi s,Ġb e,s t,Ġt h,Ġai r,pl a,Ġk oh,Ġth e,"
                        + "Ġbe st,po rt,pla ne");

        assertThat(tokenizer.encode(" airplane at airport")).containsExactly(1, 2, 3, 1, 4);
        assertThat(tokenizer.encode(" airplane at airport<|endoftext|>", SpecialTokens.PARSE))
                .containsExactly(1, 2, 3, 1, 4, 0);
        assertThat(tokenizer.encode(" kohli is the best")).containsExactly(5, 6, 7, 8, 9);
        assertThat(tokenizer.decode(1, 2, 3, 1, 4, 0)).isEqualTo(" airplane at airport<|endoftext|>");
        assertThat(tokenizer.decodeWithoutSpecial(1, 2, 3, 1, 4, 0)).isEqualTo(" airplane at airport");
    }

    @Test
    void casesOfTheGpt2PreprocessorInTensorFlowJs() throws IOException {
        Tokenizer tokenizer = withParts(
                List.of("!", "air", "Ġair", "plane", "Ġat", "port", "<|endoftext|>"),
                "Ġ a,Ġ t,Ġ i,Ġ b,a i,p l,n e,Ġa t,p o,r t,Ġt h,ai r,pl a,po rt,Ġai r,Ġa i,pla ne");

        assertThat(tokenizer.encode("airplane at airport")).containsExactly(1, 3, 4, 2, 5);
    }

    @Test
    void casesOfBytePairEncodingInTensorFlowJs() throws IOException {
        Tokenizer tokenizer =
                withParts(List.of("br", "wn", "ck", "b", "r", "o", "w", "n", ".", "l", "a", "c", "d"), "b r,w n,c k");

        assertThat(tokenizer.encode("brown.")).containsExactly(0, 5, 1, 8);
        assertThat(tokenizer.encode("black.")).containsExactly(3, 9, 10, 2, 8);
        assertThat(Fixtures.of(List.of("sp", "s", "p"), List.of("s p")).encode("sp"))
                .containsExactly(0);
        assertThat(Fixtures.of(List.of("sp", "s", "p"), List.of()).encode("sp")).containsExactly(1, 2);
    }
}
