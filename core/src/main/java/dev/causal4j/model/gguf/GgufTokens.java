package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Writes a tokenizer as the metadata of a GGUF file: the inverse of {@link GgufVocabulary}. A tokenizer that would
 * differ when the file is read again is refused. Immutable.
 *
 * @param file the other keys of the file, and its name in messages
 * @param tokenizer the content of its tokenizer.json
 * @param rows the model's rows; rows without a token are unused
 */
record GgufTokens(Json file, Json tokenizer, int rows) {
    private static final String PRE = "pre_tokenizer";

    /** The pattern by which Gemma 4 splits text. */
    private static final String LINES = "[^\\n]+|[\\n]+";

    static GgufTokens of(Json file, Tokenizer tokenizer, int rows) throws FormatException {
        return new GgufTokens(file, new Json("", Json.tree("", tokenizer.toJson())), rows);
    }

    /** @param special ids by their purpose: bos, eos, eot, eom, padding */
    Map<String, Object> metadata(Tokenizer of, Map<String, Integer> special) throws FormatException {
        if (of.kind().equals("unigram")) {
            throw refused("model", "byte pairs", "a unigram model");
        }
        boolean plain = plain(); // merges text, not bytes
        boolean raw = plain && file.string("general.architecture", "").equals("gemma4");
        boolean scored = plain && !raw;
        int unknown = of.id(model().string("unk_token", "")).orElse(-1);
        List<String> pieces = new ArrayList<>();
        List<Integer> kinds = new ArrayList<>();
        Map<Integer, Map<?, ?>> added = added();
        for (int id = 0; id < rows; id++) {
            String piece = id < of.vocabularySize() ? of.piece(id) : "";
            pieces.add(piece.isEmpty() ? "[PAD" + id + "]" : piece);
            if (added.containsKey(id)) {
                int control = plain && id == unknown ? GgufVocabulary.UNKNOWN : GgufVocabulary.CONTROL;
                kinds.add(of.isSpecial(id) ? control : GgufVocabulary.OWN);
            } else if (piece.isEmpty()) {
                kinds.add(GgufVocabulary.UNUSED);
            } else {
                kinds.add(plain && isByte(piece) ? GgufVocabulary.BYTE : GgufVocabulary.NORMAL);
            }
        }
        Map<String, Integer> ids = new LinkedHashMap<>(special);
        if (plain && unknown >= 0) {
            ids.put("unknown", unknown);
        }
        List<?> order = scored
                ? scores(of)
                : merges().stream().map(pair -> String.join(" ", pair)).toList();
        boolean begins = of.withPrefix(new int[0]).length > 0;
        Map<String, Object> metadata =
                GgufVocabulary.metadata(splitting(scored, raw), pieces, kinds, order, ids, begins);
        Tokenizer again = new GgufVocabulary(file.with(metadata), rows).tokenizer();
        same("post_processor", Arrays.equals(of.withPrefix(new int[0]), again.withPrefix(new int[0])));
        check(of(file, again, rows));
        return metadata;
    }

    private static boolean isByte(Object piece) {
        return ((String) piece).matches("<0x[0-9A-Fa-f]{2}>");
    }

    private Json model() throws FormatException {
        return tokenizer.section("model");
    }

    /** Whether it merges plain text, as SentencePiece and Gemma 4 do, and not bytes. */
    private boolean plain() throws FormatException {
        return steps(tokenizer.section(PRE)).stream()
                .noneMatch(step -> "ByteLevel".equals(step.root().get("type")));
    }

    private Map<String, Object> splitting(boolean scored, boolean raw) throws FormatException {
        List<Object> own = splitting(tokenizer);
        for (Map<String, Object> each : GgufVocabulary.ways(scored, raw)) {
            List<Object> other = splitting(GgufVocabulary.rules(new Json("", each)));
            if (raw && keepsLines()) { // then splitting at lines makes no difference
                other.remove(LINES);
                own.remove(LINES);
            }
            if (other.equals(own)) {
                return each;
            }
        }
        throw refused(PRE, "a way to split texts that has a name", own.toString());
    }

    /** Whether no merge joins the end of a line to something else. */
    private boolean keepsLines() throws FormatException {
        return merges().stream()
                .map(pair -> String.join("", pair))
                .allMatch(made -> !made.contains("\n") || made.replace("\n", "").isEmpty());
    }

    /** The steps that normalize and split texts, equal for settings that do the same under other names. */
    private static List<Object> splitting(Json settings) throws FormatException {
        List<Object> splitting = new ArrayList<>();
        splitting.add(settings.section("model").bool("ignore_merges", false));
        steps(settings.section("normalizer")).forEach(step -> splitting.add(step.root()));
        for (Json step : steps(settings.section(PRE))) {
            switch (step.requireString("type")) {
                case "Digits" -> splitting.add(step.bool("individual_digits", false) ? "\\p{N}" : "\\p{N}+");
                case "Split" -> { // a split without a pattern looks for a space, which never occurs
                    String regex = step.section("pattern").string("Regex", "");
                    splitting.add(regex.replace("\r", "\\r").replace("\n", "\\n"));
                }
                case "ByteLevel" -> {
                    splitting.add(step.bool("add_prefix_space", false) ? " " : "");
                    splitting.add(step.bool("use_regex", true) ? GgufVocabulary.wordsOfGpt2() : "");
                }
                default -> splitting.add(step.root());
            }
        }
        splitting.removeIf(""::equals);
        return splitting;
    }

    /** The steps of a component; sequences are resolved. */
    private static List<Json> steps(Json component) throws FormatException {
        if (!component.string("type", "").equals("Sequence")) {
            return component.root().isEmpty() ? List.of() : List.of(component);
        }
        List<Json> steps = new ArrayList<>();
        for (String key : List.of("normalizers", "pretokenizers", "decoders")) {
            for (Json each : component.objects(key)) {
                steps.addAll(steps(each));
            }
        }
        return steps;
    }

    /** The pieces that each merge joins. */
    private List<List<String>> merges() throws FormatException {
        List<?> merges = model().root().get("merges") instanceof List<?> list ? list : List.of();
        return merges.stream()
                .map(each -> each instanceof List<?> pair ? pair : List.of(((String) each).split(" ", -1)))
                .map(pair -> pair.stream().map(String.class::cast).toList())
                .toList();
    }

    /** Scores that order pieces like the merges that make them. */
    private List<Float> scores(Tokenizer of) throws FormatException {
        List<List<String>> merges = merges();
        List<Float> scores = new ArrayList<>(Collections.nCopies(rows, (float) -merges.size()));
        String last = "";
        for (int rank = 0; rank < merges.size(); rank++) {
            String made = String.join("", merges.get(rank));
            int id = of.id(made).orElseThrow();
            if (!made.equals(last) && id < rows) {
                scores.set(id, (float) -rank);
            }
            last = made;
        }
        return scores;
    }

    private void check(GgufTokens again) throws FormatException {
        Map<String, Object> other = again.meaning();
        for (Map.Entry<String, Object> each : meaning().entrySet()) {
            same(each.getKey(), each.getValue().equals(other.get(each.getKey())));
        }
    }

    /** The properties that must be the same when the file is read again, by their keys. */
    private Map<String, Object> meaning() throws FormatException {
        Map<String, Object> meaning = Json.object("merges", groups(), "added_tokens", added());
        if (plain()) {
            boolean bytes = model().section("vocab").root().keySet().stream().anyMatch(GgufTokens::isByte);
            meaning.put("fuse_unk", model().bool("fuse_unk", false));
            meaning.put("unk_token", model().string("unk_token", ""));
            meaning.put("byte_fallback", bytes && model().bool("byte_fallback", false));
            meaning.put(
                    "decoder",
                    steps(tokenizer.section("decoder")).stream().map(Json::root).toList());
        }
        return meaning;
    }

    /** The merges that make one piece, in any order. */
    private record Group(String piece, Set<List<String>> merges) {}

    /**
     * The merges that have an effect, in groups: two tokenizers with equal groups merge alike. Merges of added runs of
     * spaces are one group if they come first. Their order then matters only for runs longer than any token, which are
     * cut as llama.cpp cuts them. Merges of other added tokens have no effect, since these tokens are found before
     * anything is merged.
     */
    private List<Group> groups() throws FormatException {
        Set<Object> added = new HashSet<>();
        added().values().forEach(token -> added.add(token.get("content")));
        List<Group> groups = new ArrayList<>();
        for (List<String> merge : merges()) {
            String made = String.join("", merge);
            boolean run = made.replace(GgufVocabulary.MARK, "").isEmpty();
            boolean isAdded = added.contains(made);
            if (run || !isAdded) {
                String piece = run && isAdded ? "" : made;
                if (groups.isEmpty() || !groups.getLast().piece.equals(piece)) {
                    groups.add(new Group(piece, new HashSet<>()));
                }
                groups.getLast().merges.add(merge);
            }
        }
        return groups;
    }

    /**
     * The added tokens by id. Whether a token is matched in normalized text does not matter if normalization leaves it
     * unchanged.
     */
    private Map<Integer, Map<?, ?>> added() throws FormatException {
        List<Json> normalizer = steps(tokenizer.section("normalizer"));
        boolean prefixed = normalizer.stream()
                .anyMatch(step -> "Prepend".equals(step.root().get("type")));
        Map<Integer, Map<?, ?>> added = new TreeMap<>();
        for (Json token : tokenizer.objects("added_tokens")) {
            String content = token.requireString("content");
            boolean spelled = normalizer.isEmpty()
                    || (!prefixed && !content.contains(" ") && Normalizer.isNormalized(content, Normalizer.Form.NFC));
            boolean normalized = token.bool("normalized", false) && !spelled;
            int id = token.requireInt("id", 0, Integer.MAX_VALUE);
            if (id < rows) {
                added.put(id, token.with(Map.of("normalized", normalized)).root());
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
