package dev.causal4j.tokenizer;

import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** Writes a vocabulary in Hugging Face's and in GPT-2's layout, and for the native tokenizer. Thread-safe. */
final class VocabularyWriter {
    private static final JsonFactory JSON = new JsonFactory();

    private final BytePairVocabulary vocabulary;

    VocabularyWriter(BytePairVocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** Hugging Face's tokenizer.json. */
    byte[] tokenizerJson() {
        return json(vocabulary.addedTokens(), false);
    }

    /**
     * The same for the native tokenizer: with an unknown token and, for {@link SpecialTokens#AS_TEXT}, without special
     * tokens.
     */
    String nativeJson(SpecialTokens specialTokens) {
        List<AddedToken> added = vocabulary.addedTokens().stream()
                .filter(token -> !token.special() || specialTokens == SpecialTokens.PARSE)
                .toList();
        return new String(json(added, true), StandardCharsets.UTF_8);
    }

    byte[] vocabJson() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator to = generator(bytes)) {
            to.writeStartObject();
            writeIds(to);
            to.writeEndObject();
        }
        return bytes.toByteArray();
    }

    byte[] mergesTxt() {
        return mergeLines()
                .collect(Collectors.joining("\n", "#version: 0.2\n", "\n"))
                .getBytes(StandardCharsets.UTF_8);
    }

    private static JsonGenerator generator(OutputStream to) {
        return JSON.createGenerator(ObjectWriteContext.empty(), to);
    }

    private byte[] json(List<AddedToken> added, boolean withUnknown) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator to = generator(bytes)) {
            to.writeStartObject();
            to.writeStringProperty("version", "1.0");
            to.writeNullProperty("truncation");
            to.writeNullProperty("padding");
            to.writeArrayPropertyStart("added_tokens");
            added.forEach(token -> write(token, to));
            to.writeEndArray();
            to.writeNullProperty("normalizer");
            writeByteLevel("pre_tokenizer", vocabulary.addPrefixSpace(), true, to);
            writeByteLevel("post_processor", true, false, to);
            writeByteLevel("decoder", true, true, to);
            writeModel(withUnknown, to);
            to.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void write(AddedToken token, JsonGenerator to) {
        to.writeStartObject();
        to.writeNumberProperty("id", token.id());
        to.writeStringProperty("content", token.content());
        to.writeBooleanProperty("single_word", token.singleWord());
        to.writeBooleanProperty("lstrip", token.stripLeft());
        to.writeBooleanProperty("rstrip", token.stripRight());
        to.writeBooleanProperty("normalized", token.normalized());
        to.writeBooleanProperty("special", token.special());
        to.writeEndObject();
    }

    private static void writeByteLevel(String name, boolean addPrefixSpace, boolean trimOffsets, JsonGenerator to) {
        to.writeObjectPropertyStart(name);
        to.writeStringProperty("type", "ByteLevel");
        to.writeBooleanProperty("add_prefix_space", addPrefixSpace);
        to.writeBooleanProperty("trim_offsets", trimOffsets);
        to.writeBooleanProperty("use_regex", true);
        to.writeEndObject();
    }

    private void writeModel(boolean withUnknown, JsonGenerator to) {
        // No merge makes a piece with a space, so no text becomes this one.
        String unknown = "a byte without a piece";
        while (vocabulary.ids().containsKey(unknown)) {
            unknown += "?";
        }
        to.writeObjectPropertyStart("model");
        to.writeStringProperty("type", "BPE");
        to.writeNullProperty("dropout");
        if (withUnknown) {
            to.writeStringProperty("unk_token", unknown);
        } else {
            to.writeNullProperty("unk_token");
        }
        to.writeStringProperty("continuing_subword_prefix", "");
        to.writeStringProperty("end_of_word_suffix", "");
        to.writeBooleanProperty("fuse_unk", false);
        to.writeBooleanProperty("byte_fallback", false);
        to.writeBooleanProperty("ignore_merges", false);
        to.writeObjectPropertyStart("vocab");
        writeIds(to);
        if (withUnknown) {
            to.writeNumberProperty(unknown, vocabulary.unknownId());
        }
        to.writeEndObject();
        to.writeArrayPropertyStart("merges");
        mergeLines().forEach(to::writeString);
        to.writeEndArray();
        to.writeEndObject();
    }

    private void writeIds(JsonGenerator to) {
        List<String> pieces = vocabulary.pieces();
        IntStream.range(0, pieces.size())
                .filter(id -> !pieces.get(id).isEmpty())
                .forEach(id -> to.writeNumberProperty(pieces.get(id), id));
    }

    /** Text in GPT-2's alphabet has no space, so a merge of a piece with one never applies and is left out. */
    private Stream<String> mergeLines() {
        return vocabulary.merges().stream().map(this::line).filter(line -> line.indexOf(' ') == line.lastIndexOf(' '));
    }

    private String line(Merge merge) {
        return vocabulary.pieces().get(merge.left()) + " " + vocabulary.pieces().get(merge.right());
    }
}
