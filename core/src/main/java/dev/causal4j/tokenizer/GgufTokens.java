package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.Json;
import dev.causal4j.tokenizer.AddedTokens.Token;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Makes the metadata of a GGUF file for a tokenizer: the inverse of {@link Tokenizer#of(GgufVocabulary)}, which reads
 * them again. A tokenizer that would come back as another is refused. Immutable.
 *
 * @param file the other keys of the file, and its name in messages
 * @param rows of the model, one for each token; those without one are unused
 */
record GgufTokens(Json file, Tokenizer tokenizer, int rows) {
    Map<String, Object> metadata(Map<String, Integer> special) throws FormatException {
        boolean scored = !tokenizer.vocabulary.byteLevel();
        if (!(tokenizer.encoder.model() instanceof BytePair pairs)) {
            throw refused("model", "byte pairs", "a unigram model");
        }
        List<String> pieces = new ArrayList<>();
        List<Integer> kinds = new ArrayList<>();
        Map<Integer, Token> added = added(tokenizer);
        for (int id = 0; id < rows; id++) {
            String piece = id < tokenizer.vocabularySize() ? tokenizer.piece(id) : "";
            pieces.add(piece.isEmpty() ? "[PAD" + id + "]" : piece);
            Token token = added.get(id);
            if (token != null) {
                boolean unknown = scored && id == pairs.unknown();
                int control = unknown ? GgufVocabulary.UNKNOWN : GgufVocabulary.CONTROL;
                kinds.add(token.has(Token.SPECIAL) ? control : GgufVocabulary.OWN);
            } else if (piece.isEmpty()) {
                kinds.add(GgufVocabulary.UNUSED);
            } else {
                boolean isByte = tokenizer.vocabulary.fallbackByte(id) >= 0;
                kinds.add(isByte ? GgufVocabulary.BYTE : GgufVocabulary.NORMAL);
            }
        }
        Map<String, Integer> ids = new LinkedHashMap<>(special);
        if (scored && pairs.unknown() >= 0) {
            ids.put("unknown", pairs.unknown());
        }
        List<?> order = scored ? scores(pairs) : tokenizer.lines(pairs);
        boolean begins = tokenizer.prefix.length > 0;
        Map<String, Object> metadata = GgufVocabulary.metadata(way(scored), pieces, kinds, order, ids, begins);
        check(pairs, Tokenizer.of(new GgufVocabulary(file.with(new Json("", metadata)), rows)));
        return metadata;
    }

    private Map<String, Object> way(boolean scored) throws FormatException {
        List<Object> own = way(tokenizer.settings);
        for (Map.Entry<Map<String, Object>, Json> each :
                GgufVocabulary.ways(scored).entrySet()) {
            if (way(each.getValue()).equals(own)) {
                return each.getKey();
            }
        }
        throw refused("pre_tokenizer", "a way to split texts that has a name", own.toString());
    }

    private static List<Object> way(Json settings) throws FormatException {
        List<Object> way = new ArrayList<>(TokenizerReader.way(settings));
        way.add(settings.section("model").bool("ignore_merges", false));
        return way;
    }

    /** Scores that order pieces as the merges that make them. */
    private List<Float> scores(BytePair pairs) {
        Merges merges = pairs.merges();
        List<Float> scores = new ArrayList<>(Collections.nCopies(rows, (float) -merges.size()));
        int last = Vocabulary.NONE;
        for (int rank = 0; rank < merges.size(); rank++) {
            int made = merges.part(rank, 2);
            if (made != last && made < rows) {
                scores.set(made, (float) -rank);
            }
            last = made;
        }
        return scores;
    }

    private void check(BytePair pairs, Tokenizer again) throws FormatException {
        BytePair other = (BytePair) again.encoder.model();
        same("merges", merges(tokenizer, pairs).equals(merges(again, other)));
        boolean scored = !tokenizer.vocabulary.byteLevel();
        same("fuse_unk", !scored || pairs.fuseUnknown() == other.fuseUnknown());
        same("unk_token", !scored || pairs.unknown() == other.unknown());
        same("byte_fallback", Arrays.equals(pairs.bytes(), other.bytes()));
        same("added_tokens", added(tokenizer).equals(added(again)));
        same("decoder", tokenizer.rule.equals(again.rule));
        same("post_processor", Arrays.equals(tokenizer.prefix, again.prefix));
    }

    private record Merge(int left, int right, int made) {}

    /**
     * Merges that are used, in an order that makes equal lists of those that merge alike. Merges of one piece may come
     * in any order, so they are sorted by the ids of their halves. Those of added runs of spaces may, too, if they come
     * first: only runs longer than any token are then cut elsewhere, as llama.cpp cuts them. Other added tokens are
     * found before anything is merged.
     */
    private List<Merge> merges(Tokenizer of, BytePair pairs) {
        Map<Integer, Token> added = added(of);
        Merges all = pairs.merges();
        List<Merge> merges = new ArrayList<>();
        for (int rank = 0; rank < all.size(); rank++) {
            int made = all.part(rank, 2);
            boolean run = of.piece(made).chars().allMatch(c -> c == Splitter.MARK);
            if (run || !added.containsKey(made)) {
                int group = run && added.containsKey(made) ? Vocabulary.NONE : made;
                merges.add(new Merge(all.part(rank, 0), all.part(rank, 1), group));
            }
        }
        for (int from = 0, to; from < merges.size(); from = to) {
            to = from + 1;
            while (to < merges.size() && merges.get(to).made == merges.get(from).made) {
                to++;
            }
            merges.subList(from, to).sort(Comparator.comparingInt(Merge::left).thenComparingInt(Merge::right));
        }
        return merges;
    }

    /** The tokens by id. Whether they are matched in normalized text does not matter where that is how they are spelled. */
    private Map<Integer, Token> added(Tokenizer of) {
        Map<Integer, Token> added = new TreeMap<>();
        for (Token token : of.tokens) {
            Set<String> flags = new HashSet<>(token.flags());
            flags.remove(Token.NORMALIZED);
            if (token.id() < rows) {
                added.put(token.id(), new Token(token.id(), token.content(), token.form(), flags));
            }
        }
        return added;
    }

    private void same(String key, boolean same) throws FormatException {
        if (!same) {
            throw refused(key, "what comes back from a file", "what would be another");
        }
    }

    private FormatException refused(String key, String expected, String got) {
        return new UnsupportedModelException(
                file.subject() + ", tokenizer, key \"" + key + '"', expected, got, "GGUF has no name for it");
    }
}
