package dev.causal4j.tokenizer;

import java.util.List;
import java.util.Map;

/**
 * A byte-level byte-pair tokenizer as data, checked by {@link VocabularyReader}. Immutable and thread-safe.
 *
 * @param pieces the raw token of each id; empty where the file left a hole
 * @param ids the inverse of {@code pieces}
 * @param merges in the order of their rank
 * @param addedTokens matched in the text before it is split; their ids are in {@code pieces} too
 * @param addPrefixSpace whether a space is put before a text that has none
 */
record BytePairVocabulary(
        List<String> pieces,
        Map<String, Integer> ids,
        List<Merge> merges,
        List<AddedToken> addedTokens,
        boolean addPrefixSpace) {

    /** Two ids whose pieces, next to each other, become one. */
    record Merge(int left, int right) {}

    /** A token that is found in the text as it stands; the flags are those of Hugging Face. */
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

    /**
     * The id the native tokenizer gives to a byte that has no piece; without one it would drop the byte silently. It
     * lies outside the vocabulary.
     */
    int unknownId() {
        return pieces.size();
    }

    /**
     * Whether a text may be cut before any white space that follows something visible and its parts encoded one by one,
     * with the same ids. GPT-2's pattern never matches across such a place; an added token might.
     */
    boolean splitsAtSpaces() {
        return !addPrefixSpace
                && addedTokens.stream()
                        .noneMatch(token ->
                                token.stripRight() || token.content().chars().anyMatch(Text::mayBeSpace));
    }
}
