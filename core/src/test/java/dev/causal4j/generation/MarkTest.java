package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Mark.Detection;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(120)
class MarkTest extends EngineFixture {
    private static final byte[] KEY = HexFormat.of().parseHex("000102030405060708090a0b0c0d0e0f");
    private static final Mark MARK = Mark.of(KEY);
    private static final Mark OTHER = Mark.of("another key of some length".getBytes(StandardCharsets.UTF_8));

    /** A program in Python, with its own HMAC and Philox and with mpmath's gamma function, gives the same. */
    @Test
    void aStrangerWithTheKeyComputesTheSame() {
        int[] tokens = IntStream.range(0, 120).map(i -> (i * i * 7919 + i) % 50).toArray();
        Detection found = MARK.detect(tokens);
        assertThat(found.tokens()).isEqualTo(120);
        assertThat(found.scored()).as("without what is repeated").isEqualTo(25);
        assertThat(found.score()).isCloseTo(24.665514346891668, within(1e-12));
        assertThat(found.p()).isCloseTo(0.5001571373231668, within(1e-13));
        assertThat(MARK.keyId()).isEqualTo("61e587744d3a14f3");
    }

    /** The values are mpmath's. */
    @ParameterizedTest
    @CsvSource({
        "1, 0.5, 0.60653065971263342",
        "1, 700, 9.8596765437597709e-305",
        "2, 1e-9, 1",
        "3, 40, 3.5728659287002263e-15",
        "5, 1e-3, 1",
        "17, 2.5, 0.99999999844209286",
        "50, 91.1, 9.8280652411002919e-7",
        "100, 154.9, 1.007098774104397e-6",
        "200, 274.6, 9.8803288080218453e-7",
        "400, 502, 1.0806233818192201e-6",
        "1000, 1158, 9.4175797884527016e-7",
        "1000, 999.5, 0.50210337588749298",
        "1000, 1000, 0.49579475581978449",
        "1000, 1000.5, 0.48948928907682097",
        "100000, 100500, 0.057103269976028711",
        "1000000, 990000, 1",
        "1000000, 1000000, 0.49986701923912741",
        "1000000, 1005000, 2.9874901401146349e-7",
        "1000000, 1037400, 4.5472758554008995e-299",
        "1000000, 1e-16, 1",
        "196, 1500, 0",
        "0, 0, 1"
    })
    void theTailIsExact(int n, double sum, double expected) {
        assertThat(Mark.tail(n, sum)).isCloseTo(expected, within((n < 10_000 ? 1e-12 : 1e-8) * expected));
    }

    @Test
    void aKeyIsLongAndStaysSecret() {
        assertThatThrownBy(() -> Mark.of(new byte[15]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("mark-key: expected at least 16 bytes, got 15");
        byte[] key = KEY.clone();
        Mark mark = Mark.of(key);
        key[0]++;
        assertThat(mark.keyId()).isEqualTo(MARK.keyId()).isNotEqualTo(OTHER.keyId());
        GenerationOptions options = GenerationOptions.DEFAULT.withMark(mark);
        assertThat(options).isEqualTo(GenerationOptions.DEFAULT.withMark(mark)).isNotEqualTo(GenerationOptions.DEFAULT);
        assertThat(options.withSeed(3).mark()).contains(mark);
        assertThat(options).asString().endsWith(", mark=61e587744d3a14f3]");
    }

    @Test
    void shortTextsShowNothing() {
        assertThat(MARK.detect(new int[0])).isEqualTo(new Detection(0, 0, 0, 1));
        assertThat(MARK.detect(new int[4])).isEqualTo(new Detection(4, 0, 0, 1));
        assertThat(MARK.detect(new int[5]).scored()).isOne();
        assertThat(MARK.detect(new int[500]).scored()).isOne();
        assertThat(MARK.detect(IntStream.range(-500, 0).toArray()).p()).isGreaterThan(1e-4);
    }

    /** Another program of the rule: a draw is marked unless it is early or its last four tokens occurred. */
    @Test
    void drawsAreMarkedWhereTheRuleSaysSo() throws GeneralSecurityException {
        int vocabulary = 6;
        int[] tokens = new int[400];
        int prompt = 40;
        Arrays.setAll(tokens, i -> i < 20 ? i % 6 : new Random(i).nextInt(6));
        GenerationOptions options = GenerationOptions.DEFAULT.withMark(MARK).withSeed(5);
        Sampler sampler = SamplerTest.sampler(options, Set.of(), prompt, vocabulary);
        Sampler plain = SamplerTest.sampler(GenerationOptions.DEFAULT.withSeed(5), Set.of(), prompt, vocabulary);
        FilteredTokens candidates = new FilteredTokens(vocabulary, Compute.shared());
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
        int marked = 0;
        int differ = 0;
        for (int at = prompt; at < tokens.length; at++) {
            float[] logits = SamplerTest.normals(vocabulary);
            if (at % 7 == 3) { // a token that a constraint forces
                continue;
            }
            List<List<Integer>> before = contexts(tokens, at);
            boolean isMarked = at >= prompt + 8 && before.indexOf(before.getLast()) == before.size() - 1;
            int expected;
            if (isMarked) {
                ByteBuffer message = ByteBuffer.allocate(31).put("causal4j.mark/1".getBytes(StandardCharsets.US_ASCII));
                before.getLast().forEach(message::putInt);
                long seed = ByteBuffer.wrap(mac.doFinal(message.array())).getLong();
                System.arraycopy(logits, 0, candidates.logits, 0, vocabulary);
                candidates.start();
                expected = GumbelNoise.draw(candidates, seed, 0);
                marked++;
            } else {
                expected = plain.next(logits, 0, tokens, at);
            }
            tokens[at] = sampler.next(logits, 0, tokens, at);
            assertThat(tokens[at]).as("at %d", at).isEqualTo(expected);
            differ += tokens[at] == plain.next(logits, 0, tokens, at) ? 0 : 1;
        }
        assertThat(marked).isBetween(100, 300);
        assertThat(differ).isBetween(50, marked);
    }

    /** The runs of four tokens, up to the one before a position. */
    private static List<List<Integer>> contexts(int[] tokens, int position) {
        List<List<Integer>> all = new ArrayList<>();
        for (int i = 4; i <= position; i++) {
            all.add(Arrays.stream(tokens, i - 4, i).boxed().toList());
        }
        return all;
    }

    /**
     * Texts with words that are frequent, rare and repeated, of any length. Each has a key of its own: texts that share
     * groups of tokens share their scores.
     */
    @Test
    void textsWithoutTheMarkHaveUniformProbabilities() {
        int count = Whole.or(100_000, 5_000);
        double[] p = IntStream.range(0, count)
                .parallel()
                .mapToDouble(text -> {
                    Random random = new Random(text);
                    int[] tokens = new int[6 + random.nextInt(90)];
                    for (int i = 0; i < tokens.length; i++) {
                        boolean repeats = i > 10 && random.nextInt(3) == 0;
                        tokens[i] = repeats ? tokens[i - 7] : (int) (1 / (1e-4 + random.nextDouble()));
                    }
                    return Mark.of(ByteBuffer.allocate(16).putInt(text).array())
                            .detect(tokens)
                            .p();
                })
                .sorted()
                .toArray();
        double distance = 0; // Kolmogorov and Smirnov's
        for (int i = 0; i < count; i++) {
            distance = Math.max(distance, Math.max(p[i] - (double) i / count, (i + 1.0) / count - p[i]));
        }
        assertThat(distance * Math.sqrt(count)).as("1.628 has p 0.01").isLessThan(1.628);
    }

    private List<GenerationRequest> requests(GenerationOptions options) {
        return IntStream.range(0, 9)
                .mapToObj(i -> new GenerationRequest(prompt(i, 3 + i), options.withSeed(i)))
                .toList();
    }

    @Test
    void aMarkedTextIsFoundInEveryBatchAndWithEveryDraft() {
        GenerationOptions options =
                GenerationOptions.DEFAULT.withMaxNewTokens(150).withMark(MARK);
        List<Generation> alone;
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1))) {
            alone = all(engine, requests(options));
        }
        for (Draft draft : List.of(
                Draft.OFF, Draft.LOOKUP, Draft.prediction(alone.getFirst().tokens()))) {
            try (Engine engine =
                    new Engine(model, EngineOptions.DEFAULT.withParallel(8).withDraft(draft), 15)) {
                List<Generation> together = all(engine, requests(options));
                for (int i = 0; i < alone.size(); i++) {
                    assertThat(together.get(i).tokens()).isEqualTo(alone.get(i).tokens());
                }
            }
        }
        List<Generation> unmarked;
        List<Generation> greedy;
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT)) {
            unmarked = all(engine, requests(GenerationOptions.DEFAULT.withMaxNewTokens(150)));
            greedy = all(engine, requests(options.withTemperature(0).withMaxNewTokens(9)));
            assertThat(greedy.getFirst().tokens())
                    .isEqualTo(all(
                                    engine,
                                    requests(GenerationOptions.DEFAULT
                                            .withTemperature(0)
                                            .withMaxNewTokens(9)))
                            .getFirst()
                            .tokens());
        }
        for (int i = 0; i < alone.size(); i++) {
            int[] tokens = alone.get(i).tokens();
            assertThat(tokens).startsWith(Arrays.copyOf(unmarked.get(i).tokens(), 8));
            assertThat(MARK.detect(tokens).p()).isLessThan(1e-20);
            assertThat(OTHER.detect(tokens).p()).isGreaterThan(1e-4);
            assertThat(MARK.detect(unmarked.get(i).tokens()).p()).isGreaterThan(1e-4);
            int[] edited = tokens.clone();
            for (int at = 0; at < edited.length; at += 8) { // of 5 in a row 3/8 stay whole
                edited[at] = (edited[at] + 1) % VOCABULARY;
            }
            assertThat(MARK.detect(edited).score())
                    .isLessThan(0.75 * MARK.detect(tokens).score());
            assertThat(MARK.detect(edited).p())
                    .isBetween(1e4 * MARK.detect(tokens).p(), 1e-3);
        }
    }

    @Test
    void exactSamplingRefusesAMark() {
        Generator generator = new Generator(model);
        GenerationOptions options = GenerationOptions.DEFAULT
                .withConstraint(Constraint.choice(List.of("a")))
                .withMark(MARK);
        assertThatThrownBy(() -> generator.drawExactly(new GenerationRequest(prompt(1, 4), options), 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("stop strings and mark, got GenerationOptions[")
                .hasMessageEndingWith("mark=61e587744d3a14f3]");
    }
}
