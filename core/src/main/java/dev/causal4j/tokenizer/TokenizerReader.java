package dev.causal4j.tokenizer;

import static dev.causal4j.format.Json.describe;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import dev.causal4j.format.UntrustedInput;
import dev.causal4j.tokenizer.AddedTokens.Token;
import dev.causal4j.tokenizer.Splitter.Marks;
import dev.causal4j.tokenizer.Splitter.Patterns;
import dev.causal4j.tokenizer.StreamingDecoder.Rule;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Makes a tokenizer of settings in the form of a tokenizer.json and of pieces and merges, which are checked one by one.
 * What changes ids or texts and is not known is refused by name; truncation and padding are ignored. For one use.
 */
final class TokenizerReader implements Json.Members {
    // The largest files in use have 6,415.
    static final int MAX_ADDED_TOKENS = 10_000;

    private static final int MAX_ADDED_LENGTH = 1_000;
    private static final int MAX_PREFIX_LENGTH = 8;
    private static final int MAX_SCORED_LENGTH = 256;
    private static final int MAX_HOLES = 10_000;
    private static final String MARK = String.valueOf(Splitter.MARK);
    private static final String VOCAB = "model.vocab";
    private static final String MERGES = "model.merges";

    private static final String GPT2 = """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,\
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},\
            "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},\
            "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},\
            "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"",\
            "fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":null,"merges":null}}""";

    private final String subject;
    private final Map<String, Integer> ids = new HashMap<>();
    private final List<Double> scores = new ArrayList<>();
    private final List<String> halves = new ArrayList<>(); // of the merges, left and right in turn

    /** @param subject names the file in errors */
    TokenizerReader(String subject) {
        this.subject = subject;
    }

    /** From a tokenizer.json. */
    Tokenizer read(byte[] json) throws FormatException {
        return tokenizer(Json.tree(subject, json, this));
    }

    /** From GPT-2's vocab.json and merges.txt. */
    Tokenizer read(byte[] vocabJson, byte[] mergesTxt) throws FormatException {
        for (Map.Entry<String, Object> piece :
                Json.tree(subject + ": vocab.json", vocabJson).entrySet()) {
            member(VOCAB, piece.getKey(), piece.getValue());
        }
        List<String> lines =
                new String(mergesTxt, StandardCharsets.UTF_8).lines().toList();
        boolean version = !lines.isEmpty() && lines.getFirst().startsWith("#version");
        for (String line : lines.subList(version ? 1 : 0, lines.size())) {
            if (!line.isEmpty()) {
                merge(line);
            }
        }
        return gpt2(ids.containsKey(Tokenizer.END_OF_TEXT) ? List.of(Tokenizer.END_OF_TEXT) : List.of());
    }

    /** With GPT-2's settings, and special tokens of the vocabulary. */
    Tokenizer gpt2(List<String> special) throws FormatException {
        Map<String, Object> settings = new LinkedHashMap<>(Json.tree(subject, GPT2.getBytes(StandardCharsets.UTF_8)));
        List<Object> tokens = new ArrayList<>();
        for (String content : special) {
            Map<String, Object> token = Json.object("id", ids.getOrDefault(content, 0), "content", content);
            List.of("single_word", "lstrip", "rstrip", "normalized").forEach(flag -> token.put(flag, false));
            token.put("special", true);
            tokens.add(token);
        }
        settings.put("added_tokens", tokens);
        return tokenizer(settings);
    }

    @Override
    public boolean takes(String path) {
        return path.equals(VOCAB) || path.equals(MERGES);
    }

    @Override
    public void member(String path, String name, Object value) throws FormatException {
        if (path.equals(MERGES)) {
            merge(value);
        } else if (!(value instanceof List<?> pair)) {
            piece(
                    name,
                    value instanceof Integer id && id >= 0 && id <= Vocabulary.MAX_ID
                            ? id
                            : new Json(subject + ": " + VOCAB, Map.of(name, value))
                                    .requireInt(name, 0, Vocabulary.MAX_ID));
        } else if (pair.size() == 2
                && pair.get(0) instanceof String piece
                && piece.length() <= MAX_SCORED_LENGTH
                && pair.get(1) instanceof Number score
                && Double.isFinite(score.doubleValue())) {
            piece(piece, scores.size());
            scores.add(score.doubleValue());
        } else {
            throw wrong(VOCAB + "[" + scores.size() + "]", "a token of at most 256 characters and its score", pair);
        }
    }

    void piece(String piece, int id) throws FormatException {
        if (ids.put(requirePiece(VOCAB, piece), id) != null) {
            throw wrong(VOCAB, "each token once", piece);
        }
    }

    private String requirePiece(String where, String piece) throws FormatException {
        if (piece.isEmpty() || !UntrustedInput.isUnicode(piece)) {
            throw wrong(where, "a token of at least one character, all of Unicode", piece);
        }
        return piece;
    }

    /** Adds a merge: "a b" or, in newer files, ["a", "b"]. */
    void merge(Object pair) throws FormatException {
        List<?> two = pair instanceof String line
                ? List.of(line.split(" ", -1))
                : pair instanceof List<?> given ? given : List.of();
        if (two.size() != 2 || !(two.get(0) instanceof String left) || !(two.get(1) instanceof String right)) {
            throw wrong("merges[" + halves.size() / 2 + "]", "two tokens", pair);
        }
        halves.add(left);
        halves.add(right);
    }

    private FormatException wrong(String where, String expected, Object got) {
        return new FormatException(
                subject + ": " + where, expected, describe(got), "copy the file again from where it came");
    }

    /**
     * The tokenizer.
     *
     * @param settings a tokenizer.json whose vocabulary and merges are null
     */
    Tokenizer tokenizer(Map<String, Object> settings) throws FormatException {
        if (ids.isEmpty()) {
            throw wrong(VOCAB, "tokens with their ids", ids);
        }
        Json root = new Json(subject, settings);
        List<Json> splitting = steps(root, "pre_tokenizer");
        boolean byteLevel = splitting.stream()
                .anyMatch(step -> "ByteLevel".equals(step.root().get("type")));
        List<Token> tokens = addedTokens(root);
        Vocabulary vocabulary = new Vocabulary(ids, pieces(tokens), byteLevel);
        Normalizer normalizer = normalizer(steps(root, "normalizer"));
        Model model = model(root.section("model"), vocabulary);
        Encoder encoder = new Encoder(
                new AddedTokens(tokens.stream().filter(token -> !token.normalized()), UnaryOperator.identity()),
                normalizer,
                new AddedTokens(tokens.stream().filter(Token::normalized), normalizer::apply),
                splitters(splitting, normalizer, model),
                model);
        Rule rule = rule(root, byteLevel);
        return new Tokenizer(settings, vocabulary, encoder, rule, tokens, prefix(root, vocabulary.pieces().length));
    }

    /** A component as its steps; sequences are resolved. */
    private static List<Json> steps(Json root, String component) throws FormatException {
        return root.has(component) ? steps(root.section(component)) : List.of();
    }

    private static List<Json> steps(Json step) throws FormatException {
        if (!step.requireString("type").equals("Sequence")) {
            return List.of(step);
        }
        List<Json> steps = new ArrayList<>();
        for (String key : List.of("normalizers", "pretokenizers", "processors", "decoders")) {
            for (Json each : step.objects(key)) {
                steps.addAll(steps(each));
            }
        }
        return steps;
    }

    /**
     * Refuses tokens with other ids than Hugging Face's library gives them, which does not look at the id in the file: a
     * piece of the model keeps its own, the others are numbered in their order.
     */
    private List<Token> addedTokens(Json root) throws FormatException {
        List<Json> list = root.objects("added_tokens");
        root.check("added_tokens", list.size() <= MAX_ADDED_TOKENS, "at most " + MAX_ADDED_TOKENS + " tokens");
        int next = ids.size();
        Map<String, Token> tokens = new LinkedHashMap<>();
        for (Json json : list) {
            String content = requirePiece("added_tokens[" + tokens.size() + "]", json.requireString("content"));
            int id = ids.getOrDefault(content, next);
            next = Math.max(next, id + 1);
            json.check("id", json.requireInt("id", 0, Vocabulary.MAX_ID) == id, id + ", as its place gives");
            Token token = new Token(
                    id,
                    content,
                    json.bool("special", false),
                    json.bool("single_word", false),
                    json.bool("lstrip", false),
                    json.bool("rstrip", false),
                    json.bool("normalized", false));
            boolean fits = content.length() <= MAX_ADDED_LENGTH && tokens.put(content, token) == null;
            json.check("content", fits, "a new token of at most " + MAX_ADDED_LENGTH + " characters");
        }
        return List.copyOf(tokens.values());
    }

    /** All pieces by id. */
    private @Nullable String[] pieces(List<Token> tokens) throws FormatException {
        int last = tokens.stream().mapToInt(Token::id).max().orElse(0);
        int size = Math.max(Collections.max(ids.values()), last) + 1;
        if (size > 2L * ids.size() + MAX_HOLES) {
            throw wrong(VOCAB, "few ids without a token", ids.size() + " tokens and ids up to " + (size - 1));
        }
        @Nullable String[] pieces = new @Nullable String[size];
        for (Map.Entry<String, Integer> each : ids.entrySet()) {
            String other = pieces[each.getValue()];
            if (other != null) {
                throw wrong("id " + each.getValue(), "one token", List.of(other, each.getKey()));
            }
            pieces[each.getValue()] = each.getKey();
        }
        for (Token token : tokens) {
            String other = pieces[token.id()];
            if (other != null && !other.equals(token.content())) {
                throw wrong("id " + token.id(), "one token", List.of(other, token.content()));
            }
            pieces[token.id()] = token.content();
        }
        return pieces;
    }

    private static Normalizer normalizer(List<Json> all) throws FormatException {
        String prefix = "";
        List<Normalizer.Step> steps = new ArrayList<>();
        for (Json json : all) {
            switch (json.requireString("type")) {
                case "NFC" -> steps.add(new Normalizer.Nfc());
                case "Prepend" -> {
                    prefix = json.requireString("prepend");
                    boolean fits = prefix.length() <= MAX_PREFIX_LENGTH && steps.isEmpty();
                    json.check("prepend", fits, "at most " + MAX_PREFIX_LENGTH + " characters, before other steps");
                }
                case "Replace" -> {
                    Json pattern = json.section("pattern");
                    String replaced = pattern.requireString("String");
                    pattern.check("String", !replaced.isEmpty(), "at least one character");
                    steps.add(new Normalizer.Replace(replaced, json.requireString("content")));
                }
                case "Precompiled" -> {
                    String key = "precompiled_charsmap";
                    try {
                        steps.add(new CharsMap(Base64.getDecoder().decode(json.requireString(key))));
                    } catch (IllegalArgumentException e) {
                        json.check(key, false, "SentencePiece's table in base 64");
                    }
                }
                default -> json.support("type", false, "NFC, Prepend, Replace or Precompiled");
            }
        }
        return new Normalizer(new Normalizer("", steps).apply(prefix), List.copyOf(steps));
    }

    private Model model(Json json, Vocabulary vocabulary) throws FormatException {
        int[] bytes = new int[256];
        Arrays.fill(bytes, Vocabulary.NONE);
        if (vocabulary.byteLevel() || json.bool("byte_fallback", false)) {
            bytes = vocabulary.ofBytes();
        }
        String type = scores.isEmpty() ? "BPE" : "Unigram";
        json.support(
                "type",
                json.string("type", type).equals(type) && (scores.isEmpty() || !vocabulary.byteLevel()),
                "BPE, or Unigram with scores");
        if (!scores.isEmpty()) {
            return new Unigram(vocabulary, List.copyOf(scores), json.requireInt("unk_id", 0, scores.size() - 1), bytes);
        }
        for (String key : List.of("dropout", "continuing_subword_prefix", "end_of_word_suffix")) {
            json.support(
                    key,
                    !json.has(key) || List.of("", 0, 0.0).contains(json.root().get(key)),
                    "nothing");
        }
        int unknown = vocabulary.id(json.string("unk_token", ""));
        boolean known = vocabulary.byteLevel() || unknown >= 0 || !json.has("unk_token");
        json.check("unk_token", known, "a token of the vocabulary");
        boolean ignoreMerges = json.bool("ignore_merges", false);
        return new BytePair(vocabulary, merges(), bytes, ignoreMerges, json.bool("fuse_unk", false), unknown);
    }

    private Merges merges() throws FormatException {
        Merges merges = new Merges(halves.size() / 2);
        for (int i = 0; i < halves.size(); i += 2) {
            String where = "merges[" + i / 2 + "]";
            int left = known(where, halves.get(i));
            int right = known(where, halves.get(i + 1));
            if (!merges.add(left, right, known(where, halves.get(i) + halves.get(i + 1)))) {
                throw wrong(where, "merges that differ more", halves.get(i));
            }
        }
        return merges;
    }

    private int known(String where, String piece) throws FormatException {
        Integer id = ids.get(piece);
        if (id == null) {
            throw wrong(where, "tokens of the vocabulary", piece);
        }
        return id;
    }

    private List<Splitter> splitters(List<Json> steps, Normalizer normalizer, Model model) throws FormatException {
        List<Splitter> splitters = new ArrayList<>();
        for (Json json : steps) {
            switch (json.requireString("type")) {
                case "ByteLevel" -> {
                    boolean prefixed = json.bool("add_prefix_space", false);
                    json.check("add_prefix_space", !prefixed || splitters.isEmpty(), "false behind other steps");
                    if (prefixed) {
                        splitters.add(new Marks(' ', Marks.Where.ALWAYS));
                    }
                    if (json.bool("use_regex", true)) {
                        splitters.add(Patterns.of(Patterns.GPT2).orElseThrow());
                    }
                }
                case "Digits" -> {
                    boolean single = json.bool("individual_digits", false);
                    splitters.add(Patterns.of(single ? Patterns.NUMBER : Patterns.NUMBERS)
                            .orElseThrow());
                }
                case "Split" -> split(json, normalizer).ifPresent(splitters::add);
                case "WhitespaceSplit" -> splitters.add(new Splitter.Spaces());
                case "Metaspace" -> {
                    Marks.Where where = where(json);
                    json.check("prepend_scheme", where != Marks.Where.FIRST || splitters.isEmpty(), "first alone");
                    splitters.add(new Marks(Splitter.MARK, where));
                    if (json.bool("split", true)) {
                        splitters.add(new Splitter.BeforeMarks(true, new BitSet()));
                    }
                }
                default -> json.support("type", false, "ByteLevel, Digits, Split, WhitespaceSplit or Metaspace");
            }
        }
        if (model instanceof BytePair pairs && !pairs.vocabulary().byteLevel()) {
            splitters.add(new Splitter.BeforeMarks(false, beforeMarks()));
        }
        return List.copyOf(splitters);
    }

    /** The characters that some piece has before a mark, other than marks. */
    private BitSet beforeMarks() {
        BitSet before = new BitSet();
        for (String piece : ids.keySet()) {
            for (int at = piece.indexOf(Splitter.MARK, 1); at > 0; at = piece.indexOf(Splitter.MARK, at + 1)) {
                before.set(piece.charAt(at - 1));
            }
        }
        return before;
    }

    private static Optional<Splitter> split(Json json, Normalizer normalizer) throws FormatException {
        Json pattern = json.section("pattern");
        String behavior = json.bool("invert", false) ? "Removed" : "Isolated";
        if (pattern.has("Regex") && json.requireString("behavior").equals(behavior)) {
            Optional<Splitter> known = Patterns.of(pattern.requireString("Regex"));
            pattern.support("Regex", known.isPresent(), "the pattern of a known family");
            return known;
        }
        boolean nothing = pattern.string("String", "").equals(" ")
                && normalizer.withoutPrefix(" ").equals(MARK);
        json.support("behavior", nothing, "Isolated, Removed with invert, or a space that is never there");
        return Optional.empty();
    }

    /** Where marks are put; in older files without a scheme. */
    private static Marks.Where where(Json json) throws FormatException {
        json.check("replacement", json.string("replacement", MARK).equals(MARK), MARK);
        String scheme = json.string("prepend_scheme", json.bool("add_prefix_space", true) ? "always" : "never");
        json.support("prepend_scheme", List.of("always", "first", "never").contains(scheme), "always, first or never");
        return Marks.Where.valueOf(scheme.toUpperCase(Locale.ROOT));
    }

    private static Rule rule(Json root, boolean byteLevel) throws FormatException {
        List<Json> steps = steps(root, "decoder");
        Map<String, Json> byType = new LinkedHashMap<>();
        for (Json step : steps) {
            byType.put(step.requireString("type"), step);
        }
        String types = String.join(" ", byType.keySet());
        boolean known = types.matches(
                byteLevel ? "ByteLevel" : "(ByteFallback )?Metaspace|Replace( ByteFallback)? Fuse( Strip)?");
        root.support(
                "decoder",
                known && byType.size() == steps.size(),
                byteLevel ? "ByteLevel" : "Metaspace, or Replace, ByteFallback, Fuse and Strip");
        boolean hasBytes = byType.containsKey("ByteFallback");
        for (Json json : byType.values()) {
            switch (json.requireString("type")) {
                case "Metaspace" -> {
                    return new Rule.Marks(hasBytes, true, where(json) != Marks.Where.NEVER, false);
                }
                case "Replace" -> {
                    json.check(
                            "pattern",
                            json.section("pattern").string("String", "").equals(MARK),
                            MARK);
                    json.check("content", json.requireString("content").equals(" "), "a space");
                }
                case "Strip" -> {
                    json.check("content", json.requireString("content").equals(" "), "a space");
                    json.check("start", json.requireInt("start", 1, 1) + json.requireInt("stop", 0, 0) == 1, "1");
                }
                default -> {}
            }
        }
        return byteLevel ? new Rule.Bytes() : new Rule.Marks(hasBytes, false, false, byType.containsKey("Strip"));
    }

    /** The tokens that the post-processor puts before a text. */
    private static int[] prefix(Json root, int size) throws FormatException {
        IntStream.Builder prefix = IntStream.builder();
        for (Json json : steps(root, "post_processor")) {
            String type = json.requireString("type");
            json.support(
                    "type",
                    List.of("ByteLevel", "TemplateProcessing").contains(type),
                    "ByteLevel or TemplateProcessing");
            boolean before = true;
            for (Json item : json.objects("single")) {
                before &= !item.has("Sequence");
                if (item.has("SpecialToken")) {
                    String name = item.section("SpecialToken").requireString("id");
                    Json token = json.section("special_tokens").section(name);
                    List<Integer> ids = token.integers("ids");
                    boolean known = ids.stream().allMatch(id -> id >= 0 && id < size);
                    token.check("ids", known && !ids.isEmpty(), "ids of the vocabulary");
                    (before ? ids : List.<Integer>of()).forEach(prefix::add);
                }
            }
            json.check("single", type.equals("ByteLevel") || !before, "a place for the text");
        }
        return prefix.build().toArray();
    }
}
