package dev.causal4j.receipt;

import dev.causal4j.FormatException;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ModelDigests;
import dev.causal4j.tensor.DType;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Writes and reads the parts of a receipt. A receipt that is read comes from a stranger. Fractions and seeds are strings,
 * as Java writes them.
 */
record Statement(Json json) {
    static final int MOST_STOPS = 1000;

    private static final Set<String> NAMES = Set.of(
            "format",
            "arithmetic",
            "library",
            "model",
            "tokenizer",
            "options",
            "constraint",
            "rules",
            "mark",
            "seed",
            "nonce",
            "prompt",
            "output",
            "digest");

    Statement(Map<String, ?> json) {
        this(new Json("receipt", json));
    }

    static Map<String, Object> model(CausalLM model) {
        ModelDigests digests = model.digests().orElseThrow();
        return Json.object(
                "name",
                model.name(),
                "dtype",
                model.dtype().label(),
                "rounded",
                digests.dtype().<Object>map(DType::label).orElse(Json.NULL),
                "kv_dtype",
                model.cachedDtype().label(),
                "files",
                files(digests.files()),
                "adapter",
                digests.adapter().isEmpty()
                        ? Json.NULL
                        : Json.object("files", files(digests.adapter()), "merged", digests.merged()));
    }

    private static List<Map<String, Object>> files(List<ModelDigests.File> files) {
        return files.stream()
                .map(file -> Json.object("name", file.name(), "size", file.size(), "sha256", file.sha256()))
                .toList();
    }

    static Object tokenizer(CausalLM model) {
        return model.tokenizer()
                .<Object>map(tokenizer -> Json.object("sha256", Sha256.hex(tokenizer.toJson())))
                .orElse(Json.NULL);
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
                        .sorted(Comparator.naturalOrder())
                        .toList());
        return stated;
    }

    /**
     * Checks the names of a receipt.
     *
     * @throws FormatException if one is unknown or missing, or the format is another
     */
    void checkFormat() throws FormatException {
        json.check("format", Receipt.FORMAT.equals(json.root().get("format")), Receipt.FORMAT);
        Set<Object> names = new HashSet<>(json.root().keySet());
        names.remove("signature");
        if (!names.equals(NAMES)) {
            Set<Object> others = new HashSet<>(NAMES);
            others.removeAll(names);
            names.removeAll(NAMES);
            throw new FormatException(
                    "receipt",
                    "all names of the format and no other",
                    names + " more, " + others + " not",
                    "is it damaged?");
        }
        String _ = json.requireString("library") + json.string("nonce", "");
        json.check("rules", List.of().equals(json.root().get("rules")), "no rules");
        json.check("mark", Json.NULL.equals(json.root().get("mark")), "no mark");
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

    GenerationOptions options() throws FormatException {
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
}
