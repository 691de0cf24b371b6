package dev.causal4j.tokenizer;

import java.util.ArrayList;
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
            boolean normalized) {}

    /**
     * The id which the native tokenizer is told to give to a byte that has no piece; it would drop the byte silently
     * otherwise. It lies outside the vocabulary.
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

    /**
     * What encoding {@code text} can need of this vocabulary: the single bytes, the added tokens and the pieces that stand
     * in the text, with the same ids and the same order of merges. A merge makes a piece of neighbours, so the text has the
     * same ids with both. Not to be written to a file: {@code ids} stay those of the whole.
     *
     * @param text in which no space is put: not for a vocabulary with {@code addPrefixSpace}
     */
    BytePairVocabulary within(String text) {
        String bytes = ByteLevel.piece(text);
        List<String> kept = new ArrayList<>(pieces.size());
        for (String piece : pieces) {
            kept.add(piece.length() == 1 || bytes.contains(piece) ? piece : "");
        }
        for (AddedToken token : addedTokens) {
            kept.set(token.id(), token.content());
        }
        List<Merge> possible = new ArrayList<>();
        for (Merge merge : merges) {
            String left = kept.get(merge.left());
            String right = kept.get(merge.right());
            if (!left.isEmpty() && !right.isEmpty() && bytes.contains(left + right)) {
                possible.add(merge);
            }
        }
        return new BytePairVocabulary(kept, ids, possible, addedTokens, addPrefixSpace);
    }
}
