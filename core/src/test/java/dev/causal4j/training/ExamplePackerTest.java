package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** The numbers are those of the tests of KerasHub (StartEndPacker, GPT2CausalLMPreprocessor) and of TensorFlow.js. */
class ExamplePackerTest {
    private static final String TEXT = "airplane at airport";

    private static Tokenizer tokenizer(Collection<String> pieces, String merges) throws IOException {
        Map<String, Integer> ids = new LinkedHashMap<>();
        pieces.forEach(piece -> ids.put(piece, ids.size()));
        return Tokenizer.fromVocabulary(
                "test",
                JsonMapper.shared().writeValueAsBytes(ids),
                merges.replace(',', '\n').getBytes(StandardCharsets.UTF_8));
    }

    private static Set<String> parts(String merges) {
        Set<String> parts = new LinkedHashSet<>();
        for (String merge : merges.split(",", -1)) {
            parts.addAll(List.of(merge.split(" ", -1)));
            parts.add(merge.replace(" ", ""));
        }
        return parts;
    }

    /** KerasHub's vocabulary: what the merges need, sorted. */
    private static Tokenizer kerasHub() throws IOException {
        String merges = "\u0120 a,\u0120 t,\u0120 i,\u0120 b,a i,p l,n e,\u0120a t,p o,r t,\u0120t h,ai r,pl a,po rt,"
                + "\u0120ai r,\u0120a i,pla ne";
        Set<String> pieces = new TreeSet<>(parts(merges));
        pieces.addAll(List.of("!", Tokenizer.END_OF_TEXT));
        assertThat(pieces).hasSize(31);
        return tokenizer(pieces, merges);
    }

    private static float[] weights(int... weights) {
        float[] floats = new float[weights.length];
        IntStream.range(0, weights.length).forEach(i -> floats[i] = weights[i]);
        return floats;
    }

    @Test
    void anExampleIsThatOfKerasHub() throws IOException {
        Example example = new ExamplePacker(kerasHub(), 8, true, true).pack(TEXT);

        assertThat(example.x()).containsExactly(1, 4, 16, 26, 25, 18, 1, 0);
        assertThat(example.y()).containsExactly(4, 16, 26, 25, 18, 1, 0, 0);
        assertThat(example.weight()).containsExactly(weights(1, 1, 1, 1, 1, 1, 0, 0));
        assertThat(TrainingBatch.of(List.of(example)).targets()).containsExactly(4, 16, 26, 25, 18, 1, -100, -100);
    }

    @Test
    void startAndEndTokenMayBeLeftOut() throws IOException {
        Example example = new ExamplePacker(kerasHub(), 8, false, false).pack(TEXT);

        assertThat(example.x()).containsExactly(4, 16, 26, 25, 18, 0, 0, 0);
        assertThat(example.y()).containsExactly(16, 26, 25, 18, 0, 0, 0, 0);
        assertThat(example.weight()).containsExactly(weights(1, 1, 1, 1, 0, 0, 0, 0));
    }

    @Test
    void aPromptHasTheStartTokenAndNeverTheEndToken() throws IOException {
        for (boolean addStartToken : new boolean[] {true, false}) {
            Tokenizer tokenizer = kerasHub();
            StartEndPacker.Packed packed = new ExamplePacker(tokenizer, 8, addStartToken, true).packPrompt(TEXT);

            assertThat(packed.tokens()).containsExactly(1, 4, 16, 26, 25, 18, 0, 0);
            assertThat(packed.mask()).containsExactly(true, true, true, true, true, true, false, false);
            // KerasHub's postprocessing: what is masked or special goes.
            int[] kept = IntStream.range(0, 8)
                    .filter(i -> packed.mask()[i])
                    .map(i -> packed.tokens()[i])
                    .toArray();
            assertThat(tokenizer.decodeWithoutSpecial(kept)).isEqualTo(TEXT);
        }
    }

    /** TensorFlow.js' GPT2Preprocessor packs x alone; its vocabulary has no parts, which come after it here. */
    @Test
    void rowsAreThoseOfTensorFlowJs() throws IOException {
        String merges = "\u0120 a,\u0120 t,\u0120 i,\u0120 b,a i,p l,n e,\u0120a t,p o,r t,\u0120t h,ai r,pl a,po rt,"
                + "\u0120ai r,\u0120a i,pla ne";
        Set<String> pieces = new LinkedHashSet<>(
                List.of("!", "air", "\u0120air", "plane", "\u0120at", "port", Tokenizer.END_OF_TEXT));
        pieces.addAll(parts(merges));
        int[] ids = tokenizer(pieces, merges).encode(TEXT);
        StartEndPacker packer = packer(new int[] {6}, new int[] {6}, 0);

        assertThat(packer.pack(ids, 8).tokens()).containsExactly(6, 1, 3, 4, 2, 5, 6, 0);
        assertThat(packer.pack(ids, 8).mask()).containsExactly(true, true, true, true, true, true, true, false);
        assertThat(packer.pack(ids, 8, false, false).tokens()).containsExactly(1, 3, 4, 2, 5, 0, 0, 0);
        assertThat(packer.pack(ids, 4).tokens()).containsExactly(6, 1, 3, 6);
    }

    @Test
    void aTextLongerThanTheContextKeepsItsEndToken() throws IOException {
        Example example = new ExamplePacker(kerasHub(), 3, true, true).pack(TEXT);

        assertThat(example.x()).containsExactly(1, 4, 16);
        assertThat(example.y()).containsExactly(4, 16, 1);
        assertThat(example.weight()).containsExactly(weights(1, 1, 1));
    }

    private static StartEndPacker packer(int[] start, int[] end, int padding) {
        return new StartEndPacker(start, end, padding, false);
    }

    private static int[] ids(int... ids) {
        return ids;
    }

    @Test
    void startEndAndPaddingAreThoseOfThePeers() {
        StartEndPacker plain = packer(ids(), ids(), 0);
        assertThat(plain.pack(ids(5, 6, 7), 5).tokens()).containsExactly(5, 6, 7, 0, 0);
        assertThat(plain.pack(ids(8, 9, 10, 11), 5).tokens()).containsExactly(8, 9, 10, 11, 0);
        assertThat(plain.pack(ids(5, 6, 7), 3).tokens()).containsExactly(5, 6, 7);
        assertThat(plain.pack(ids(8, 9, 10, 11), 3).tokens()).containsExactly(8, 9, 10);
        StartEndPacker starting = packer(ids(-1), ids(), 0);
        assertThat(starting.pack(ids(5, 6, 7), 3).tokens()).containsExactly(-1, 5, 6);
        assertThat(starting.pack(ids(8, 9, 10, 11), 3).tokens()).containsExactly(-1, 8, 9);
        StartEndPacker both = packer(ids(1), ids(2), 0);
        assertThat(both.pack(ids(5, 6, 7), 6).tokens()).containsExactly(1, 5, 6, 7, 2, 0);
        assertThat(both.pack(ids(8, 9, 10, 11), 6).tokens()).containsExactly(1, 8, 9, 10, 11, 2);
        StartEndPacker padded = packer(ids(1), ids(2), 3);
        assertThat(padded.pack(ids(5, 6, 7), 7).tokens()).containsExactly(1, 5, 6, 7, 2, 3, 3);
        assertThat(padded.pack(ids(8, 9, 10, 11), 7).tokens()).containsExactly(1, 8, 9, 10, 11, 2, 3);
        assertThat(both.pack(ids(5, 6), 5).tokens()).containsExactly(1, 5, 6, 2, 0);
        assertThat(both.pack(ids(8, 9, 10, 11, 12, 13), 5).tokens()).containsExactly(1, 8, 9, 10, 2);
    }

    @Test
    void theMaskIsThatOfThePeers() {
        StartEndPacker both = packer(ids(1), ids(2), 0);
        assertThat(both.pack(ids(5, 6), 6).mask()).containsExactly(true, true, true, true, false, false);
        assertThat(both.pack(ids(8, 9, 10, 11), 6).mask()).containsExactly(true, true, true, true, true, true);
    }

    @Test
    void paddingMayStandOnTheLeft() {
        StartEndPacker plain = new StartEndPacker(ids(), ids(), 0, true);
        assertThat(plain.pack(ids(5, 6, 7), 5).tokens()).containsExactly(0, 0, 5, 6, 7);
        StartEndPacker both = new StartEndPacker(ids(1), ids(2), 0, true);
        assertThat(both.pack(ids(5, 6, 7), 6).tokens()).containsExactly(0, 1, 5, 6, 7, 2);
        assertThat(both.pack(ids(5, 6, 7), 6).mask()).containsExactly(false, true, true, true, true, true);
        assertThat(both.pack(ids(8, 9, 10, 11), 6).tokens()).containsExactly(1, 8, 9, 10, 11, 2);
    }

    @Test
    void startAndEndMayBeSeveralTokens() {
        StartEndPacker packer = packer(ids(1, 2), ids(3, 4), 0);
        assertThat(packer.pack(ids(5, 6, 7), 8).tokens()).containsExactly(1, 2, 5, 6, 7, 3, 4, 0);
        assertThat(packer.pack(ids(8, 9, 10, 11), 8).tokens()).containsExactly(1, 2, 8, 9, 10, 11, 3, 4);
    }

    @Test
    void longTextsAreCutAndACallMayDecideOtherwise() {
        int[] range = IntStream.range(0, 10).toArray();
        StartEndPacker long98 = packer(ids(98), ids(99), 0);
        assertThat(long98.pack(range, 7).tokens()).containsExactly(98, 0, 1, 2, 3, 4, 99);
        assertThat(long98.pack(range, 7, true, false).tokens()).containsExactly(98, 0, 1, 2, 3, 4, 5);
        StartEndPacker both = packer(ids(1), ids(2), 0);
        assertThat(both.pack(ids(5, 6, 7), 4).tokens()).containsExactly(1, 5, 6, 2);
        assertThat(both.pack(ids(5, 6, 7), 4, false, true).tokens()).containsExactly(5, 6, 7, 2);
        assertThat(both.pack(ids(5, 6, 7), 4, true, false).tokens()).containsExactly(1, 5, 6, 7);
        assertThat(both.pack(ids(5, 6, 7), 2).tokens()).containsExactly(1, 2);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> both.pack(ids(5, 6, 7), 1))
                .withMessage("sequence length: expected room for 1 start and 1 end tokens, got 1");
    }

    @Test
    void aTokenizerWithoutEndOfTextIsRefused() throws IOException {
        Tokenizer without = tokenizer(List.of("a", "b", "ab"), "a b");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ExamplePacker(without, 8, true, true))
                .withMessageStartingWith("tokenizer: expected a token <|endoftext|>");
    }
}
