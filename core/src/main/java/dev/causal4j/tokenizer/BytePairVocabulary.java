package dev.causal4j.tokenizer;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A byte-level byte-pair tokenizer as data, checked by {@link VocabularyReader}. Immutable and thread-safe.
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

    /** Two ids whose neighbouring pieces become one. */
    record Merge(int left, int right) {}

    /** A token that is matched in the text; the flags are Hugging Face's. */
    record AddedToken(
            int id,
            String content,
            boolean special,
            boolean singleWord,
            boolean stripLeft,
            boolean stripRight,
            boolean normalized) {
        static AddedToken special(int id, String content) {
            return new AddedToken(id, content, true, false, false, false, false);
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
                && addedTokens.stream().noneMatch(AddedToken::stripRight)
                && addedTokens.stream()
                        .flatMapToInt(token -> token.content().chars())
                        .noneMatch(TextParts::mayBeSpace);
    }
}
