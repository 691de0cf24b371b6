package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.format.Gguf;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Reads the vocabulary in a GGUF file's metadata as a tokenizer.json. Flags that GGUF lacks, such as which tokens take
 * the space beside them, are llama.cpp's. Immutable and thread-safe.
 */
public final class GgufVocabulary {
    /** The tensor with a row for each token. */
    static final String EMBEDDING = "token_embd.weight";

    private static final String KEYS = "tokenizer.ggml.";
    private static final String MODEL = KEYS + "model";
    private static final String SPLITTING = KEYS + "pre";
    private static final String TOKENS = KEYS + "tokens";
    private static final String KINDS = KEYS + "token_type";
    private static final String SCORES = KEYS + "scores";
    private static final String MERGES = KEYS + "merges";
    private static final String TEMPLATE = "tokenizer.chat_template";
    private static final String DEFAULT = "default";
    private static final String BEGINS = KEYS + "add_bos_token";
    static final String ENDS = KEYS + "add_eos_token";
    private static final String PREFIXED = KEYS + "add_space_prefix";
    private static final String ID = "_token_id";
    private static final String SCORED = "llama"; // a kind of tokenizer: with scores, as in SentencePiece
    private static final String BYTES = "gpt2";
    private static final String RAW = "gemma4"; // merges of plain text with marks for spaces
    private static final String KINDS_KNOWN = "gpt2, llama or gemma4";
    static final String MARK = "\u2581"; // SentencePiece's mark for a space

    // Kinds of tokens.
    static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int OWN = 4; // user-defined
    static final int UNUSED = 5;
    static final int BYTE = 6;

    /** Characters to compare for halves: a second's work. Gemma's vocabulary of 262,144 pieces has 20 million. */
    private static final long MOST_IN_HALVES = 1 << 30;

    private static final Json RULES = rules();

    private final Json metadata;
    private final boolean scored;
    private final boolean supported;
    private final List<String> pieces;
    private final List<Integer> kinds;
    private final BitSet lengths = new BitSet(); // the lengths of pieces that are text

    /**
     * @param metadata the file's metadata
     * @param rows the model's rows, one for each token
     * @throws FormatException if there is no vocabulary of {@code rows} tokens
     */
    GgufVocabulary(Json metadata, long rows) throws FormatException {
        this.metadata = metadata;
        String model = metadata.requireString(MODEL);
        scored = model.equals(SCORED);
        supported = scored || model.equals(BYTES) || model.equals(RAW);
        boolean known =
                supported || RULES.section("unsupported").strings("models").contains(model);
        metadata.check(MODEL, known, KINDS_KNOWN);
        List<String> tokens = metadata.strings(TOKENS);
        boolean fits = tokens.size() == rows || (!supported && tokens.isEmpty());
        metadata.check(TOKENS, fits, rows + " tokens, one for each row of the embedding");
        for (String key : List.of(KINDS, SCORES)) { // before the numbers become objects
            Object given = metadata.root().get(key);
            boolean each = given instanceof List<?> list && (list.isEmpty() || list.size() == tokens.size());
            metadata.check(key, given == null || each, "one for each token");
        }
        List<Integer> given = metadata.integers(KINDS);
        kinds = given.isEmpty() ? Collections.nCopies(tokens.size(), NORMAL) : given;
        pieces = scored ? respaced(tokens, kinds, " ", MARK) : tokens;
        ids(this::isText).forEach(id -> lengths.set(pieces.get(id).length()));
    }

    /** The tokens, with user-defined runs of {@code mark} written as {@code other}: files have these runs as spaces. */
    private static List<String> respaced(List<String> tokens, List<Integer> kinds, String mark, String other) {
        return IntStream.range(0, tokens.size())
                .mapToObj(id -> {
                    String token = tokens.get(id);
                    boolean run =
                            kinds.get(id) == OWN && token.replace(mark, "").isEmpty();
                    return run ? token.replace(mark, other) : token;
                })
                .toList();
    }

    /**
     * Reads the vocabulary of a GGUF file.
     *
     * @throws FormatException if it is not a GGUF file, or has no vocabulary
     * @throws IOException if reading fails
     */
    public static GgufVocabulary read(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Gguf model = Gguf.open(file, arena);
            List<Long> shape = model.tensors().tensor(EMBEDDING).shape();
            return new GgufVocabulary(model.metadata(), shape.isEmpty() ? 1 : shape.getFirst());
        }
    }

    private static Json rules() {
        try (InputStream in = Objects.requireNonNull(GgufVocabulary.class.getResourceAsStream("gguf.json"))) {
            return Json.parse("gguf.json", in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The token that a text begins with, if there is one. */
    public OptionalInt bos() {
        return id("bos", scored ? 1 : -1);
    }

    private OptionalInt eos() {
        return id("eos", scored ? 2 : -1);
    }

    /** The tokens that end a text or a turn: by the keys, and by their known texts. */
    public Set<Integer> stops() throws FormatException {
        Set<Integer> stops = new TreeSet<>();
        eos().ifPresent(stops::add);
        id("eot", -1).ifPresent(stops::add);
        id("eom", -1).ifPresent(stops::add);
        Set<String> known = Set.copyOf(RULES.strings("stops"));
        // Ordinary tokens may have such a text, as in Qwen.
        ids(id -> kinds.get(id) != NORMAL && known.contains(pieces.get(id))).forEach(stops::add);
        return stops;
    }

    private OptionalInt id(String name, int absent) {
        Object value = metadata.root().get(KEYS + name + ID);
        int id = value == null ? absent : value instanceof Integer given ? given : -1;
        return id >= 0 && id < pieces.size() && !pieces.get(id).isEmpty() ? OptionalInt.of(id) : OptionalInt.empty();
    }

    /**
     * A {@code tokenizer.json} without its vocabulary and merges.
     *
     * @throws dev.causal4j.UnsupportedModelException if the tokenizer is of a kind that is not supported
     */
    private Json settings() throws FormatException {
        metadata.support(MODEL, supported, KINDS_KNOWN);
        Json rules = rules(metadata);
        Json model = rules.section("model");
        boolean raw = isRaw(metadata.root());
        if (scored || (raw && metadata.has(KEYS + "unknown" + ID))) {
            int unknown = metadata.integer(KEYS + "unknown" + ID, 0, 0, pieces.size() - 1);
            model = model.with(Map.of("unk_token", pieces.get(unknown)));
        }
        boolean begins = raw || metadata.bool(BEGINS, splitting(metadata).bool("bos", scored));
        boolean ends = metadata.bool(ENDS, false);
        Object postProcessor = postProcessor(begins ? bos() : OptionalInt.empty(), ends ? eos() : OptionalInt.empty());
        Map<String, Object> more =
                Json.object("model", model.root(), "added_tokens", addedTokens(), "post_processor", postProcessor);
        return new Json(metadata.subject(), rules.root()).with(more);
    }

    /** The settings of the kind of tokenizer and of the way to split texts in the metadata. */
    static Json rules(Json metadata) throws FormatException {
        Json own = splitting(metadata);
        boolean raw = isRaw(metadata.root());
        Json rules = RULES.section(isScored(metadata.root()) ? SCORED : raw ? RAW : BYTES)
                .with(own.section("settings").root());
        Json model = rules.section("model").with(own.section("model").root());
        return rules.with(Map.of("model", model.root()));
    }

    private static Json splitting(Json metadata) throws FormatException {
        if (isScored(metadata.root())) {
            return RULES.section(metadata.bool(PREFIXED, true) ? "llama_with_prefix" : "llama_without_prefix");
        }
        if (isRaw(metadata.root())) {
            return new Json(RAW, Map.of());
        }
        String name = metadata.string(SPLITTING, "default");
        for (Json each : RULES.objects("splitting")) {
            if (each.strings("names").contains(name)) {
                return each;
            }
        }
        String expected = "a known way to split text, such as gpt-2, llama-bpe or qwen2";
        metadata.check(
                SPLITTING, RULES.section("unsupported").strings("splitting").contains(name), expected);
        metadata.support(SPLITTING, false, expected);
        throw new AssertionError(name);
    }

    /**
     * The metadata of all ways to split texts; their {@link #rules} differ.
     *
     * @param scored whether the kind is SentencePiece's, else of bytes
     * @param raw whether the kind is of plain text
     */
    static List<Map<String, Object>> ways(boolean scored, boolean raw) throws FormatException {
        if (raw) {
            return List.of(Json.object(MODEL, RAW));
        }
        List<Map<String, Object>> ways = new ArrayList<>();
        for (Json each : RULES.objects("splitting")) {
            ways.add(Json.object(MODEL, BYTES, SPLITTING, each.strings("names").getFirst()));
        }
        return scored
                ? List.of(Json.object(MODEL, SCORED, PREFIXED, true), Json.object(MODEL, SCORED, PREFIXED, false))
                : ways;
    }

    /**
     * The metadata of a vocabulary.
     *
     * @param splitting one of {@link #ways}
     * @param kinds the kinds of the pieces, from {@link #NORMAL} to {@link #BYTE}
     * @param order merges as {@code "left right"}, or for SentencePiece's kind the scores of all pieces
     * @param special ids by their purpose: bos, eos, eot, eom, unknown, padding
     * @param begins whether texts begin with bos
     */
    static Map<String, Object> metadata(
            Map<String, Object> splitting,
            List<String> pieces,
            List<Integer> kinds,
            List<?> order,
            Map<String, Integer> special,
            boolean begins) {
        boolean scored = isScored(splitting);
        Map<String, Object> metadata = new LinkedHashMap<>(splitting);
        metadata.put(TOKENS, scored ? respaced(pieces, kinds, MARK, " ") : pieces);
        metadata.put(KINDS, kinds);
        metadata.put(scored ? SCORES : MERGES, order);
        special.forEach((name, id) -> metadata.put(KEYS + name + ID, id));
        metadata.put(BEGINS, begins);
        return metadata;
    }

    /** Whether a file's vocabulary is of SentencePiece's kind, with scores. */
    static boolean isScored(Map<?, ?> metadata) {
        return SCORED.equals(metadata.get(MODEL));
    }

    /** Whether its vocabulary is of Gemma 4's kind, with merges of plain text. */
    private static boolean isRaw(Map<?, ?> metadata) {
        return RAW.equals(metadata.get(MODEL));
    }

    /** The metadata of a file without vocabulary; its model takes token ids alone. */
    static Map<String, Object> noMetadata() {
        return Map.of(MODEL, "none");
    }

    /** The metadata of chat templates by name; {@code default} is for conversations without tools. */
    static Map<String, Object> templates(Map<String, String> sources) {
        Map<String, Object> metadata = new TreeMap<>();
        sources.forEach((name, source) -> metadata.put(TEMPLATE + (name.equals(DEFAULT) ? "" : "." + name), source));
        return metadata;
    }

    /**
     * The ids of the pieces.
     *
     * @throws FormatException if two have the same
     */
    private Map<String, Integer> ids() throws FormatException {
        Map<String, Integer> ids = LinkedHashMap.newLinkedHashMap(pieces.size());
        for (int id = 0; id < pieces.size(); id++) {
            boolean isNew = pieces.get(id).isEmpty() || ids.put(pieces.get(id), id) == null;
            metadata.check(TOKENS, isNew, "each token once");
        }
        return ids;
    }

    /** The pattern by which GPT-2 splits text, the default of byte-level splitting. */
    static String wordsOfGpt2() throws FormatException {
        return RULES.requireString("gpt-2_words");
    }

    private List<Object> addedTokens() throws FormatException {
        boolean phi = scored && metadata.string("general.architecture", "").equals("phi3");
        List<Object> added = new ArrayList<>();
        ids(id -> List.of(UNKNOWN, CONTROL, OWN).contains(kinds.get(id))).forEach(id -> {
            String piece = pieces.get(id);
            Map<String, Object> token = Json.object("id", id, "content", piece);
            List.of("single_word", "lstrip", "normalized").forEach(flag -> token.put(flag, false));
            token.put("rstrip", phi && !List.of("<unk>", "<s>", "<|endoftext|>").contains(piece));
            token.put("special", kinds.get(id) != OWN);
            added.add(token);
        });
        return added;
    }

    /** The post-processor, which puts tokens around a text. */
    private Object postProcessor(OptionalInt first, OptionalInt last) {
        List<Object> single = new ArrayList<>();
        Map<String, Object> tokens = new LinkedHashMap<>();
        first.ifPresent(id -> single.add(special(id, tokens)));
        single.add(Json.object("Sequence", Json.object("id", "A", "type_id", 0)));
        last.ifPresent(id -> single.add(special(id, tokens)));
        return tokens.isEmpty()
                ? Json.NULL
                : Json.object("type", "TemplateProcessing", "single", single, "pair", single, "special_tokens", tokens);
    }

    private Object special(int id, Map<String, Object> tokens) {
        String piece = pieces.get(id);
        tokens.put(piece, Json.object("id", piece, "ids", List.of(id), "tokens", List.of(piece)));
        return Json.object("SpecialToken", Json.object("id", piece, "type_id", 0));
    }

    /**
     * The merges, as left and right piece, best first.
     *
     * @param ids from {@link #ids}
     * @throws FormatException if the merges, or the scores that give them, are missing
     */
    private List<List<String>> merges(Map<String, Integer> ids) throws FormatException {
        checkHalves();
        if (scored) {
            return scoredMerges(ids);
        }
        metadata.check(MERGES, metadata.has(MERGES), "a list of pairs");
        List<List<String>> merges = new ArrayList<>();
        for (String pair : metadata.strings(MERGES)) {
            int cut = Math.max(pair.indexOf(' ', 1), 0); // a piece may begin with a space
            String left = pair.substring(0, cut);
            String right = pair.substring(Math.min(cut + 1, pair.length()));
            if (ids.containsKey(left) && ids.containsKey(right) && ids.containsKey(left + right)) {
                merges.add(List.of(left, right));
            }
        }
        if (isRaw(metadata.root())) { // a run of line ends that is a token is merged whole
            Set<String> known =
                    merges.stream().map(GgufVocabulary::pair).collect(Collectors.toSet()); // strings are comparable
            ids(id -> !pieces.get(id).isEmpty()
                            && pieces.get(id).replace("\n", "").isEmpty())
                    .flatMap(id -> halves(pieces.get(id), ids))
                    .filter(halves -> !known.contains(pair(halves)))
                    .forEach(merges::add);
        }
        return merges;
    }

    private static String pair(List<String> halves) {
        return String.join("\0", halves);
    }

    /** All ways to make a piece of two: first of user-defined runs of spaces, then in the order of scores. */
    private List<List<String>> scoredMerges(Map<String, Integer> ids) throws FormatException {
        List<Double> scores = metadata.numbers(SCORES, pieces.size());
        metadata.check(SCORES, scores.stream().allMatch(Double::isFinite), "finite numbers");
        Comparator<List<String>> longest =
                Comparator.comparingInt(halves -> -halves.getFirst().length());
        Comparator<List<String>> byId = Comparator.comparing(halves -> ids.get(halves.getFirst()));
        Stream<List<String>> spaces = ids(id ->
                        kinds.get(id) == OWN && pieces.get(id).replace(MARK, "").isEmpty())
                .sorted(Comparator.comparingInt(id -> -pieces.get(id).length()))
                .flatMap(id -> halves(pieces.get(id), ids).sorted(longest));
        Stream<List<String>> normal = ids(id -> kinds.get(id) == NORMAL)
                .sorted(Comparator.comparingDouble(id -> 0 - scores.get(id)))
                .flatMap(id -> halves(pieces.get(id), ids).sorted(byId));
        return Stream.concat(spaces, normal).toList();
    }

    /**
     * The ways to make a piece of two pieces of text. Only cuts whose halves have the lengths of some pieces of text
     * are tried.
     */
    private Stream<List<String>> halves(String piece, Map<String, Integer> ids) {
        Predicate<String> isText = half -> ids.containsKey(half) && isText(ids.getOrDefault(half, 0));
        return cuts(piece.length())
                .filter(cut -> isText.test(piece.substring(0, cut)) && isText.test(piece.substring(cut)))
                .mapToObj(cut -> List.of(piece.substring(0, cut), piece.substring(cut)));
    }

    private IntStream cuts(int length) {
        return lengths.stream().takeWhile(cut -> cut < length).filter(cut -> lengths.get(length - cut));
    }

    private boolean isText(int id) {
        return kinds.get(id) == NORMAL || kinds.get(id) == OWN;
    }

    /** Refuses pieces of many different long lengths: the search for their halves would take hours. */
    private void checkHalves() throws FormatException {
        Map<Integer, Long> counts =
                pieces.stream().collect(Collectors.groupingBy(String::length, Collectors.counting()));
        long characters = counts.entrySet().stream()
                .mapToLong(each ->
                        each.getKey() * each.getValue() * cuts(each.getKey()).count())
                .sum();
        String expected = "pieces whose possible halves have at most " + MOST_IN_HALVES + " characters";
        metadata.check(TOKENS, characters <= MOST_IN_HALVES, expected);
    }

    /** The ids of some pieces. */
    private Stream<Integer> ids(Predicate<Integer> which) {
        return IntStream.range(0, pieces.size())
                .boxed()
                .filter(id -> !pieces.get(id).isEmpty() && which.test(id));
    }

    /** The special tokens by their name in a {@code tokenizer_config.json}. */
    private Map<String, String> specialTokens() {
        Map<String, String> tokens = new LinkedHashMap<>();
        bos().ifPresent(id -> tokens.put("bos_token", pieces.get(id)));
        eos().ifPresent(id -> tokens.put("eos_token", pieces.get(id)));
        id("unknown", -1).ifPresent(id -> tokens.put("unk_token", pieces.get(id)));
        id("padding", -1).ifPresent(id -> tokens.put("pad_token", pieces.get(id)));
        return tokens;
    }

    /** The chat templates by name; {@code default} is for conversations without tools. */
    private Map<String, String> templates() throws FormatException {
        Map<String, String> templates = new LinkedHashMap<>();
        for (Object key : metadata.root().keySet()) {
            String name = (String) key;
            if (name.equals(TEMPLATE) || name.startsWith(TEMPLATE + ".")) {
                String kind = name.equals(TEMPLATE) ? DEFAULT : name.substring(TEMPLATE.length() + 1);
                templates.put(kind, metadata.requireString(name));
            }
        }
        return templates;
    }

    /**
     * The chat templates and the special tokens they use.
     *
     * @throws FormatException if a template is not a text
     */
    public ChatTemplate.Source templateSource() throws FormatException {
        return new ChatTemplate.Source(metadata.subject(), templates(), specialTokens());
    }

    /**
     * The tokenizer.
     *
     * @throws FormatException if pieces and merges do not fit each other
     * @throws dev.causal4j.UnsupportedModelException if the tokenizer is of a kind that is not supported
     */
    public Tokenizer tokenizer() throws FormatException {
        Map<String, Integer> ids = ids();
        return Tokenizer.of(metadata.subject(), settings().root(), ids, merges(ids));
    }
}
