package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.tensor.Device;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * How a model was trained to embed texts, by its files: the modules of a folder in the layout of sentence-transformers,
 * or a key of a GGUF file. Immutable.
 *
 * @param pooling how the hidden vectors of a text's tokens become one
 * @param layers linear layers after the pooling
 * @param prompts texts to put before a text, by their names, such as {@code query}
 * @param shortens whether the first numbers of a vector are a vector of the text, too (Kusupati et al. 2022)
 */
@SuppressWarnings("exports") // layers are applied here
public record EmbeddingConfig(Pooling pooling, List<Dense> layers, Map<String, String> prompts, boolean shortens) {
    private static final String MODULES = "modules.json";
    private static final String PROMPTS = "config_sentence_transformers.json";
    private static final String MODE = "pooling_mode";
    private static final int MOST = 1 << 16; // numbers of a vector, characters of a prompt
    private static final int MOST_LAYERS = 4;
    private static final int MOST_WEIGHTS = 1 << 25; // of a layer, which are copied

    /** Copied with a model. Deeper folders have the layers that files in use have. */
    static final List<String> FILES = List.of(
            MODULES,
            PROMPTS,
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "3_Dense/config.json",
            "3_Dense/model.safetensors");

    /** How the tokens' vectors become one vector. */
    public enum Pooling {
        /** Their mean. */
        MEAN,
        /** The vector of the last token, which has seen all others. */
        LAST
    }

    public EmbeddingConfig {
        layers = List.copyOf(layers);
        prompts = Map.copyOf(prompts);
    }

    /** A linear layer y = W x. Immutable and thread-safe; its sums are in double, in the order of x. */
    static final class Dense {
        private final int inputs;
        private final int outputs;
        private final float[] weight; // [inputs, outputs]

        private Dense(int inputs, int outputs, float[] rows) {
            this.inputs = inputs;
            this.outputs = outputs;
            this.weight = new float[rows.length];
            for (int o = 0; o < outputs; o++) {
                for (int i = 0; i < inputs; i++) {
                    weight[i * outputs + o] = rows[o * inputs + i];
                }
            }
        }

        private double[] apply(double[] x) {
            double[] y = new double[outputs];
            for (int i = 0; i < inputs; i++) {
                for (int o = 0; o < outputs; o++) {
                    y[o] += x[i] * weight[i * outputs + o];
                }
            }
            return y;
        }
    }

    /** The vector that the layers make of a pooled one. */
    public double[] apply(double[] pooled) {
        double[] vector = pooled;
        for (Dense layer : layers) {
            vector = layer.apply(vector);
        }
        return vector;
    }

    /** The numbers of a vector. */
    public int size(int hiddenSize) {
        return layers.isEmpty() ? hiddenSize : layers.getLast().outputs;
    }

    /** Llama.cpp's number of the pooling. */
    int ggufType() {
        return pooling == Pooling.MEAN ? 1 : 3;
    }

    /** @param type llama.cpp's number, which was checked: 1 mean, 3 last, or 0 for a model that does not embed */
    static Optional<EmbeddingConfig> ofGguf(int type) {
        Pooling pooling = type == 1 ? Pooling.MEAN : Pooling.LAST;
        return type == 0 ? Optional.empty() : Optional.of(new EmbeddingConfig(pooling, List.of(), Map.of(), false));
    }

    /**
     * Reads the modules of a folder; empty if it has none.
     *
     * @throws FormatException naming the module or the key that is wrong or not supported
     */
    static Optional<EmbeddingConfig> read(Path folder, ModelConfig config) throws IOException {
        Path file = folder.resolve(MODULES);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        Object listed = Objects.requireNonNullElse(Json.value(file.toString(), Json.bytes(file)), Json.NULL);
        Pooling pooling = null;
        List<Dense> layers = new ArrayList<>();
        int width = config.decoder().hiddenSize();
        for (Json module : new Json(file.toString(), Json.object("modules", listed)).objects("modules")) {
            String type = module.requireString("type");
            String path = module.string("path", "");
            module.check("path", path.matches("[A-Za-z0-9_-]*"), "the name of a folder");
            switch (type.substring(type.lastIndexOf('.') + 1)) {
                case "Transformer", "Normalize" -> {}
                case "Pooling" -> {
                    module.check("type", pooling == null, "one Pooling");
                    pooling = pooling(Json.read(folder.resolve(path, Checkpoint.CONFIG)), width);
                }
                case "Dense" -> {
                    boolean fits = pooling != null && layers.size() < MOST_LAYERS;
                    module.check("type", fits, "a Pooling, and then at most " + MOST_LAYERS + " layers");
                    layers.add(dense(folder.resolve(path), width));
                    width = layers.getLast().outputs;
                }
                default -> module.support("type", false, "Transformer, Pooling, Dense or Normalize");
            }
        }
        if (pooling == null) {
            throw new FormatException(file.toString(), "a Pooling among the modules", "none", "correct the file");
        }
        Json said = new Json(folder.resolve(Checkpoint.CONFIG).toString(), config.source());
        boolean shortens = said.bool("is_matryoshka", false)
                || !said.integers("matryoshka_dimensions").isEmpty();
        return Optional.of(new EmbeddingConfig(pooling, layers, prompts(folder.resolve(PROMPTS)), shortens));
    }

    /** The mode is the one key among several that is true; newer files have one key. */
    private static Pooling pooling(Json json, int width) throws FormatException {
        Set<String> modes = new TreeSet<>();
        for (Object each : json.root().keySet()) {
            String key = each.toString();
            if (key.equals(MODE) || (key.startsWith(MODE) && json.bool(key, false))) {
                String mode = key.equals(MODE) ? json.requireString(key) : key.substring(MODE.length() + 1);
                modes.add(mode.replaceFirst("_tokens?$", ""));
            }
        }
        boolean mean = modes.equals(Set.of("mean"));
        if (!mean && !modes.equals(Set.of("lasttoken"))) {
            String got = FormatException.quote(String.join(", ", modes));
            throw new UnsupportedModelException(
                    json.subject(), "pooling by mean or lasttoken", got, "this model is not supported");
        }
        json.support("include_prompt", json.bool("include_prompt", true), "true");
        int said = json.integer("word_embedding_dimension", width, 1, Integer.MAX_VALUE);
        json.check("word_embedding_dimension", said == width, "the " + width + " numbers of the vectors before it");
        return mean ? Pooling.MEAN : Pooling.LAST;
    }

    private static Dense dense(Path folder, int width) throws IOException {
        Json json = Json.read(folder.resolve(Checkpoint.CONFIG));
        int inputs = json.requireInt("in_features", width, width);
        int outputs = json.requireInt("out_features", 1, Math.min(MOST, MOST_WEIGHTS / inputs));
        json.support("bias", !json.bool("bias", true), "false");
        boolean linear = json.string("activation_function", "Tanh").matches("(.*\\.)?Identity");
        json.support("activation_function", linear, "Identity");
        try (Arena arena = Device.scratch()) {
            TensorStore store = TensorStore.open(folder, arena);
            List<Long> shape = List.of((long) outputs, (long) inputs);
            TensorView weight =
                    StoredRows.tensor(folder.toString(), store, "linear.weight", shape, Checkpoint.FLOATS, false);
            return new Dense(inputs, outputs, weight.toArray());
        }
    }

    private static Map<String, String> prompts(Path file) throws IOException {
        Map<String, String> prompts = new LinkedHashMap<>();
        if (Files.exists(file)) {
            Json json = Json.read(file).section("prompts");
            for (Object name : json.root().keySet()) {
                String prompt = json.string(name.toString(), "");
                json.check(name.toString(), prompt.length() <= MOST, "at most " + MOST + " characters");
                prompts.put(name.toString(), prompt);
            }
        }
        return prompts;
    }
}
