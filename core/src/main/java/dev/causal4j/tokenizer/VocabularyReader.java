package dev.causal4j.tokenizer;

import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads and checks the two layouts of a byte-level byte-pair tokenizer. Whatever is in the files, the outcome is a
 * vocabulary the native library can take or an IOException in one line.
 */
final class VocabularyReader {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
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
    BytePairVocabulary tokenizerJson(byte[] bytes) throws IOException {
        JsonNode root = parse(bytes);
        requireGpt2(root);
        JsonNode model = root.path("model");
        Map<String, Integer> ids = ids("model.vocab", model.path("vocab"));
        List<AddedToken> added = addedTokens(root.path("added_tokens"), ids);
        List<Merge> merges = merges(model.path("merges"), ids);
        boolean addPrefixSpace = flag("pre_tokenizer", root.path("pre_tokenizer"), "add_prefix_space");
        return vocabulary(ids, merges, added, addPrefixSpace);
    }

    /** Reads GPT-2's vocab.json and merges.txt. */
    BytePairVocabulary vocabAndMerges(byte[] vocabJson, byte[] mergesTxt) throws IOException {
        Map<String, Integer> ids = ids("vocab.json", parse(vocabJson));
        List<AddedToken> added = new ArrayList<>();
        Integer endOfText = ids.get(Tokenizer.END_OF_TEXT);
        if (endOfText != null) {
            added.add(new AddedToken(endOfText, Tokenizer.END_OF_TEXT, true, false, false, false, false));
        }
        List<Merge> merges = new ArrayList<>();
        int number = 0;
        for (String line : new String(mergesTxt, StandardCharsets.UTF_8).split("\r?\n", -1)) {
            number++;
            if (!line.isEmpty() && !(number == 1 && line.startsWith("#version"))) {
                merges.add(merge("merges.txt line " + number, line, ids));
            }
        }
        return vocabulary(ids, merges, added, false);
    }

    private JsonNode parse(byte[] bytes) throws IOException {
        try {
            JsonNode root = JSON.readTree(bytes);
            require(root.isObject(), "", "a JSON object", describe(root), COPY_AGAIN);
            return root;
        } catch (JacksonException e) {
            TokenStreamLocation at = e.getLocation();
            String where = at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
            throw failure("", "JSON", Messages.oneLine(e.getOriginalMessage()) + where, COPY_AGAIN, e);
        }
    }

    /** What the native library would do differently with another file must be as in GPT-2. */
    private void requireGpt2(JsonNode root) throws IOException {
        requireAbsent("normalizer", root.path("normalizer"));
        requireType("pre_tokenizer", root.path("pre_tokenizer"), "ByteLevel");
        requireType("decoder", root.path("decoder"), "ByteLevel");
        JsonNode splits = root.path("pre_tokenizer").path("use_regex");
        boolean gpt2 = splits.isMissingNode() || (splits.isBoolean() && splits.booleanValue());
        require(gpt2, "pre_tokenizer.use_regex", "true", describe(splits), GPT2_ONLY);
        JsonNode model = root.path("model");
        if (!model.path("type").isMissingNode()) {
            requireType("model", model, "BPE");
        }
        for (String name : List.of(
                "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")) {
            requireAbsent("model." + name, model.path(name));
        }
    }

    private void requireType(String where, JsonNode node, String type) throws IOException {
        JsonNode got = node.path("type");
        boolean right = got.isString() && got.stringValue().equals(type);
        require(right, where + ".type", type, describe(node.isObject() ? got : node), GPT2_ONLY);
    }

    private void requireAbsent(String where, JsonNode node) throws IOException {
        boolean absent = node.isMissingNode()
                || node.isNull()
                || (node.isString() && node.stringValue().isEmpty())
                || (node.isBoolean() && !node.booleanValue())
                || (node.isNumber() && node.doubleValue() == 0);
        require(absent, where, "nothing", describe(node), GPT2_ONLY);
    }

    private Map<String, Integer> ids(String where, JsonNode vocab) throws IOException {
        require(vocab.isObject() && !vocab.isEmpty(), where, "tokens with their ids", describe(vocab), COPY_AGAIN);
        Map<String, Integer> ids = LinkedHashMap.newLinkedHashMap(vocab.size());
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            String piece = piece(where, entry.getKey());
            if (!isId(entry.getValue())) {
                throw noId(where + " of " + Messages.quote(piece), entry.getValue());
            }
            ids.put(piece, entry.getValue().intValue());
        }
        return ids;
    }

    /** Also puts them into {@code ids}: the native library would number those that the model does not have itself. */
    private List<AddedToken> addedTokens(JsonNode list, Map<String, Integer> ids) throws IOException {
        if (list.isMissingNode() || list.isNull()) {
            return List.of();
        }
        require(list.isArray(), "added_tokens", "a list", describe(list), COPY_AGAIN);
        require(
                list.size() <= MAX_ADDED_TOKENS,
                "added_tokens",
                "at most " + MAX_ADDED_TOKENS,
                list.size(),
                COPY_AGAIN);
        List<AddedToken> added = new ArrayList<>();
        Set<String> contents = new HashSet<>();
        for (JsonNode token : list) {
            String where = "added_tokens[" + added.size() + "]";
            require(token.path("content").isString(), where, "a token with its content", describe(token), COPY_AGAIN);
            String content = piece(where, token.path("content").stringValue());
            if (!isId(token.path("id"))) {
                throw noId(where + ".id", token.path("id"));
            }
            int id = token.path("id").intValue();
            require(contents.add(content), where, "a new token", Messages.quote(content) + " again", COPY_AGAIN);
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

    private String piece(String where, String piece) throws IOException {
        require(!piece.isEmpty(), where, "a token of at least one character", "an empty one", COPY_AGAIN);
        boolean valid = Text.wellFormed(piece).equals(piece);
        require(valid, where, "Unicode text", "half of a surrogate pair", COPY_AGAIN);
        return piece;
    }

    private static boolean isId(JsonNode id) {
        return id.isIntegralNumber() && id.canConvertToInt() && id.intValue() >= 0 && id.intValue() <= MAX_ID;
    }

    private IOException noId(String where, JsonNode got) {
        return failure(where, "an id from 0 to " + MAX_ID, describe(got), COPY_AGAIN, null);
    }

    private boolean flag(String where, JsonNode node, String name) throws IOException {
        JsonNode flag = node.path(name);
        require(
                flag.isBoolean() || flag.isMissingNode(),
                where + "." + name,
                "true or false",
                describe(flag),
                COPY_AGAIN);
        return flag.asBoolean(false);
    }

    /** Each merge is "a b" or, in newer files, ["a", "b"]. */
    private List<Merge> merges(JsonNode list, Map<String, Integer> ids) throws IOException {
        require(list.isArray(), "model.merges", "a list", describe(list), COPY_AGAIN);
        List<Merge> merges = new ArrayList<>();
        for (JsonNode pair : list) {
            String where = "model.merges[" + merges.size() + "]";
            JsonNode left = pair.path(0);
            JsonNode right = pair.path(1);
            if (pair.isString()) {
                merges.add(merge(where, pair.stringValue(), ids));
            } else if (pair.size() == 2 && left.isString() && right.isString()) {
                merges.add(merge(where, left.stringValue(), right.stringValue(), ids));
            } else {
                throw failure(where, "two tokens", describe(pair), COPY_AGAIN, null);
            }
        }
        return merges;
    }

    private Merge merge(String where, String line, Map<String, Integer> ids) throws IOException {
        int space = line.indexOf(' ');
        boolean two = space > 0 && space < line.length() - 1 && line.indexOf(' ', space + 1) < 0;
        if (!two) {
            throw failure(where, "two tokens with a space between", Messages.quote(line), COPY_AGAIN, null);
        }
        return merge(where, line.substring(0, space), line.substring(space + 1), ids);
    }

    private Merge merge(String where, String left, String right, Map<String, Integer> ids) throws IOException {
        Merge merge = new Merge(known(where, left, ids), known(where, right, ids));
        known(where, left + right, ids);
        return merge;
    }

    private int known(String where, String piece, Map<String, Integer> ids) throws IOException {
        Integer id = ids.get(piece);
        if (id == null) {
            throw failure(where, "tokens of the vocabulary", Messages.quote(piece), "use the files of one model", null);
        }
        return id;
    }

    private BytePairVocabulary vocabulary(
            Map<String, Integer> ids, List<Merge> merges, List<AddedToken> added, boolean addPrefixSpace)
            throws IOException {
        String[] pieces = new String[Collections.max(ids.values()) + 1];
        Arrays.fill(pieces, "");
        for (Map.Entry<String, Integer> entry : ids.entrySet()) {
            int id = entry.getValue();
            if (!pieces[id].isEmpty()) {
                String both = Messages.quote(pieces[id]) + " and " + Messages.quote(entry.getKey());
                throw failure("id " + id, "one token", both, COPY_AGAIN, null);
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

    private static String describe(JsonNode node) {
        return switch (node.getNodeType()) {
            case MISSING -> "nothing";
            case OBJECT -> "an object of " + node.size();
            case ARRAY -> "a list of " + node.size();
            case STRING -> Messages.quote(node.stringValue());
            default -> Messages.oneLine(node.toString());
        };
    }

    // For what is checked a few times: its arguments are made even when all is well.
    private void require(boolean condition, String where, String expected, Object got, String remedy)
            throws IOException {
        if (!condition) {
            throw failure(where, expected, got, remedy, null);
        }
    }

    private IOException failure(String where, String expected, Object got, String remedy, @Nullable Exception cause) {
        String place = where.isEmpty() ? "" : where + ": ";
        return new IOException(subject + ": " + place + "expected " + expected + ", got " + got + "; " + remedy, cause);
    }
}
