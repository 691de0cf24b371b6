package dev.causal4j.receipt;

import dev.causal4j.FormatException;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Mark;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ModelDigests;
import dev.causal4j.tensor.DType;
import java.nio.ByteBuffer;
import java.util.AbstractList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes and reads the parts of a receipt. A receipt that is read comes from a stranger. Fractions and seeds are strings,
 * as Java writes them.
 */
record Statement(Json json) {
    static final int MOST_STOPS = 1000;

    Statement(Map<String, ?> json) {
        this(new Json("receipt", json));
    }

    /** A statement without its digest. */
    static Map<String, Object> of(CausalLM model, GenerationRequest request, Generation made) {
        Map<String, Object> output = Json.object("tokens", view(made.tokens()));
        output.put("finish_reason", made.finishReason().label());
        output.put("text_sha256", Sha256.hex(made.text()));
        Map<String, Object> json = Json.object("format", Receipt.FORMAT, "arithmetic", CausalLM.ARITHMETIC);
        json.put("library", library());
        json.put("model", model(model));
        json.put("tokenizer", tokenizer(model));
        json.put("options", options(request.options(), model));
        Optional<Constraint> constraint = request.options().constraint();
        json.put(
                "constraint",
                constraint.<Object>flatMap(Constraint::description).orElse(Json.NULL));
        json.put("rules", List.of());
        json.put(
                "mark",
                request.options()
                        .mark()
                        .<Object>map(mark -> Json.object("key_id", mark.keyId()))
                        .orElse(Json.NULL));
        json.put("seed", Long.toString(made.seed()));
        json.put("nonce", Json.NULL);
        json.put("prompt", Json.object("tokens", view(made.promptTokens())));
        json.put("output", output);
        return json;
    }

    /** The library that makes a statement. */
    static String library() {
        return "causal4j "
                + Objects.requireNonNullElse(Receipt.class.getPackage().getImplementationVersion(), "?");
    }

    /** A view, since a server has many. */
    private static List<Integer> view(int[] tokens) {
        return new AbstractList<>() {
            @Override
            public Integer get(int i) {
                return tokens[i];
            }

            @Override
            public int size() {
                return tokens.length;
            }
        };
    }

    static Map<String, Object> model(CausalLM model) {
        ModelDigests digests = model.digests().orElseThrow();
        Map<String, Object> json =
                Json.object("name", model.name(), "dtype", model.dtype().label());
        json.put("rounded", digests.dtype().<Object>map(DType::label).orElse(Json.NULL));
        json.put("kv_dtype", model.cachedDtype().label());
        json.put("files", files(digests.files()));
        Map<String, Object> adapter = Json.object("files", files(digests.adapter()), "merged", digests.merged());
        json.put("adapter", digests.adapter().isEmpty() ? Json.NULL : adapter);
        return json;
    }

    private static List<Map<String, Object>> files(List<ModelDigests.File> files) {
        return files.stream()
                .map(file -> Json.object("name", file.name(), "size", file.size(), "sha256", file.sha256()))
                .toList();
    }

    static Object tokenizer(CausalLM model) {
        Optional<String> sha256 = model.digests().orElseThrow().tokenizer();
        return sha256.<Object>map(digits -> Json.object("sha256", digits)).orElse(Json.NULL);
    }

    /** The options that decide tokens and end; a deadline shows in the reason of the end. */
    static Map<String, Object> options(GenerationOptions options, CausalLM model) {
        Map<String, Object> stated = new LinkedHashMap<>();
        for (Setting setting : Setting.values()) {
            Number number = options.number(setting);
            stated.put(setting.snake(), number instanceof Double ? number.toString() : number);
        }
        stated.remove(Setting.SEED.snake()); // of the generation
        Map<String, Object> biases = new TreeMap<>();
        options.logitBias().forEach((token, bias) -> biases.put("" + token, "" + bias));
        stated.put("logit_bias", biases);
        stated.put("stop", options.stop());
        stated.put(
                "eos",
                options.eos().orElse(model.eos()).stream()
                        .filter(id -> id < model.choosableTokens())
                        .sorted()
                        .toList());
        return stated;
    }

    /**
     * Checks the names of a receipt: one that nobody reads could say anything.
     *
     * @throws FormatException if one is unknown or missing, or the format is another
     */
    void checkFormat() throws FormatException {
        json.check("format", Receipt.FORMAT.equals(json.root().get("format")), Receipt.FORMAT);
        boolean isSigned = json.has("signature");
        names(
                json,
                "format arithmetic library model tokenizer options constraint rules mark seed nonce prompt output digest"
                        + (isSigned ? " signature" : ""));
        names(json.section("signature"), isSigned ? "algorithm value" : "");
        Json model = json.section("model");
        names(model, "name dtype rounded kv_dtype files adapter");
        names(model.section("adapter"), model.has("adapter") ? "files merged" : "");
        for (Json file : Stream.concat(
                        model.objects("files").stream(), model.section("adapter").objects("files").stream())
                .toList()) {
            names(file, "name size sha256");
        }
        names(json.section("tokenizer"), json.has("tokenizer") ? "sha256" : "");
        String settings = Stream.of(Setting.values())
                .filter(each -> each != Setting.SEED)
                .map(Setting::snake)
                .collect(Collectors.joining(" "));
        names(json.section("options"), settings + " logit_bias stop eos");
        names(json.section("prompt"), publicPrompt() == null ? "count salt sha256" : "tokens");
        names(json.section("output"), "tokens finish_reason text_sha256");
        String _ = json.requireString("library") + model.requireString("name") + json.string("nonce", "");
        json.check("rules", List.of().equals(json.root().get("rules")), "no rules");
    }

    private static void names(Json section, String expected) throws FormatException {
        Set<String> names = expected.isEmpty() ? Set.of() : Set.of(expected.split(" ", -1));
        if (!section.root().keySet().equals(names)) {
            throw new FormatException(
                    section.subject(),
                    "the names " + expected,
                    section.root().keySet().toString(),
                    "is it damaged?");
        }
    }

    LoadOptions loadOptions() throws FormatException {
        Json model = json.section("model");
        return LoadOptions.DEFAULT
                .withDtype(dtype(model, "rounded"))
                .withCached(dtype(model, "kv_dtype") == DType.BF16 ? DType.BF16 : DType.F32)
                .withDigests(true);
    }

    private static @Nullable DType dtype(Json model, String key) throws FormatException {
        DType dtype = DType.ofLabel(model.string(key, "")).orElse(null);
        model.check(key, dtype != null || !model.has(key), DType.labels());
        return dtype;
    }

    /** @param mark the one that the verifier knows */
    GenerationOptions options(@Nullable Mark mark) throws FormatException {
        Json stated = json.section("options");
        Map<Setting, Number> numbers = new HashMap<>();
        for (Setting setting : Setting.values()) {
            if (setting == Setting.SEED) {
                numbers.put(setting, setting.parse(json.requireString("seed")));
            } else if (setting.standard() instanceof Double) {
                numbers.put(setting, setting.parse(stated.requireString(setting.snake())));
            } else {
                numbers.put(setting, stated.requireInt(setting.snake(), 0, Integer.MAX_VALUE));
            }
        }
        Map<Integer, Double> biases = new HashMap<>();
        for (Map.Entry<?, ?> bias : stated.section("logit_bias").root().entrySet()) {
            biases.put(Integer.valueOf((String) bias.getKey()), Double.valueOf(String.valueOf(bias.getValue())));
        }
        List<String> stop = stated.strings("stop");
        stated.check("stop", stop.size() <= MOST_STOPS, "at most " + MOST_STOPS + " strings");
        GenerationOptions options = GenerationOptions.DEFAULT
                .with(numbers)
                .withLogitBias(biases)
                .withStop(stop)
                .withEos(Set.copyOf(stated.integers("eos")));
        if (json.has("mark")) {
            String id = json.section("mark").requireString("key_id");
            json.check("mark", mark != null && mark.keyId().equals(id), "the mark of a known key");
            options = options.withMark(Objects.requireNonNull(mark));
        }
        return json.has("constraint")
                ? options.withConstraint(
                        Constraint.described(json.section("constraint").root()))
                : options;
    }

    /** The prompt; null if the receipt has only its digest. */
    int @Nullable [] publicPrompt() {
        return json.root().get("prompt") instanceof Map<?, ?> prompt && prompt.get("tokens") instanceof List<?> tokens
                ? tokens.stream()
                        .mapToInt(each -> each instanceof Integer id ? id : -1)
                        .toArray()
                : null;
    }

    /** The digest of a public prompt. */
    Map<String, Object> privatePrompt(byte[] salt) {
        int[] tokens = Objects.requireNonNull(publicPrompt(), "a prompt that is private already");
        String salted = HexFormat.of().formatHex(salt);
        return Json.object("count", tokens.length, "salt", salted, "sha256", promptDigest(salt, tokens));
    }

    /** The digest of a salt and of token ids as big-endian 32-bit numbers. */
    static String promptDigest(byte[] salt, int[] prompt) {
        ByteBuffer bytes = ByteBuffer.allocate(salt.length + 4 * prompt.length).put(salt);
        IntStream.of(prompt).forEach(bytes::putInt);
        return Sha256.hex(bytes.array());
    }
}
