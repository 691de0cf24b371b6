package dev.causal4j.generation;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A secret key that marks generated texts, so that its owner can find them again without the model. Draws of a marked
 * text take their noise from the key and the last four tokens (Aaronson 2022): each token keeps its distribution, but
 * tokens with much noise are chosen more often, and who has the key can compute the noise. Immutable and thread-safe.
 *
 * <p>The first 8 new tokens are drawn as without a mark, so that texts of different seeds differ; so is each token whose
 * last four tokens occurred before in the sequence, prompt included, so that no noise is used twice. A seed, then, still
 * gives the same text in every batch and with every {@link Draft}.
 *
 * <p>The noise is that of any draw, with the first 8 bytes of HMAC-SHA-256(key; "causal4j.mark/1" and the last four
 * token ids, all big-endian) for the seed, at position 0.
 */
public final class Mark {
    private static final int CONTEXT = 4; // tokens
    private static final int UNMARKED = 8; // new tokens
    private static final byte[] NAME = "causal4j.mark/1".getBytes(US_ASCII);

    private final SecretKeySpec key;

    private Mark(byte[] key) {
        if (key.length < 16) {
            throw new IllegalArgumentException("mark-key: expected at least 16 bytes, got " + key.length);
        }
        this.key = new SecretKeySpec(key, "HmacSHA256");
    }

    /**
     * The mark of a key. Who knows the key can find and forge marks: let it be random bytes.
     *
     * @throws IllegalArgumentException if the key has fewer than 16 bytes
     */
    public static Mark of(byte[] key) {
        return new Mark(key);
    }

    /**
     * A name of the key that does not reveal it: the first 16 hex digits of HMAC-SHA-256(key; "causal4j.mark/1 key").
     */
    public String keyId() {
        return HexFormat.of().formatHex(mac().doFinal("causal4j.mark/1 key".getBytes(US_ASCII)), 0, 8);
    }

    /**
     * How strongly a text has the mark. Equal groups of tokens are counted once.
     *
     * @param tokens the tokens of the text
     * @param scored its distinct groups of five tokens in a row
     * @param score the sum of -ln(1 - u) over them, where u is the uniform number that the key gives to the last token
     *     of a group; each has mean 1 in a text that was made without the key
     * @param p the probability that a text made without the key has this score or more, P(Gamma(scored, 1) >= score). A
     *     small one shows that the key was used; a large one shows nothing
     */
    public record Detection(int tokens, int scored, double score, double p) {}

    /** Looks for the mark in the tokens of a text. Needs no model. */
    public Detection detect(int[] tokens) {
        Seeds seeds = new Seeds(0);
        double[] scores = IntStream.range(CONTEXT, Math.max(CONTEXT, tokens.length))
                .mapToDouble(i -> GumbelNoise.score(seeds.at(tokens, i), tokens[i]))
                .sorted()
                .distinct() // equal groups have equal scores, others once in 2^53
                .toArray();
        double sum = DoubleStream.of(scores).sum();
        return new Detection(tokens.length, scores.length, sum, tail(scores.length, sum));
    }

    /**
     * P(Gamma(n, 1) >= sum), which is the probability of fewer than n events where {@code sum} are expected. It adds
     * Poisson probabilities from the largest on, or takes those of n and more events from 1 where these are fewer.
     */
    static double tail(int n, double sum) {
        boolean rare = sum > n;
        int largest = rare ? n - 1 : n;
        double log = IntStream.rangeClosed(1, largest)
                        .mapToDouble(i -> StrictMath.log(sum / i))
                        .sum()
                - sum;
        double total = 1; // in units of the largest
        double term = 1;
        for (int i = largest; term > total * 0x1p-60; total += term) {
            term *= rare ? i-- / sum : sum / ++i;
        }
        double p = StrictMath.exp(log + StrictMath.log(total));
        return rare ? p : n == 0 ? 1 : 1 - p;
    }

    /** The seeds of a new sequence's draws. */
    Seeds seeds(int promptLength) {
        return new Seeds(promptLength + UNMARKED);
    }

    private Mac mac() {
        try {
            Mac mac = Mac.getInstance(key.getAlgorithm());
            mac.init(key);
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every JDK has it, and any key will do
        }
    }

    /**
     * The seeds of one sequence's noise, each by the tokens before. The first that is asked for reads the prompt, half a
     * microsecond a token. Not thread-safe.
     */
    final class Seeds {
        private final Mac mac = mac();
        private final int first;
        private final ByteBuffer message =
                ByteBuffer.allocate(NAME.length + CONTEXT * Integer.BYTES).put(NAME);
        private final Set<Long> occurred = new HashSet<>(); // the seeds of the tokens that were read
        private int read = CONTEXT;

        /** @param first the first position that may be marked */
        private Seeds(int first) {
            this.first = first;
        }

        /** The seed of the noise at a position. */
        private long at(int[] tokens, int position) {
            message.position(NAME.length);
            for (int i = position - CONTEXT; i < position; i++) {
                message.putInt(tokens[i]);
            }
            return ByteBuffer.wrap(mac.doFinal(message.array())).getLong();
        }

        /**
         * The seed of the noise at a position that is marked; empty for one that is not. Positions come in their order,
         * and some may be left out.
         */
        OptionalLong next(int[] tokens, int position) {
            boolean isNew = false;
            long seed = 0;
            for (; position >= first && read <= position; read++) {
                seed = at(tokens, read);
                isNew = occurred.add(seed);
            }
            return isNew ? OptionalLong.of(seed) : OptionalLong.empty();
        }
    }
}
