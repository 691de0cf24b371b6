package dev.causal4j.tokenizer;

import dev.causal4j.format.Json;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A byte-level byte-pair tokenizer as data, checked by {@link VocabularyReader}. Writes itself in Hugging Face's and in
 * GPT-2's layout, and for the native tokenizer. Immutable and thread-safe.
 *
 * @param pieces the raw token of each id; empty where the file left a hole
 * @param ids the inverse of {@code pieces}, in their order
 * @param merges in the order of their rank
 * @param addedTokens matched in the text before it is split; their ids are in {@code pieces} too
 * @param addPrefixSpace whether a space is added before a text that has none
 */
record BytePairVocabulary(
        List<String> pieces,
        Map<String, Integer> ids,
        List<Merge> merges,
        List<AddedToken> addedTokens,
        boolean addPrefixSpace) {
    private static final String TOKENIZER = """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":%s,"normalizer":null,\
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":%b,"trim_offsets":true,"use_regex":true},\
            "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},\
            "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},\
            "model":{"type":"BPE","dropout":null,"unk_token":%s,"continuing_subword_prefix":"","end_of_word_suffix":"",\
            "fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":%s,"merges":%s}}""";

    /** Two ids whose neighbouring pieces become one. */
    record Merge(int left, int right) {}

    /**
     * A token that is matched in the text.
     *
     * @param flags some of {@link #FLAGS}; the others are not set
     */
    record AddedToken(int id, String content, Map<String, Boolean> flags) {
        static final String SPECIAL = "special";
        static final String STRIPS_RIGHT = "rstrip";

        /** Hugging Face's, in the order of its files. */
        static final List<String> FLAGS = List.of("single_word", "lstrip", STRIPS_RIGHT, "normalized", SPECIAL);

        /** A token with no other flag. */
        static AddedToken special(int id, String content) {
            return new AddedToken(id, content, Map.of(SPECIAL, true));
        }

        boolean has(String flag) {
            return flags.getOrDefault(flag, false);
        }

        private Map<String, Object> json() {
            Map<String, Object> json = Json.object("id", id, "content", content);
            FLAGS.forEach(flag -> json.put(flag, has(flag)));
            return json;
        }
    }

    static BytePairVocabulary of(
            List<String> pieces, List<Merge> merges, Collection<AddedToken> addedTokens, boolean addPrefixSpace) {
        Map<String, Integer> ids = LinkedHashMap.newLinkedHashMap(pieces.size());
        for (int id = 0; id < pieces.size(); id++) {
            if (!pieces.get(id).isEmpty()) {
                ids.put(pieces.get(id), id);
            }
        }
        return new BytePairVocabulary(
                List.copyOf(pieces),
                Collections.unmodifiableMap(ids),
                List.copyOf(merges),
                List.copyOf(addedTokens),
                addPrefixSpace);
    }

    /**
     * The id the native tokenizer gives to a byte that has no piece; without one it would drop the byte silently. It
     * lies outside the vocabulary.
     */
    int unknownId() {
        return pieces.size();
    }

    /**
     * Whether a text may be cut before white space that follows a visible character, with the same ids for its parts.
     * GPT-2's pattern never matches across such a place; an added token might.
     */
    boolean splitsAtSpaces() {
        return !addPrefixSpace
                && addedTokens.stream().noneMatch(token -> token.has(AddedToken.STRIPS_RIGHT))
                && addedTokens.stream()
                        .flatMapToInt(token -> token.content().chars())
                        .noneMatch(TextParts::mayBeSpace);
    }

    /** Hugging Face's tokenizer.json. */
    byte[] tokenizerJson() {
        return json(addedTokens, Json.NULL, ids).getBytes(StandardCharsets.UTF_8);
    }

    /**
     * The same for the native tokenizer: with an unknown token and, for {@link SpecialTokens#AS_TEXT}, without special
     * tokens.
     */
    String nativeJson(SpecialTokens specialTokens) {
        List<AddedToken> added = addedTokens.stream()
                .filter(token -> !token.has(AddedToken.SPECIAL) || specialTokens == SpecialTokens.PARSE)
                .toList();
        // No merge makes a piece with a space, so no text becomes this one.
        String unknown = "a byte without a piece";
        while (ids.containsKey(unknown)) {
            unknown += "?";
        }
        Map<String, Integer> known = new LinkedHashMap<>(ids);
        known.put(unknown, unknownId());
        return json(added, unknown, known);
    }

    byte[] vocabJson() {
        return Json.write(ids);
    }

    byte[] mergesTxt() {
        return ("#version: 0.2\n" + String.join("\n", mergedPieces()) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    private String json(List<AddedToken> added, Object unknown, Map<String, Integer> known) {
        String tokens = json(added.stream().map(AddedToken::json).toList());
        return TOKENIZER.formatted(tokens, addPrefixSpace, json(unknown), json(known), json(mergedPieces()));
    }

    private static String json(Object value) {
        return new String(Json.write(value), StandardCharsets.UTF_8);
    }

    /** Text in GPT-2's alphabet has no space, so a merge of a piece with one never applies and is left out. */
    private List<String> mergedPieces() {
        return merges.stream()
                .map(merge -> pieces.get(merge.left()) + " " + pieces.get(merge.right()))
                .filter(line -> line.indexOf(' ') == line.lastIndexOf(' '))
                .toList();
    }
}
