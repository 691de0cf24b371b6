package dev.causal4j.tokenizer;

import static dev.causal4j.FormatException.quote;
import static dev.causal4j.format.JsonTree.describe;

import dev.causal4j.FormatException;
import dev.causal4j.format.JsonTree;
import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Reads and checks the two layouts of a byte-level byte-pair tokenizer. Whatever is in the files, the outcome is a
 * vocabulary the native library can take or a FormatException.
 */
final class VocabularyReader {
    // 16 million ids; the largest vocabularies in use have 262,144.
    static final int MAX_ID = (1 << 24) - 1;
    // The native library compares each with every other. The most in use are about 6,400.
    static final int MAX_ADDED_TOKENS = 10_000;

    private static final String COPY_AGAIN = "copy the file again from where it came";
    private static final String GPT2_ONLY = "only GPT-2's byte-level byte-pair tokenizers can be read";

    private final String subject;

    /** @param subject what the errors begin with, usually a path */
    VocabularyReader(String subject) {
        this.subject = subject;
    }

    /** Reads a tokenizer.json. Truncation, padding and post-processor are ignored: encoding does none of that here. */
    BytePairVocabulary tokenizerJson(byte[] bytes) throws FormatException {
        Map<String, Object> root = JsonTree.parse(subject, bytes);
        requireGpt2(root);
        Object model = root.get("model");
        Map<String, Integer> ids = ids("model.vocab", member(model, "vocab"));
        List<AddedToken> added = addedTokens(root.get("added_tokens"), ids);
        List<Merge> merges = merges(member(model, "merges"), ids);
        boolean addPrefixSpace = flag("pre_tokenizer", root.get("pre_tokenizer"), "add_prefix_space");
        return vocabulary(ids, merges, added, addPrefixSpace);
    }

    /** Reads GPT-2's vocab.json and merges.txt. */
    BytePairVocabulary vocabAndMerges(byte[] vocabJson, byte[] mergesTxt) throws FormatException {
        Map<String, Integer> ids = ids("vocab.json", JsonTree.parse(subject + ": vocab.json", vocabJson));
        List<AddedToken> added = new ArrayList<>();
        Integer endOfText = ids.get(Tokenizer.END_OF_TEXT);
        if (endOfText != null) {
            added.add(new AddedToken(endOfText, Tokenizer.END_OF_TEXT, true, false, false, false, false));
        }
        List<Merge> merges = new ArrayList<>();
        IntFunction<String> where = i -> "merges.txt line " + i;
        int number = 0;
        for (String line : new String(mergesTxt, StandardCharsets.UTF_8).split("\r?\n", -1)) {
            number++;
            if (!line.isEmpty() && !(number == 1 && line.startsWith("#version"))) {
                merges.add(merge(where, number, line, ids));
            }
        }
        return vocabulary(ids, merges, added, false);
    }

    /** What an object has under a name; null if that is nothing, or it is no object. */
    private static @Nullable Object member(@Nullable Object node, String name) {
        return node instanceof Map<?, ?> object ? object.get(name) : null;
    }

    /** What the native library would do differently with another file must be as in GPT-2. */
    private void requireGpt2(Map<String, Object> root) throws FormatException {
        requireAbsent("normalizer", root.get("normalizer"));
        requireType("pre_tokenizer", root.get("pre_tokenizer"), "ByteLevel");
        requireType("decoder", root.get("decoder"), "ByteLevel");
        Object splits = member(root.get("pre_tokenizer"), "use_regex");
        boolean gpt2 = splits == null || splits.equals(true);
        require(gpt2, "pre_tokenizer.use_regex", "true", describe(splits), GPT2_ONLY);
        Object model = root.get("model");
        if (member(model, "type") != null) {
            requireType("model", model, "BPE");
        }
        for (String name : List.of(
                "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")) {
            requireAbsent("model." + name, member(model, name));
        }
    }

    private void requireType(String where, @Nullable Object node, String type) throws FormatException {
        Object got = node instanceof Map ? member(node, "type") : node;
        require(type.equals(got) && node instanceof Map, where + ".type", type, describe(got), GPT2_ONLY);
    }

    private void requireAbsent(String where, @Nullable Object node) throws FormatException {
        boolean absent = node == null
                || node.equals(JsonTree.NULL)
                || node.equals("")
                || node.equals(false)
                || (node instanceof Number number && number.doubleValue() == 0);
        require(absent, where, "nothing", describe(node), GPT2_ONLY);
    }

    private Map<String, Integer> ids(String where, @Nullable Object vocab) throws FormatException {
        if (!(vocab instanceof Map<?, ?> tokens) || tokens.isEmpty()) {
            throw failure(where, "tokens with their ids", describe(vocab), COPY_AGAIN);
        }
        Map<String, Integer> ids = LinkedHashMap.newLinkedHashMap(tokens.size());
        for (Map.Entry<?, ?> entry : tokens.entrySet()) {
            String piece = piece(where, (String) entry.getKey());
            if (!(entry.getValue() instanceof Integer id) || !isId(id)) {
                throw noId(where + " of " + quote(piece), entry.getValue());
            }
            ids.put(piece, id);
        }
        return ids;
    }

    /** Also puts them into {@code ids}: the native library would number those that the model does not have itself. */
    private List<AddedToken> addedTokens(@Nullable Object node, Map<String, Integer> ids) throws FormatException {
        if (node == null || node.equals(JsonTree.NULL)) {
            return List.of();
        }
        if (!(node instanceof List<?> list)) {
            throw failure("added_tokens", "a list", describe(node), COPY_AGAIN);
        }
        require(
                list.size() <= MAX_ADDED_TOKENS,
                "added_tokens",
                "at most " + MAX_ADDED_TOKENS,
                list.size(),
                COPY_AGAIN);
        List<AddedToken> added = new ArrayList<>();
        Set<String> contents = new HashSet<>();
        for (Object token : list) {
            String where = "added_tokens[" + added.size() + "]";
            if (!(member(token, "content") instanceof String text)) {
                throw failure(where, "a token with its content", describe(token), COPY_AGAIN);
            }
            String content = piece(where, text);
            if (!(member(token, "id") instanceof Integer id) || !isId(id)) {
                throw noId(where + ".id", member(token, "id"));
            }
            require(contents.add(content), where, "a new token", quote(content) + " again", COPY_AGAIN);
            int known = ids.getOrDefault(content, id);
            require(known == id, where + ".id", known + " as in the vocabulary", id, COPY_AGAIN);
            ids.put(content, id);
            added.add(new AddedToken(
                    id,
                    content,
                    flag(where, token, "special"),
                    flag(where, token, "single_word"),
                    flag(where, token, "lstrip"),
                    flag(where, token, "rstrip"),
                    flag(where, token, "normalized")));
        }
        return added;
    }

    // There are tens of thousands of tokens and merges at every start: a place is spelled only for an error.

    private String piece(String where, String piece) throws FormatException {
        if (piece.isEmpty()) {
            throw failure(where, "a token of at least one character", "an empty one", COPY_AGAIN);
        }
        if (!Text.isWellFormed(piece)) {
            throw failure(where, "Unicode text", "half of a surrogate pair", COPY_AGAIN);
        }
        return piece;
    }

    private static boolean isId(int id) {
        return id >= 0 && id <= MAX_ID;
    }

    private FormatException noId(String where, @Nullable Object got) {
        return failure(where, "an id from 0 to " + MAX_ID, describe(got), COPY_AGAIN);
    }

    private boolean flag(String where, @Nullable Object node, String name) throws FormatException {
        Object flag = member(node, name);
        if (flag != null && !(flag instanceof Boolean)) {
            throw failure(where + "." + name, "true or false", describe(flag), COPY_AGAIN);
        }
        return Boolean.TRUE.equals(flag);
    }

    /** Each merge is "a b" or, in newer files, ["a", "b"]. */
    private List<Merge> merges(@Nullable Object node, Map<String, Integer> ids) throws FormatException {
        if (!(node instanceof List<?> list)) {
            throw failure("model.merges", "a list", describe(node), COPY_AGAIN);
        }
        IntFunction<String> where = i -> "model.merges[" + i + "]";
        List<Merge> merges = new ArrayList<>(list.size());
        for (int i = 0; i < list.size(); i++) {
            Object pair = list.get(i);
            if (pair instanceof String line) {
                merges.add(merge(where, i, line, ids));
            } else if (pair instanceof List<?> two
                    && two.size() == 2
                    && two.get(0) instanceof String left
                    && two.get(1) instanceof String right) {
                merges.add(merge(where, i, left, right, ids));
            } else {
                throw failure(where.apply(i), "two tokens", describe(pair), COPY_AGAIN);
            }
        }
        return merges;
    }

    private Merge merge(IntFunction<String> where, int i, String line, Map<String, Integer> ids)
            throws FormatException {
        int space = line.indexOf(' ');
        boolean two = space > 0 && space < line.length() - 1 && line.indexOf(' ', space + 1) < 0;
        if (!two) {
            throw failure(where.apply(i), "two tokens with a space between", quote(line), COPY_AGAIN);
        }
        return merge(where, i, line.substring(0, space), line.substring(space + 1), ids);
    }

    private Merge merge(IntFunction<String> where, int i, String left, String right, Map<String, Integer> ids)
            throws FormatException {
        Merge merge = new Merge(known(where, i, left, ids), known(where, i, right, ids));
        known(where, i, left + right, ids);
        return merge;
    }

    private int known(IntFunction<String> where, int i, String piece, Map<String, Integer> ids) throws FormatException {
        Integer id = ids.get(piece);
        if (id == null) {
            throw failure(where.apply(i), "tokens of the vocabulary", quote(piece), "use the files of one model");
        }
        return id;
    }

    private BytePairVocabulary vocabulary(
            Map<String, Integer> ids, List<Merge> merges, List<AddedToken> added, boolean addPrefixSpace)
            throws FormatException {
        String[] pieces = new String[Collections.max(ids.values()) + 1];
        Arrays.fill(pieces, "");
        for (Map.Entry<String, Integer> entry : ids.entrySet()) {
            int id = entry.getValue();
            if (!pieces[id].isEmpty()) {
                String both = quote(pieces[id]) + " and " + quote(entry.getKey());
                throw failure("id " + id, "one token", both, COPY_AGAIN);
            }
            pieces[id] = entry.getKey();
        }
        return new BytePairVocabulary(
                List.of(pieces),
                Collections.unmodifiableMap(ids),
                List.copyOf(merges),
                List.copyOf(added),
                addPrefixSpace);
    }

    // For what is checked a few times: its arguments are made even when all is well.
    private void require(boolean condition, String where, String expected, Object got, String remedy)
            throws FormatException {
        if (!condition) {
            throw failure(where, expected, got, remedy);
        }
    }

    private FormatException failure(String where, String expected, Object got, String remedy) {
        return new FormatException(subject + ": " + where, expected, got.toString(), remedy);
    }
}
