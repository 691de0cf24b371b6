package dev.causal4j.tokenizer;

import com.knuddels.jtokkit.Encodings;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import tools.jackson.databind.json.JsonMapper;

/** The tokenizers the tests use: that of the Austen model, GPT-2's own, and small ones written in the tests. */
public final class Fixtures {
    private Fixtures() {}

    static byte[] resource(String name) {
        try (InputStream in = Fixtures.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new AssertionError("no resource " + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Tokenizer austen() throws IOException {
        return Tokenizer.fromJson("austen", resource("tokenizer.json"));
    }

    /** From a vocabulary in the order of ids and merges as "a b". */
    static Tokenizer of(List<String> pieces, List<String> merges) throws IOException {
        return Tokenizer.fromVocabulary(
                "test", json(pieces), String.join("\n", merges).getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] json(List<String> pieces) {
        Map<String, Integer> ids = new LinkedHashMap<>();
        pieces.forEach(piece -> ids.put(piece, ids.size()));
        return JsonMapper.shared().writeValueAsBytes(ids);
    }

    /** GPT-2's real vocab.json and merges.txt. */
    static Tokenizer gpt2() throws IOException {
        return ofRanks("r50k_base", Integer.MAX_VALUE);
    }

    /**
     * GPT-2's kind of tokenizer with the first tokens of a vocabulary in jtokkit's jar, made from their ranks: the merge
     * that made a token is what is left of its bytes when all merges of lower rank are done.
     */
    public static Tokenizer ofRanks(String vocabulary, int most) throws IOException {
        Map<String, Integer> ranks = new HashMap<>();
        List<String> pieces = new ArrayList<>();
        try (InputStream in =
                Encodings.class.getResourceAsStream("/com/knuddels/jtokkit/" + vocabulary + ".tiktoken")) {
            for (String line : new String(in.readAllBytes(), StandardCharsets.US_ASCII).split("\n", -1)) {
                if (line.isEmpty() || pieces.size() == most) {
                    break;
                }
                String[] tokenAndRank = line.split(" ", -1);
                String piece = inAlphabet(Base64.getDecoder().decode(tokenAndRank[0]));
                ranks.put(piece, Integer.parseInt(tokenAndRank[1]));
                pieces.add(piece);
            }
        }
        List<String> merges = new ArrayList<>(List.of("#version: 0.2"));
        for (String piece : pieces.subList(256, pieces.size())) {
            merges.add(String.join(" ", lastTwo(piece, ranks)));
        }
        pieces.add("<|endoftext|>");
        return of(pieces, merges);
    }

    private static List<String> lastTwo(String piece, Map<String, Integer> ranks) {
        List<String> parts =
                new ArrayList<>(piece.chars().mapToObj(Character::toString).toList());
        while (parts.size() > 2) {
            int best = IntStream.range(0, parts.size() - 1)
                    .boxed()
                    .min((a, b) -> Integer.compare(rank(parts, a, ranks), rank(parts, b, ranks)))
                    .orElseThrow();
            parts.set(best, parts.get(best) + parts.remove(best + 1));
        }
        return parts;
    }

    private static int rank(List<String> parts, int at, Map<String, Integer> ranks) {
        return ranks.getOrDefault(parts.get(at) + parts.get(at + 1), Integer.MAX_VALUE);
    }

    // Written from GPT-2's description, apart from ByteLevel, which it tests.
    private static String inAlphabet(byte[] bytes) {
        StringBuilder piece = new StringBuilder();
        for (byte b : bytes) {
            int c = b & 0xff;
            if (c <= 0x20) {
                piece.append((char) (0x100 + c));
            } else if (c >= 0x7f && c <= 0xa0) {
                piece.append((char) (0x121 + c - 0x7f));
            } else {
                piece.append(c == 0xad ? '\u0143' : (char) c);
            }
        }
        return piece.toString();
    }

    /** The words of GPT-2's pattern. */
    static void split(String text, Consumer<String> words) {
        new Splitter.Matches(Splitter.Matches.GPT2).split(text, true, words);
    }

    /** A text that mixes words, punctuation, runs of white space, and code points of 1 to 4 bytes. */
    static String randomText(Random random, int parts) {
        String[] known = {
            "the",
            " Emma",
            "'s",
            "'LL",
            " ",
            "  ",
            "\n",
            "\n\n",
            "\t",
            "\r\n",
            "\u00a0",
            "\u2003",
            "\u3000",
            "1813",
            "!?",
            "\u4e16\u754c",
            "e\u0301",
            "\ud83d\udc69\u200d\ud83d\udc67",
            "\u0000",
            "\u00e9",
            "\ufffd",
            "<|endoftext|",
            ".",
            "\u3002"
        };
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < parts; i++) {
            switch (random.nextInt(4)) {
                case 0, 1 -> text.append(known[random.nextInt(known.length)]);
                case 2 -> text.append((char) (' ' + random.nextInt(95)));
                default -> text.appendCodePoint(codePoint(random));
            }
        }
        return text.toString();
    }

    private static int codePoint(Random random) {
        int[] limits = {0x80, 0x800, 0x10000, 0x110000};
        int c;
        do {
            c = random.nextInt(limits[random.nextInt(limits.length)]);
        } while (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
        return c;
    }
}
