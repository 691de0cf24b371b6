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
import java.util.EnumSet;
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
import org.jspecify.annotations.Nullable;

/**
 * Writes and reads the parts of a receipt. A receipt that is read comes from a stranger. Fractions and seeds are strings,
 * as Java writes them.
 */
record Statement(Json json) {
    static final int MOST_STOPS = 1000;

    /** The numbers among the options; a seed is that of the generation. */
    private static final Set<Setting> NUMBERS = EnumSet.complementOf(EnumSet.of(Setting.SEED));

    // names, in the order in which they are written
    private static final String PARTS =
            "format arithmetic library model tokenizer options constraint rules mark seed nonce prompt output";
    private static final String MODEL = "name dtype rounded kv_dtype files adapter";
    private static final String FILE = "name size sha256";
    private static final String ADAPTER = "files merged";
    private static final String PRIVATE = "count salt sha256";
    private static final String OUTPUT = "tokens finish_reason text_sha256";

    Statement(Map<String, ?> json) {
        this(new Json("receipt", json));
    }

    /** A statement without its digest. */
    static Map<String, Object> of(CausalLM model, GenerationRequest request, Generation made) {
        GenerationOptions options = request.options();
        return section(
                PARTS,
                Receipt.FORMAT,
                CausalLM.ARITHMETIC,
                library(),
                model(model),
                tokenizer(model),
                options(options, model),
                orNull(options.constraint().flatMap(Constraint::description)),
                List.of(),
                orNull(options.mark().map(mark -> Json.object("key_id", mark.keyId()))),
                Long.toString(made.seed()),
                Json.NULL,
                Json.object("tokens", view(made.promptTokens())),
                section(OUTPUT, view(made.tokens()), made.finishReason().label(), Sha256.hex(made.text())));
    }

    /** An object with values for these names. */
    private static Map<String, Object> section(String names, Object... values) {
        Map<String, Object> section = new LinkedHashMap<>();
        for (String name : names.split(" ", -1)) {
            section.put(name, values[section.size()]);
        }
        return section;
    }

    private static Object orNull(Optional<?> value) {
        return value.isPresent() ? value.get() : Json.NULL;
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

    /** The parts of a statement that a model decides. */
    static Json loaded(CausalLM model) {
        return new Json("", section("model tokenizer", model(model), tokenizer(model)));
    }

    static Map<String, Object> model(CausalLM model) {
        ModelDigests digests = model.digests().orElseThrow();
        Map<String, Object> adapter = section(ADAPTER, files(digests.adapter()), digests.merged());
        return section(
                MODEL,
                model.name(),
                model.dtype().label(),
                orNull(digests.dtype().map(DType::label)),
                model.cachedDtype().label(),
                files(digests.files()),
                digests.adapter().isEmpty() ? Json.NULL : adapter);
    }

    private static List<Map<String, Object>> files(List<ModelDigests.File> files) {
        return files.stream()
                .map(file -> section(FILE, file.name(), file.size(), file.sha256()))
                .toList();
    }

    static Object tokenizer(CausalLM model) {
        return orNull(model.digests().orElseThrow().tokenizer().map(digits -> Json.object("sha256", digits)));
    }

    /** The options that decide tokens and end; a deadline shows in the reason of the end. */
    static Map<String, Object> options(GenerationOptions options, CausalLM model) {
        Map<String, Object> stated = new LinkedHashMap<>();
        for (Setting setting : NUMBERS) {
            Number number = options.number(setting);
            stated.put(setting.snake(), number instanceof Double ? number.toString() : number);
        }
        Map<String, Object> biases = new TreeMap<>();
        options.logitBias().forEach((token, bias) -> biases.put("" + token, "" + bias));
        stated.put("logit_bias", biases);
        stated.put("stop", options.stop());
        stated.put("eos", options.eos().orElse(model.eos()).stream().sorted().toList());
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
        names(json, PARTS + " digest" + (isSigned ? " signature" : ""));
        names(json.section("signature"), isSigned ? "algorithm value" : "");
        Json model = json.section("model");
        names(model, MODEL);
        Json adapter = model.section("adapter");
        names(adapter, model.has("adapter") ? ADAPTER : "");
        for (Json files : List.of(model, adapter)) {
            for (Json file : files.objects("files")) {
                names(file, FILE);
            }
        }
        names(json.section("tokenizer"), json.has("tokenizer") ? "sha256" : "");
        String settings = NUMBERS.stream().map(Setting::snake).collect(Collectors.joining(" "));
        names(json.section("options"), settings + " logit_bias stop eos");
        names(json.section("mark"), json.has("mark") ? "key_id" : "");
        names(json.section("prompt"), publicPrompt() == null ? PRIVATE : "tokens");
        names(json.section("output"), OUTPUT);
        String _ = json.requireString("library") + model.requireString("name") + json.string("nonce", "");
        json.check("rules", List.of().equals(json.root().get("rules")), "no rules");
    }

    private static void names(Json section, String expected) throws FormatException {
        Set<?> got = section.root().keySet();
        if (!got.equals(expected.isEmpty() ? Set.of() : Set.of(expected.split(" ", -1)))) {
            throw new FormatException(section.subject(), "the names " + expected, got.toString(), "is it damaged?");
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
        numbers.put(Setting.SEED, Setting.SEED.parse(json.requireString("seed")));
        for (Setting setting : NUMBERS) {
            String name = setting.snake();
            boolean isText = setting.standard() instanceof Double;
            numbers.put(
                    setting,
                    isText ? setting.parse(stated.requireString(name)) : stated.requireInt(name, 0, Integer.MAX_VALUE));
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
        if (!json.has("constraint")) {
            return options;
        }
        Map<?, ?> described = json.section("constraint").root();
        Constraint constraint = Constraint.described(described);
        boolean isAll = constraint.description().equals(Optional.of(described));
        json.check("constraint", isAll, "the description of a constraint alone");
        return options.withConstraint(constraint);
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
        return section(PRIVATE, tokens.length, HexFormat.of().formatHex(salt), promptDigest(salt, tokens));
    }

    /** The digest of a salt and of token ids as big-endian 32-bit numbers. */
    static String promptDigest(byte[] salt, int[] prompt) {
        ByteBuffer bytes = ByteBuffer.allocate(salt.length + 4 * prompt.length).put(salt);
        IntStream.of(prompt).forEach(bytes::putInt);
        return Sha256.hex(bytes.array());
    }
}
