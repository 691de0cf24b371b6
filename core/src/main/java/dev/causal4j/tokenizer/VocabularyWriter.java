package dev.causal4j.tokenizer;

import static dev.causal4j.format.JsonTree.NULL;
import static dev.causal4j.format.JsonTree.object;

import dev.causal4j.format.JsonTree;
import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes a vocabulary in Hugging Face's and in GPT-2's layout, and for the native tokenizer. Thread-safe. */
final class VocabularyWriter {
    private final BytePairVocabulary vocabulary;

    VocabularyWriter(BytePairVocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** Hugging Face's tokenizer.json. */
    byte[] tokenizerJson() {
        return json(vocabulary.addedTokens(), NULL, ids());
    }

    /**
     * The same for the native tokenizer, with an unknown token and, for {@link SpecialTokens#AS_TEXT}, without the
     * special ones.
     */
    String nativeJson(SpecialTokens specialTokens) {
        List<AddedToken> added = vocabulary.addedTokens().stream()
                .filter(token -> !token.special() || specialTokens == SpecialTokens.PARSE)
                .toList();
        // No merge makes a piece with a space, so no text becomes this one.
        String unknown = "a byte without a piece";
        while (vocabulary.ids().containsKey(unknown)) {
            unknown += "?";
        }
        Map<String, Object> ids = ids();
        ids.put(unknown, vocabulary.unknownId());
        return new String(json(added, unknown, ids), StandardCharsets.UTF_8);
    }

    byte[] vocabJson() {
        return JsonTree.write(ids());
    }

    byte[] mergesTxt() {
        return ("#version: 0.2\n" + String.join("\n", merges()) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    private byte[] json(List<AddedToken> added, Object unknown, Map<String, Object> ids) {
        return JsonTree.write(object(
                "version", "1.0",
                "truncation", NULL,
                "padding", NULL,
                "added_tokens", added.stream().map(VocabularyWriter::json).toList(),
                "normalizer", NULL,
                "pre_tokenizer", byteLevel(vocabulary.addPrefixSpace(), true),
                "post_processor", byteLevel(true, false),
                "decoder", byteLevel(true, true),
                "model",
                        object(
                                "type",
                                "BPE",
                                "dropout",
                                NULL,
                                "unk_token",
                                unknown,
                                "continuing_subword_prefix",
                                "",
                                "end_of_word_suffix",
                                "",
                                "fuse_unk",
                                false,
                                "byte_fallback",
                                false,
                                "ignore_merges",
                                false,
                                "vocab",
                                ids,
                                "merges",
                                merges())));
    }

    private static Map<String, Object> json(AddedToken token) {
        return object(
                "id", token.id(),
                "content", token.content(),
                "single_word", token.singleWord(),
                "lstrip", token.stripLeft(),
                "rstrip", token.stripRight(),
                "normalized", token.normalized(),
                "special", token.special());
    }

    private static Map<String, Object> byteLevel(boolean addPrefixSpace, boolean trimOffsets) {
        return object(
                "type",
                "ByteLevel",
                "add_prefix_space",
                addPrefixSpace,
                "trim_offsets",
                trimOffsets,
                "use_regex",
                true);
    }

    private Map<String, Object> ids() {
        Map<String, Object> ids = new LinkedHashMap<>();
        for (String piece : vocabulary.pieces()) {
            if (!piece.isEmpty()) {
                ids.put(piece, vocabulary.ids().get(piece));
            }
        }
        return ids;
    }

    /** Text in GPT-2's alphabet has no space, so a merge of a piece with one never applies and is left out. */
    private List<String> merges() {
        return vocabulary.merges().stream()
                .map(this::line)
                .filter(line -> line.indexOf(' ') == line.lastIndexOf(' '))
                .toList();
    }

    private String line(Merge merge) {
        return vocabulary.pieces().get(merge.left()) + " " + vocabulary.pieces().get(merge.right());
    }
}
