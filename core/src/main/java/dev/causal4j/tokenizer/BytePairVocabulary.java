package dev.causal4j.tokenizer;

import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

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

    /** The tokenizer.json for the native tokenizer; with {@link SpecialTokens#AS_TEXT} it knows no special token. */
    String toJson(SpecialTokens specialTokens) {
        StringWriter json = new StringWriter();
        try (JsonGenerator to = new JsonFactory().createGenerator(ObjectWriteContext.empty(), json)) {
            to.writeStartObject();
            to.writeStringProperty("version", "1.0");
            to.writeArrayPropertyStart("added_tokens");
            addedTokens.stream()
                    .filter(token -> !token.special() || specialTokens == SpecialTokens.PARSE)
                    .forEach(token -> write(token, to));
            to.writeEndArray();
            to.writeObjectPropertyStart("pre_tokenizer");
            to.writeStringProperty("type", "ByteLevel");
            to.writeBooleanProperty("add_prefix_space", addPrefixSpace);
            to.writeBooleanProperty("trim_offsets", true);
            to.writeBooleanProperty("use_regex", true);
            to.writeEndObject();
            writeModel(to);
            to.writeEndObject();
        }
        return json.toString();
    }

    private static void write(AddedToken token, JsonGenerator to) {
        to.writeStartObject();
        to.writeNumberProperty("id", token.id());
        to.writeStringProperty("content", token.content());
        to.writeBooleanProperty("special", token.special());
        to.writeBooleanProperty("single_word", token.singleWord());
        to.writeBooleanProperty("lstrip", token.stripLeft());
        to.writeBooleanProperty("rstrip", token.stripRight());
        to.writeBooleanProperty("normalized", token.normalized());
        to.writeEndObject();
    }

    private void writeModel(JsonGenerator to) {
        // No merge leads to a piece with a space in it, so text cannot become this one.
        String unknown = "a byte without a piece";
        while (ids.containsKey(unknown)) {
            unknown += "?";
        }
        to.writeObjectPropertyStart("model");
        to.writeStringProperty("type", "BPE");
        to.writeStringProperty("unk_token", unknown);
        to.writeObjectPropertyStart("vocab");
        ids.forEach(to::writeNumberProperty);
        to.writeNumberProperty(unknown, unknownId());
        to.writeEndObject();
        to.writeArrayPropertyStart("merges");
        for (Merge merge : merges) {
            to.writeStartArray();
            to.writeString(pieces.get(merge.left()));
            to.writeString(pieces.get(merge.right()));
            to.writeEndArray();
        }
        to.writeEndArray();
        to.writeEndObject();
    }
}
