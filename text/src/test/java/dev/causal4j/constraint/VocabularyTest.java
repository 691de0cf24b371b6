package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Masks for the tokens of a vocabulary that is no tokenizer of ours. */
class VocabularyTest {
    private static final int BYTES = 256;

    private static final List<String> CONTROL = List.of("<|end|>", "<call>");

    /** After the bytes: pairs of letters, words with other characters, and what is no text. */
    private static final List<String> NAMES = Stream.of(
                    IntStream.range(0, 26)
                            .mapToObj(i -> new String(new char[] {(char) ('a' + i), (char) ('e' + i % 20)})),
                    Stream.of("{\"", "\":", "\": ", "\",", "\"}", "},", "true", "false", "null", "10", "\u00e9", "na"),
                    Stream.of(" name", " a", "name", "\"name\""),
                    CONTROL.stream())
            .flatMap(names -> names)
            .toList();

    /** 300 tokens. */
    private static class Words implements Vocabulary {
        @Override
        public int vocabularySize() {
            return BYTES + NAMES.size();
        }

        @Override
        public byte[] bytes(int id) {
            String name = id < BYTES ? "" : NAMES.get(id - BYTES);
            return id < BYTES
                    ? new byte[] {(byte) id}
                    : (CONTROL.contains(name) ? "" : name).getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public OptionalInt id(String piece) {
            int at = NAMES.indexOf(piece);
            return at < 0 ? OptionalInt.empty() : OptionalInt.of(BYTES + at);
        }

        @Override
        public List<String> controlTokens() {
            return CONTROL;
        }
    }

    /** One of SentencePiece's kind, which drops the space at the beginning of a text. */
    private static final class Dropping extends Words {
        @Override
        public byte[] firstBytes(int id) {
            byte[] bytes = bytes(id);
            return bytes.length > 1 && bytes[0] == ' ' ? Arrays.copyOfRange(bytes, 1, bytes.length) : bytes;
        }
    }

    private static final Vocabulary WORDS = new Words();

    private static BitSet mask(Matcher matcher) {
        long[] allowed = new long[Math.ceilDiv(WORDS.vocabularySize(), 64)];
        matcher.mask(allowed);
        return BitSet.valueOf(allowed);
    }

    private static BitSet ids(Stream<String> texts) {
        BitSet ids = new BitSet();
        texts.forEach(text -> WORDS.id(text).ifPresentOrElse(ids::set, () -> ids.set(text.charAt(0))));
        return ids;
    }

    static List<Constraint> constraints() {
        return List.of(
                Constraint.schema("""
                        {"type": "object", "required": ["name"], "additionalProperties": false,
                         "properties": {"name": {"type": "string"}, "a": {"type": ["integer", "null"]}}}"""),
                Constraint.regex("(name|true| a|\u00e9){1,9}10"),
                Constraint.choice(List.of("name", " name true", "na\u00efve")),
                Constraint.grammar("root ::= \"[\" (\"true\" | root)* \"]\""));
    }

    /** The same as text: what can be read byte for byte. */
    @ParameterizedTest
    @MethodSource("constraints")
    void aTokenIsAllowedIfItsBytesAre(Constraint constraint) {
        assertThat(WORDS.vocabularySize()).isEqualTo(300);
        for (Vocabulary vocabulary : List.of(WORDS, new Dropping())) {
            Random random = new Random(7);
            for (int text = 0; text < 8; text++) {
                Matcher matcher = constraint.start(vocabulary);
                for (int length = 0; length < 24; length++) {
                    BitSet expected = new BitSet();
                    for (int id = 0; id < vocabulary.vocabularySize(); id++) {
                        byte[] bytes = length == 0 ? vocabulary.firstBytes(id) : vocabulary.bytes(id);
                        expected.set(id, bytes.length > 0 && matcher.copy().accept(bytes) == bytes.length);
                    }
                    assertThat(mask(matcher)).isEqualTo(expected);
                    if (expected.isEmpty()) {
                        assertThat(matcher.isAccepting()).isTrue();
                        break;
                    }
                    int[] allowed = expected.stream().toArray();
                    matcher.accept(allowed[random.nextInt(allowed.length)]);
                }
            }
        }
    }

    @Test
    void aMarkIsAControlTokenOrItsLetters() {
        Constraint call = Constraint.sequence(Constraint.mark("<call>"), Constraint.choice(List.of("true")));
        Matcher matcher = call.start(WORDS);
        assertThat(mask(matcher)).isEqualTo(ids(Stream.of("<call>", "<")));
        matcher.accept(WORDS.id("<call>").orElseThrow());
        assertThat(mask(matcher)).isEqualTo(ids(Stream.of("true", "t")));
    }

    @Test
    void aCharacterThatItDoesNotWriteIsRefused() {
        Vocabulary plain = new Words() {
            @Override
            public boolean writes(int codePoint) {
                return codePoint < 128;
            }
        };
        Constraint accent = Constraint.choice(List.of("\u00e9"));
        assertThat(mask(accent.start(WORDS))).isEqualTo(ids(Stream.of("\u00e9", "\u00c3")));
        assertThatExceptionOfType(ConstraintException.class)
                .isThrownBy(() -> accent.start(plain))
                .withMessageContaining("characters that the tokenizer can write");
    }

    @Test
    void masksAreKeptForAVocabulary() {
        Constraint letters = Constraint.regex("[a-z]{3}");
        Vocabulary other = new Words();
        assertThat(letters.isCompiled(other)).isFalse();
        letters.start(other);
        assertThat(letters.isCompiled(other)).isTrue();
        assertThat(letters.bytes(other)).isPositive();
        assertThat(letters.isCompiled(new Words())).isFalse();
    }
}
