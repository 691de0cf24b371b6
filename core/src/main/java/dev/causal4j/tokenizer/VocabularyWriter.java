package dev.causal4j.tokenizer;

import dev.causal4j.format.JsonTree;
import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Writes a vocabulary in Hugging Face's and in GPT-2's layout, and for the native tokenizer. Thread-safe. */
record VocabularyWriter(BytePairVocabulary vocabulary) {
    private static final String TOKENIZER = """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],"normalizer":null,\
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":%b,"trim_offsets":true,"use_regex":true},\
            "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},\
            "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},\
            "model":{"type":"BPE","dropout":null,"unk_token":%s,"continuing_subword_prefix":"","end_of_word_suffix":"",\
            "fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":%s,"merges":%s}}""";
    private static final String ADDED_TOKEN = """
            {"id":%s,"content":%s,"single_word":%b,"lstrip":%b,"rstrip":%b,"normalized":%b,"special":%b}""";

    /** Hugging Face's tokenizer.json. */
    byte[] tokenizerJson() {
        return json(vocabulary.addedTokens(), JsonTree.NULL, vocabulary.ids()).getBytes(StandardCharsets.UTF_8);
    }

    /**
     * The same for the native tokenizer: with an unknown token and, for {@link SpecialTokens#AS_TEXT}, without special
     * tokens.
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
        Map<String, Integer> ids = new LinkedHashMap<>(vocabulary.ids());
        ids.put(unknown, vocabulary.unknownId());
        return json(added, unknown, ids);
    }

    byte[] vocabJson() {
        return JsonTree.write(vocabulary.ids());
    }

    byte[] mergesTxt() {
        return ("#version: 0.2\n" + String.join("\n", merges()) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    private String json(List<AddedToken> added, Object unknown, Map<String, Integer> ids) {
        String tokens = added.stream().map(VocabularyWriter::json).collect(Collectors.joining(","));
        return TOKENIZER.formatted(tokens, vocabulary.addPrefixSpace(), json(unknown), json(ids), json(merges()));
    }

    private static String json(AddedToken token) {
        return ADDED_TOKEN.formatted(
                token.id(),
                json(token.content()),
                token.singleWord(),
                token.stripLeft(),
                token.stripRight(),
                token.normalized(),
                token.special());
    }

    private static String json(Object value) {
        return new String(JsonTree.write(value), StandardCharsets.UTF_8);
    }

    /** Text in GPT-2's alphabet has no space, so a merge of a piece with one never applies and is left out. */
    private List<String> merges() {
        List<String> pieces = vocabulary.pieces();
        return vocabulary.merges().stream()
                .map(merge -> pieces.get(merge.left()) + " " + pieces.get(merge.right()))
                .filter(line -> line.indexOf(' ') == line.lastIndexOf(' '))
                .toList();
    }
}
