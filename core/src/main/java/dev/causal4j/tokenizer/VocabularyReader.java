package dev.causal4j.tokenizer;

import static dev.causal4j.FormatException.quote;
import static dev.causal4j.format.Json.describe;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.format.Json;
import dev.causal4j.format.UntrustedInput;
import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads and checks the two layouts of a byte-level byte-pair tokenizer. Whatever is in the files, the result is a
 * vocabulary the native library accepts, or an exception. For one use.
 */
final class VocabularyReader {
    // The largest vocabularies in use have 262,144 ids.
    static final int MAX_ID = (1 << 24) - 1;
    // The native library compares all pairs of them. Real files have up to 6,400.
    static final int MAX_ADDED_TOKENS = 10_000;

    private static final String COPY_AGAIN = "copy the file again from where it came";

    // Settings of the model that GPT-2 does not have.
    private static final List<String> UNUSED =
            List.of("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges");
    private static final @Nullable Object[] NONE = {null, Json.NULL, "", false, 0, 0.0};

    private final String subject;
    private final Map<String, Integer> ids = new LinkedHashMap<>();

    /** @param subject the name in errors, usually a path */
    VocabularyReader(String subject) {
        this.subject = subject;
    }

    /** Reads a tokenizer.json. Truncation, padding and post-processor are ignored: encoding does none of that here. */
    BytePairVocabulary tokenizerJson(byte[] bytes) throws FormatException {
        Map<String, Object> root = Json.tree(subject, bytes);
        requireGpt2(root);
        readIds("model.vocab", at(root, "model.vocab"));
        Collection<AddedToken> added = addedTokens(root.getOrDefault("added_tokens", List.of()));
        List<Merge> merges = new ArrayList<>();
        for (Object pair : list("model.merges", at(root, "model.merges"))) {
            merges.add(merge("model.merges[%s]", merges.size(), pair));
        }
        Json splitter = object("pre_tokenizer", at(root, "pre_tokenizer"));
        return vocabulary(merges, added, splitter.bool("add_prefix_space", false));
    }

    /** Reads GPT-2's vocab.json and merges.txt. */
    BytePairVocabulary vocabAndMerges(byte[] vocabJson, byte[] mergesTxt) throws FormatException {
        readIds("vocab.json", Json.tree(subject + ": vocab.json", vocabJson));
        Integer end = ids.get(Tokenizer.END_OF_TEXT);
        List<AddedToken> added = end == null ? List.of() : List.of(AddedToken.special(end, Tokenizer.END_OF_TEXT));
        List<Merge> merges = new ArrayList<>();
        int number = 0;
        for (String line : new String(mergesTxt, StandardCharsets.UTF_8).split("\r?\n", -1)) {
            number++;
            if (!line.isEmpty() && !(number == 1 && line.startsWith("#version"))) {
                merges.add(merge("merges.txt line %s", number, line));
            }
        }
        return vocabulary(merges, added, false);
    }

    /** The value at a path such as {@code model.vocab}; null if there is none. */
    private static @Nullable Object at(@Nullable Object root, String path) {
        Object node = root;
        for (String name : path.split("\\.", -1)) {
            node = node instanceof Map<?, ?> object ? object.get(name) : null;
        }
        return node;
    }

    /** Refuses settings that make the native library behave differently from GPT-2. */
    private void requireGpt2(Map<String, Object> root) throws FormatException {
        requireOneOf(root, "pre_tokenizer.type", "ByteLevel");
        requireOneOf(root, "pre_tokenizer.use_regex", true, null);
        requireOneOf(root, "decoder.type", "ByteLevel");
        requireOneOf(root, "model.type", "BPE", null);
        requireOneOf(root, "normalizer", NONE);
        for (String name : UNUSED) {
            requireOneOf(root, "model." + name, NONE);
        }
    }

    private void requireOneOf(Object root, String path, @Nullable Object... supported) throws FormatException {
        Object got = at(root, path);
        if (!Arrays.asList(supported).contains(got)) {
            String first = supported[0] == null ? "nothing" : supported[0].toString();
            String remedy = "only GPT-2's byte-level byte-pair tokenizers can be read";
            throw new UnsupportedModelException(subject + ": " + path, first, describe(got), remedy);
        }
    }

    private Json object(String where, @Nullable Object node) throws FormatException {
        if (!(node instanceof Map<?, ?> object)) {
            throw failure(where, "an object", describe(node));
        }
        return new Json(subject + ": " + where, object);
    }

    private List<?> list(String where, @Nullable Object node) throws FormatException {
        if (!(node instanceof List<?> list)) {
            throw failure(where, "a list", describe(node));
        }
        return list;
    }

    private void readIds(String where, @Nullable Object vocab) throws FormatException {
        if (!(vocab instanceof Map<?, ?> tokens) || tokens.isEmpty()) {
            throw failure(where, "tokens with their ids", describe(vocab));
        }
        Json json = new Json(subject + ": " + where, tokens);
        for (Object token : tokens.keySet()) {
            String piece = piece(where, (String) token);
            ids.put(piece, json.requireInt(piece, 0, MAX_ID));
        }
    }

    /** Also puts them into {@code ids}: the native library would number those that the model does not have itself. */
    private Collection<AddedToken> addedTokens(Object node) throws FormatException {
        List<?> list = node.equals(Json.NULL) ? List.of() : list("added_tokens", node);
        if (list.size() > MAX_ADDED_TOKENS) {
            throw failure("added_tokens", "at most " + MAX_ADDED_TOKENS, list.size());
        }
        Map<String, AddedToken> added = new LinkedHashMap<>();
        for (Object token : list) {
            String where = "added_tokens[" + added.size() + "]";
            Json json = object(where, token);
            String content = piece(where, json.requireString("content"));
            int id = json.requireInt("id", 0, MAX_ID);
            Map<String, Boolean> flags = new HashMap<>();
            for (String flag : AddedToken.FLAGS) {
                flags.put(flag, json.bool(flag, false));
            }
            AddedToken read = new AddedToken(id, content, Map.copyOf(flags));
            if (added.put(content, read) != null) {
                throw failure(where, "a new token", quote(content) + " again");
            }
            Integer known = ids.putIfAbsent(content, id);
            if (known != null && known != id) {
                throw failure(where + ".id", known + " as in the vocabulary", id);
            }
        }
        return added.values();
    }

    private String piece(String where, String piece) throws FormatException {
        if (piece.isEmpty()) {
            throw failure(where, "a token of at least one character", "an empty one");
        }
        if (!UntrustedInput.isUnicode(piece)) {
            throw failure(where, "Unicode text", "half of a surrogate pair");
        }
        return piece;
    }

    /**
     * A merge is "a b" or, in newer files, ["a", "b"].
     *
     * @param place its place, with a placeholder for the number, formatted only for an error
     */
    private Merge merge(String place, int number, Object pair) throws FormatException {
        List<?> two = pair instanceof String line
                ? List.of(line.split(" ", -1))
                : pair instanceof List<?> given ? given : List.of();
        if (two.size() != 2 || !(two.get(0) instanceof String left) || !(two.get(1) instanceof String right)) {
            throw failure(place.formatted(number), "two tokens", describe(pair));
        }
        Merge merge = new Merge(known(place, number, left), known(place, number, right));
        known(place, number, left + right);
        return merge;
    }

    private int known(String place, int number, String piece) throws FormatException {
        Integer id = ids.get(piece);
        if (id == null) {
            String where = subject + ": " + place.formatted(number);
            throw new FormatException(where, "tokens of the vocabulary", quote(piece), "use the files of one model");
        }
        return id;
    }

    private BytePairVocabulary vocabulary(List<Merge> merges, Collection<AddedToken> added, boolean addPrefixSpace)
            throws FormatException {
        String[] pieces = new String[Collections.max(ids.values()) + 1];
        Arrays.fill(pieces, "");
        for (Map.Entry<String, Integer> entry : ids.entrySet()) {
            int id = entry.getValue();
            if (!pieces[id].isEmpty()) {
                throw failure("id " + id, "one token", quote(pieces[id]) + " and " + quote(entry.getKey()));
            }
            pieces[id] = entry.getKey();
        }
        return BytePairVocabulary.of(List.of(pieces), merges, added, addPrefixSpace);
    }

    private FormatException failure(String where, String expected, Object got) {
        return new FormatException(subject + ": " + where, expected, got.toString(), COPY_AGAIN);
    }
}
