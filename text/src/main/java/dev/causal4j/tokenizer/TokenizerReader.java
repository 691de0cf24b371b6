package dev.causal4j.tokenizer;

import static dev.causal4j.json.Json.describe;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import dev.causal4j.json.Unicode;
import dev.causal4j.tokenizer.AddedTokens.Token;
import dev.causal4j.tokenizer.Splitter.Marks;
import dev.causal4j.tokenizer.Splitter.Matches;
import dev.causal4j.tokenizer.StreamingDecoder.Rule;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Makes a tokenizer from the settings of a tokenizer.json and from pieces and merges, each checked before use. A
 * setting that changes ids or texts and is not known is refused by name; truncation and padding are ignored. For one
 * use.
 */
final class TokenizerReader {
    // The largest file in use has 6,415.
    static final int MAX_ADDED_TOKENS = 10_000;

    private static final int MAX_ADDED_LENGTH = 1_000;
    private static final int MAX_ADDED_TEXT = 1 << 20; // each character is 80 bytes of an automaton
    private static final int MAX_AROUND = 1_000; // ids around a text; an item of the file may stand for many
    private static final int MAX_SCORED_LENGTH = 128; // each length is tried at each place of a text; usual are 16
    private static final int MAX_HOLES = 10_000;
    private static final String CHARS_MAP = "precompiled_charsmap";
    private static final String MARK = String.valueOf(Splitter.MARK);
    private static final String VOCAB = "model.vocab";
    private static final String MERGES = "model.merges";
    private static final int MAX_STEPS = 32; // each looks at all of a text

    /** The steps of a decoder of SentencePiece's kind, in this order. */
    private static final String DECODERS = "Replace (ByteFallback )?Fuse( Strip)?";

    private static final Set<Map<?, ?>> DECODER_STEPS = Set.of(
            Map.of("type", "Replace", "pattern", Map.of("String", MARK), "content", " "),
            Map.of("type", "ByteFallback"),
            Map.of("type", "Fuse"),
            Map.of("type", "Strip", "content", " ", "start", 1, "stop", 0));

    private final String subject;
    private final Map<String, Integer> ids = new HashMap<>(); // of the model's pieces
    private final Map<String, Integer> added = new HashMap<>(); // ids of the added tokens that the vocabulary lacks
    private final List<Double> scores = new ArrayList<>();
    private final IntStream.Builder merges = IntStream.builder(); // left, right and result of each
    private final List<Object> early = new ArrayList<>(); // merges that come before the vocabulary
    private int rank; // of the next merge

    private TokenizerReader(String subject) {
        this.subject = subject;
    }

    /** Reads a tokenizer.json. */
    static Tokenizer read(String subject, byte[] json) throws FormatException {
        TokenizerReader reader = new TokenizerReader(subject);
        return reader.tokenizer(new Json(subject, Json.tree(subject, json, Set.of(VOCAB, MERGES), reader::member)));
    }

    /**
     * Reads a tokenizer.json whose vocabulary and merges lie elsewhere.
     *
     * @param settings its tree, with null for both
     * @param vocab ids by piece
     */
    static Tokenizer read(Json settings, Map<String, ?> vocab, List<?> merges) throws FormatException {
        TokenizerReader reader = new TokenizerReader(settings.subject());
        for (Map.Entry<String, ?> piece : vocab.entrySet()) {
            reader.member(VOCAB, piece.getKey(), piece.getValue());
        }
        for (Object merge : merges) {
            reader.member(MERGES, "", merge);
        }
        return reader.tokenizer(settings);
    }

    /**
     * Reads pieces and merges that have GPT-2's settings.
     *
     * @param other settings that replace some of them
     * @param special pieces that are special tokens
     */
    static Tokenizer byteLevel(
            String subject, Map<String, ?> other, Map<String, ?> vocab, List<String> merges, List<String> special)
            throws FormatException {
        List<Object> tokens = new ArrayList<>();
        for (String content : special) {
            int id = new Json(subject + ": " + VOCAB, vocab).requireInt(content, 0, Pieces.MAX_ID);
            tokens.add(new Token(id, content, content, Set.of(Token.SPECIAL)).json());
        }
        Json usual = Json.parse(subject, resource("gpt2.json").getBytes(StandardCharsets.UTF_8));
        return read(usual.with(Map.of("added_tokens", tokens)).with(other), vocab, merges);
    }

    static String resource(String name) {
        try (InputStream in = TokenizerReader.class.getResourceAsStream(name)) {
            return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void member(String path, String name, Object value) throws FormatException {
        if (path.equals(MERGES)) {
            merge(value);
        } else if (value instanceof Integer id && id >= 0 && id <= Pieces.MAX_ID) {
            put(name, id);
        } else if (!(value instanceof List<?> pair)) {
            put(name, new Json(subject + ": " + VOCAB, Map.of(name, value)).requireInt(name, 0, Pieces.MAX_ID));
        } else if (pair.size() == 2
                && pair.get(0) instanceof String piece
                && pair.get(1) instanceof Number score
                && Double.isFinite(score.doubleValue())) {
            put(piece, scores.size());
            scores.add(score.doubleValue());
        } else {
            throw wrong(VOCAB + "[" + scores.size() + "]", "a token and its finite score", pair);
        }
    }

    private void put(String piece, int id) throws FormatException {
        checkPiece(VOCAB, piece);
        check(ids.put(piece, id) == null, VOCAB, "each token once", piece);
    }

    /**
     * Adds a merge: "a b" or, in newer files, ["a", "b"]. Only its ids are kept, since many strings take time and
     * memory.
     */
    private void merge(Object merge) throws FormatException {
        if (ids.isEmpty()) {
            early.add(merge);
            return;
        }
        List<?> pair = switch (merge) {
            case String line -> List.of(line.split(" ", -1));
            case List<?> two -> two;
            default -> List.of();
        };
        if (!(pair.size() == 2 && pair.get(0) instanceof String left && pair.get(1) instanceof String right)) {
            throw wrong("merges[" + rank + "]", "two tokens", merge);
        }
        merges.add(known(left)).add(known(right)).add(known(left + right));
        rank++;
    }

    private int known(String piece) throws FormatException {
        Integer id = ids.get(piece);
        if (id == null) {
            throw wrong("merges[" + rank + "]", "tokens of the vocabulary", piece);
        }
        return id;
    }

    private Tokenizer tokenizer(Json root) throws FormatException {
        check(!ids.isEmpty(), VOCAB, "tokens with their ids", ids);
        for (Object merge : early) {
            merge(merge);
        }
        List<Json> splitting = steps(root.section("pre_tokenizer"));
        boolean byteLevel = splitting.stream()
                .anyMatch(step -> "ByteLevel".equals(step.root().get("type")));
        Normalizer normalizer = normalizer(steps(root.section("normalizer")));
        List<Token> tokens = tokens(root, normalizer);
        Pieces pieces = new Pieces(ids, pieces(), byteLevel);
        Model model = model(root.section("model"), pieces);
        List<Splitter> splitters = splitters(splitting, normalizer, model);
        Encoder encoder = new Encoder(
                new AddedTokens(tokens.stream().filter(token -> !token.has(Token.NORMALIZED))),
                normalizer,
                new AddedTokens(tokens.stream().filter(token -> token.has(Token.NORMALIZED))),
                splitters,
                model,
                new ConcurrentHashMap<>());
        int[] prefix = around(root, pieces.size(), false);
        int[] suffix = around(root, pieces.size(), true);
        return new Tokenizer(root, pieces, encoder, rule(root, byteLevel), tokens, prefix, suffix);
    }

    private void checkPiece(String where, String got) throws FormatException {
        boolean right = !got.isEmpty() && Unicode.isWellFormed(got);
        check(right, where, "a token of at least one character, all of Unicode", got);
    }

    private void check(boolean right, String where, String expected, Object got) throws FormatException {
        if (!right) {
            throw wrong(where, expected, got);
        }
    }

    private FormatException wrong(String where, String expected, Object got) {
        return new FormatException(
                subject + ": " + where, expected, describe(got), "copy the file again from where it came");
    }

    /** The steps of a component, none if it is empty; sequences are flattened. */
    private static List<Json> steps(Json component) throws FormatException {
        if (component.root().isEmpty() || !component.requireString("type").equals("Sequence")) {
            return component.root().isEmpty() ? List.of() : List.of(component);
        }
        List<Json> steps = new ArrayList<>();
        for (String key : List.of("normalizers", "pretokenizers", "processors", "decoders")) {
            for (Json each : component.objects(key)) {
                steps.addAll(steps(each));
            }
        }
        component.support("type", steps.size() <= MAX_STEPS, "at most " + MAX_STEPS + " steps");
        return steps;
    }

    /**
     * Reads the added tokens and notes those that are no pieces of the model. An id must be the one that Hugging Face's
     * library gives, which does not look at the file's: a piece of the model keeps its own, the others are numbered in
     * their order.
     */
    private List<Token> tokens(Json root, Normalizer normalizer) throws FormatException {
        List<Json> all = root.objects("added_tokens");
        root.check("added_tokens", all.size() <= MAX_ADDED_TOKENS, "at most " + MAX_ADDED_TOKENS + " tokens");
        List<Token> tokens = new ArrayList<>();
        int next = ids.size();
        for (Json json : all) {
            String content = json.requireString("content");
            checkPiece("added_tokens[" + tokens.size() + "]", content);
            int id = ids.getOrDefault(content, added.getOrDefault(content, next));
            next = Math.max(next, id + 1);
            if (!ids.containsKey(content)) {
                added.put(content, id);
            }
            Set<String> flags = new HashSet<>();
            for (String flag : Token.FLAGS) {
                if (json.bool(flag, false)) {
                    flags.add(flag);
                }
            }
            String form = flags.contains(Token.NORMALIZED) ? normalized(content, normalizer) : content;
            boolean fits = !form.isEmpty() && content.length() <= MAX_ADDED_LENGTH;
            json.check("id", json.requireInt("id", 0, Pieces.MAX_ID) == id, id + ", as its place gives");
            json.check("content", fits, "1 to " + MAX_ADDED_LENGTH + " characters");
            tokens.add(new Token(id, content, form, flags));
        }
        long length = tokens.stream().mapToLong(token -> token.form().length()).sum();
        root.check("added_tokens", length <= MAX_ADDED_TEXT, "at most " + MAX_ADDED_TEXT + " characters in all");
        return tokens;
    }

    private String normalized(String content, Normalizer normalizer) throws FormatException {
        try {
            return normalizer.apply(content);
        } catch (IllegalArgumentException e) {
            throw wrong(CHARS_MAP, "short replacements in added tokens", content);
        }
    }

    /** The pieces of the model and the added tokens by id. */
    private @Nullable String[] pieces() throws FormatException {
        int last = Collections.max(ids.values());
        boolean dense = last <= 2L * ids.size() + MAX_HOLES;
        check(dense, VOCAB, "few ids without a token", ids.size() + " tokens and ids up to " + last);
        int most = added.values().stream().reduce(last, Math::max);
        @Nullable String[] pieces = new @Nullable String[most + 1];
        for (Map<String, Integer> some : List.of(ids, added)) {
            for (Map.Entry<String, Integer> each : some.entrySet()) {
                int id = each.getValue();
                String other = pieces[id];
                if (other != null) {
                    throw wrong("id " + id, "one token", List.of(other, each.getKey()));
                }
                pieces[id] = each.getKey();
            }
        }
        return pieces;
    }

    private static Normalizer normalizer(List<Json> all) throws FormatException {
        String prefix = "";
        List<UnaryOperator<String>> steps = new ArrayList<>();
        for (Json json : all) {
            switch (json.requireString("type")) {
                case "NFC" -> steps.add(Normalizer::nfc);
                case "Prepend" -> {
                    prefix = json.requireString("prepend");
                    json.support("prepend", prefix.equals(MARK) && steps.isEmpty(), MARK + " before other steps");
                }
                case "Replace" -> {
                    Map<?, ?> pattern = json.section("pattern").root();
                    boolean fits = pattern.equals(Map.of("String", " ")) && MARK.equals(json.string("content", ""));
                    json.support("pattern", fits, "a space, replaced by " + MARK);
                    steps.add(text -> text.replace(' ', Splitter.MARK));
                }
                case "Precompiled" -> {
                    json.support("type", steps.stream().noneMatch(CharsMap.class::isInstance), "one table");
                    try {
                        steps.add(new CharsMap(Base64.getDecoder().decode(json.requireString(CHARS_MAP))));
                    } catch (IllegalArgumentException e) {
                        json.check(CHARS_MAP, false, "SentencePiece's table in base 64");
                    }
                }
                default -> json.support("type", false, "NFC, Prepend, Replace or Precompiled");
            }
        }
        return new Normalizer(prefix, List.copyOf(steps));
    }

    private Model model(Json json, Pieces pieces) throws FormatException {
        int[] bytes = pieces.ofBytes(json.bool("byte_fallback", false));
        String type = scores.isEmpty() ? "BPE" : "Unigram";
        boolean fits = json.string("type", type).equals(type) && (scores.isEmpty() || !pieces.byteLevel());
        json.support("type", fits, "BPE, or Unigram with scores");
        if (!scores.isEmpty()) {
            int unknown = json.requireInt("unk_id", 0, scores.size() - 1);
            Unigram unigram = new Unigram(pieces, scores, unknown, bytes);
            String expected = "pieces of at most " + MAX_SCORED_LENGTH + " characters";
            json.support("vocab", unigram.longest() <= MAX_SCORED_LENGTH, expected);
            return unigram;
        }
        for (String key : List.of("dropout", "continuing_subword_prefix", "end_of_word_suffix")) {
            Object value = json.root().get(key);
            json.support(key, !json.has(key) || List.of("", 0, 0.0).contains(value), "nothing");
        }
        int unknown = pieces.id(json.string("unk_token", ""));
        boolean known = pieces.byteLevel() || unknown >= 0 || !json.has("unk_token");
        json.check("unk_token", known, "a token of the vocabulary");
        boolean ignoreMerges = json.bool("ignore_merges", false);
        return new BytePair(pieces, merges(pieces), bytes, ignoreMerges, json.bool("fuse_unk", false), unknown);
    }

    private Merges merges(Pieces pieces) throws FormatException {
        int[] all = merges.build().toArray();
        Merges table = new Merges(rank);
        for (int i = 0; i < all.length; i += 3) {
            if (!table.add(all[i], all[i + 1], all[i + 2])) {
                throw wrong("merges[" + i / 3 + "]", "merges that differ more", pieces.piece(all[i]));
            }
        }
        return table;
    }

    private static List<Splitter> splitters(List<Json> steps, Normalizer normalizer, @Nullable Model model)
            throws FormatException {
        List<Splitter> splitters = new ArrayList<>();
        for (Json json : steps) {
            switch (json.requireString("type")) {
                case "ByteLevel" -> {
                    if (json.bool("add_prefix_space", false)) {
                        json.check("add_prefix_space", splitters.isEmpty(), "false after other steps");
                        splitters.add(new Marks(' ', "always"));
                    }
                    if (json.bool("use_regex", true)) {
                        splitters.add(new Matches(Matches.GPT2));
                    }
                }
                case "Digits" ->
                    splitters.add(new Matches(json.bool("individual_digits", false) ? "\\p{N}" : "\\p{N}+"));
                case "Split" -> addSplit(json, normalizer, splitters);
                case "WhitespaceSplit" -> splitters.add(new Matches(Matches.VISIBLE));
                case "Metaspace" -> {
                    String scheme = scheme(json);
                    json.support("type", splitters.stream().noneMatch(Marks.class::isInstance), "one step of marks");
                    json.check("prepend_scheme", !scheme.equals("first") || splitters.isEmpty(), "first alone");
                    splitters.add(new Marks(Splitter.MARK, scheme));
                    if (json.bool("split", true)) {
                        splitters.add(new Splitter.BeforeMarks(true, new BitSet()));
                    }
                }
                default -> json.support("type", false, "ByteLevel, Digits, Split, WhitespaceSplit or Metaspace");
            }
        }
        if (model instanceof BytePair pairs && !pairs.pieces().byteLevel()) {
            splitters.add(new Splitter.BeforeMarks(false, pairs.pieces().before(Splitter.MARK)));
        }
        return List.copyOf(splitters);
    }

    /** Looks up a regular expression. It is a program, so a file's own is never run. */
    private static void addSplit(Json json, Normalizer normalizer, List<Splitter> to) throws FormatException {
        Json pattern = json.section("pattern");
        String behavior = json.bool("invert", false) ? "Removed" : "Isolated";
        if (pattern.has("Regex") && json.requireString("behavior").equals(behavior)) {
            String regex = pattern.requireString("Regex").replace("\r", "\\r").replace("\n", "\\n");
            boolean known = resource("patterns.txt").lines().anyMatch(regex::equals);
            pattern.support("Regex", known, "the pattern of a known family");
            to.add(new Matches(regex));
        } else {
            boolean nothing = pattern.string("String", "").equals(" ")
                    && normalizer.withoutPrefix(" ").equals(MARK);
            json.support("behavior", nothing, "Isolated, Removed with invert, or a space that is never there");
        }
    }

    /** The scheme of marks; older files only say whether one is put before a text. */
    private static String scheme(Json json) throws FormatException {
        json.check("replacement", json.string("replacement", MARK).equals(MARK), MARK);
        String scheme = json.string("prepend_scheme", json.bool("add_prefix_space", true) ? "always" : "never");
        json.support("prepend_scheme", List.of("always", "first", "never").contains(scheme), "always, first or never");
        return scheme;
    }

    private static Rule rule(Json root, boolean byteLevel) throws FormatException {
        List<Json> steps = steps(root.section("decoder"));
        String types = steps.stream()
                .map(step -> String.valueOf(step.root().get("type")))
                .collect(Collectors.joining(" "));
        boolean metaspace = types.matches("(ByteFallback )?Metaspace");
        boolean marks =
                types.matches(DECODERS) && steps.stream().map(Json::root).allMatch(DECODER_STEPS::contains);
        boolean fits = byteLevel ? types.equals("ByteLevel") : metaspace || marks;
        root.support("decoder", fits, "ByteLevel; Metaspace; or Replace, ByteFallback, Fuse and Strip for a space");
        boolean drops = metaspace ? !scheme(steps.getLast()).equals("never") : types.endsWith("Strip");
        return new Rule(types.contains("ByteFallback"), metaspace, drops);
    }

    /** The tokens that the post-processor puts before a text, or after it. */
    private static int[] around(Json root, int size, boolean after) throws FormatException {
        IntStream.Builder around = IntStream.builder();
        int count = 0;
        for (Json json : steps(root.section("post_processor"))) {
            boolean known = List.of("ByteLevel", "TemplateProcessing").contains(json.requireString("type"));
            json.support("type", known, "ByteLevel or TemplateProcessing");
            boolean isAfter = false;
            for (Json item : json.objects("single")) {
                isAfter |= item.has("Sequence");
                if (item.has("Sequence") || isAfter != after) {
                    continue;
                }
                Json special = json.section("special_tokens");
                Json token = special.section(item.section("SpecialToken").requireString("id"));
                List<Integer> ids = token.integers("ids");
                boolean inside = !ids.isEmpty() && ids.stream().allMatch(id -> id >= 0 && id < size);
                token.check("ids", inside, "ids of the vocabulary");
                count += ids.size();
                token.check("ids", count <= MAX_AROUND, "at most " + MAX_AROUND + " in all");
                ids.forEach(around::add);
            }
        }
        return around.build().toArray();
    }
}
