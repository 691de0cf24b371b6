package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.Names;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Low-rank adapters in the layout of PEFT, Hugging Face's library: adapter_config.json, and adapter_model.safetensors
 * with {@code base_model.model.MODULE.lora_A.weight} [rank, in] and {@code MODULE.lora_B.weight} [out, rank] for each
 * linear layer.
 *
 * <p>A layer that is packed here, such as queries, keys and values, is several modules there. When it is written, each
 * module has all of A and its rows of B. When it is read, an A that all modules share is used once; different ones are
 * stacked, and B is 0 between the outputs of a module and the A of another. Both are exact: each output is the same sum
 * in the same order, except for added zeros.
 *
 * @param subject its name in messages
 * @param unused names of tensors that no layer has
 * @param root the prefix of names of weights
 * @param scale alpha / rank
 */
record AdapterFiles(
        ModelConfig model, TensorStore store, String subject, Set<String> unused, String root, int rank, float scale) {
    private static final String CONFIG = "adapter_config.json";
    private static final String TENSORS = "adapter_model.safetensors";
    private static final String PREFIX = "base_model.model.";
    private static final String WEIGHT = ".weight";
    private static final String DOWN = ".lora_A.weight";
    private static final String UP = ".lora_B.weight";

    /** Keys that change the arithmetic, or train more than matrices of one rank and scale. */
    private static final String UNSUPPORTED = "use_dora lora_bias use_qalora use_bdlora modules_to_save rank_pattern"
            + " alpha_pattern layer_replication target_parameters trainable_token_indices alora_invocation_tokens"
            + " arrow_config velora_config monteclora_config megatron_config";

    private static final List<Object> OFF = List.of(false, List.of(), Map.of());

    /** Initializations of A and B that leave the weights of the layer unchanged. */
    private static final Set<Object> FIRST_VALUES = Set.of(true, false, "gaussian", "eva", "orthogonal");

    /**
     * An adapter of a model.
     *
     * @param weights its matrices, by the names of the weights that they are added to
     * @param files its files
     */
    record Adapter(Map<String, LowRank> weights, List<ModelDigests.File> files) {
        static final Adapter NONE = new Adapter(Map.of(), List.of());
    }

    /**
     * Reads an adapter of a model; {@link Adapter#NONE} without a folder.
     *
     * @throws FormatException if they are not valid, of another model, or not supported
     */
    static Adapter read(@Nullable Path folder, ModelConfig model, Device device) throws IOException {
        if (folder == null) {
            return Adapter.NONE;
        }
        Path file = folder.resolve(CONFIG);
        byte[] json = Json.bytes(file);
        Json config = Json.parse(file.toString(), json);
        check(config);
        int rank = config.integer("r", 8, 1, Architecture.MOST);
        double divisor = config.bool("use_rslora", false) ? Math.sqrt(rank) : rank;
        float scale = (float) (config.number("lora_alpha", 8, -1e9, 1e9) / divisor);
        try (Arena arena = Arena.ofShared()) {
            TensorStore store = SafeTensors.open(folder.resolve(TENSORS), arena);
            Names names = model.family().names();
            String root = names.roots().stream()
                    .filter(each ->
                            store.names().stream().anyMatch(name -> name.startsWith(PREFIX + each + names.blocks())))
                    .findFirst()
                    .orElse("");
            String base = config.string("base_model_name_or_path", "");
            String subject = store.subject() + (base.isEmpty() ? "" : ", adapter of " + FormatException.quote(base));
            Set<String> unused = new TreeSet<>(store.names());
            List<ModelDigests.File> files =
                    new ArrayList<>(ModelDigests.of(Map.of(CONFIG, MemorySegment.ofArray(json))));
            files.addAll(ModelDigests.of(store.files()));
            return new Adapter(new AdapterFiles(model, store, subject, unused, root, rank, scale).read(device), files);
        }
    }

    private static void check(Json config) throws FormatException {
        config.support("peft_type", config.string("peft_type", "").equals("LORA"), "LORA");
        config.support("task_type", config.string("task_type", "CAUSAL_LM").equals("CAUSAL_LM"), "CAUSAL_LM");
        config.support("bias", config.string("bias", "none").equals("none"), "none");
        for (String key : UNSUPPORTED.split(" ", -1)) {
            config.support(key, !config.has(key) || OFF.contains(config.root().get(key)), "none");
        }
        String key = "init_lora_weights";
        boolean leaves = !config.has(key) || FIRST_VALUES.contains(config.root().get(key));
        config.support(key, leaves, "true, false, gaussian, eva or orthogonal");
    }

    private Map<String, LowRank> read(Device device) throws FormatException {
        Map<String, LowRank> adapters = new HashMap<>();
        for (ParameterSpec spec : model.specs()) {
            if (spec.role().isLinear() && areModules(model.origin(spec, root))) {
                read(spec, device, adapters);
            }
        }
        if (adapters.isEmpty() || !unused.isEmpty()) {
            String expected = "lora_A and lora_B of linear layers alone";
            String got = unused.isEmpty() ? "no tensor" : FormatException.quote(String.join(", ", unused));
            throw new FormatException(subject, expected, got, "name the adapter of this model");
        }
        return adapters;
    }

    /**
     * B of a module.
     *
     * @param column its first column in the packed B
     */
    private record Module(TensorView up, int column) {}

    private void read(ParameterSpec spec, Device device, Map<String, LowRank> adapters) throws FormatException {
        Origin origin = model.origin(spec, root).withInputs(rank, AdapterFiles::up);
        List<TensorView> downs = new ArrayList<>(); // without repetitions
        Map<String, Module> modules = new HashMap<>();
        for (Origin.Part part : origin.parts()) {
            String name = part.name().replace(UP, DOWN);
            boolean there = store.names().contains(part.name()) || store.names().contains(name);
            if (there && !modules.containsKey(part.name())) {
                TensorView down = tensor(name, List.of((long) rank, (long) spec.cols()));
                int index = 0;
                while (index < downs.size() && !StoredRows.equal(downs.get(index), down)) {
                    index++;
                }
                if (index == downs.size()) {
                    downs.add(down);
                }
                modules.put(part.name(), new Module(tensor(part.name(), part.shape()), index * rank));
            }
        }
        if (downs.isEmpty()) {
            return;
        }
        int ranks = Math.multiplyExact(rank, downs.size());
        float[][] ups = new float[spec.rows()][ranks];
        int n = 0;
        for (Origin.Part part : origin.parts()) {
            Module module = modules.get(part.name());
            for (int i = 0; i < part.rows(); i++, n++) {
                if (module != null) {
                    module.up.copyTo(part.first() + i * part.rowStride(), ups[n], module.column, rank);
                }
            }
        }
        Matrix down = Matrix.of(
                device,
                DType.F32,
                ranks,
                spec.cols(),
                (r, row) -> downs.get(r / rank).copyTo((long) (r % rank) * row.length, row, 0, row.length));
        Matrix up = Matrix.of(
                device, DType.F32, spec.rows(), ranks, (r, row) -> System.arraycopy(ups[r], 0, row, 0, ranks));
        adapters.put(spec.name(), new LowRank(down, up, scale));
    }

    private TensorView tensor(String name, List<Long> shape) throws FormatException {
        unused.remove(name);
        return StoredRows.tensor(subject, store, name, shape, Checkpoint.FLOATS, false);
    }

    /** Whether a parameter's tensors are weights of modules; tensors of several experts are not. */
    private static boolean areModules(Origin origin) {
        return origin.parts().stream()
                .allMatch(part -> part.name().endsWith(WEIGHT) && part.shape().size() == 2);
    }

    private static String module(String weight) {
        return weight.substring(0, weight.length() - WEIGHT.length());
    }

    private static String up(String weight) {
        return PREFIX + module(weight) + UP;
    }

    /** Whether {@link #write} can write the adapters of a model. */
    static boolean canWrite(CausalLM model) {
        Map<ParameterSpec, LowRank> adapters = adapters(model);
        return adapters.values().stream().map(LowRank::scale).distinct().count() == 1
                && adapters.keySet().stream().allMatch(spec -> areModules(origin(model, spec)));
    }

    private static Map<ParameterSpec, LowRank> adapters(CausalLM model) {
        Map<ParameterSpec, LowRank> adapters = new LinkedHashMap<>();
        for (ParameterSpec spec : model.config().specs()) {
            LowRank adapter = model.adapter(spec);
            if (adapter != null) {
                adapters.put(spec, adapter);
            }
        }
        return adapters;
    }

    private static Origin origin(CausalLM model, ParameterSpec spec) {
        return model.config()
                .origin(spec, model.config().family().names().roots().getFirst());
    }

    /**
     * Writes the adapters of a model, the matrices last. All have the largest rank; smaller ones are padded with 0.
     *
     * @throws IllegalStateException unless {@link #canWrite}
     */
    static void write(CausalLM model, Path folder) throws IOException {
        Map<ParameterSpec, LowRank> adapters = adapters(model);
        if (!canWrite(model)) {
            String got = adapters.isEmpty() ? "none" : "others"; // or several scales
            throw new IllegalStateException("adapter: expected one of modules that PEFT names, got " + got);
        }
        int rank = Collections.max(
                adapters.values().stream().map(each -> each.down().rows()).toList());
        Map<Origin, Consumer<TensorView>> tensors = new LinkedHashMap<>();
        adapters.forEach((spec, adapter) -> {
            Origin ups = origin(model, spec).withInputs(rank, AdapterFiles::up);
            tensors.put(ups, tensor -> write(ups, tensor, adapter.up()));
            List<Long> shape = List.of((long) rank, (long) spec.cols());
            for (String up : ups.names()) {
                int own = adapter.down().rows();
                Origin down = new Origin(List.of(new Origin.Part(up.replace(UP, DOWN), shape, own, 0, spec.cols(), 1)));
                tensors.put(down, tensor -> write(down, tensor, adapter.down()));
            }
        });
        float scale = adapters.values().iterator().next().scale();
        WholeFile.write(folder.resolve(CONFIG), Json.write(config(model, adapters.keySet(), rank, scale)));
        SafeTensors.write(
                folder.resolve(TENSORS),
                StoredRows.sources(DType.F32, tensors),
                Map.of("format", "pt"),
                false,
                _ -> {});
    }

    private static void write(Origin origin, TensorView tensor, Matrix matrix) {
        origin.write(
                tensor,
                matrix.cols(),
                (n, row) -> matrix.row(n, row, 0),
                matrix.device().compute());
    }

    private static Map<String, Object> config(CausalLM model, Set<ParameterSpec> adapted, int rank, float scale) {
        Origin.Part first = origin(model, adapted.iterator().next()).parts().getFirst();
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("base_model_name_or_path", model.name());
        config.put("bias", "none");
        config.put("fan_in_fan_out", first.isTransposed());
        config.put("lora_alpha", alpha(rank, scale));
        config.put("peft_type", "LORA");
        config.put("r", rank);
        config.put("target_modules", targets(model, adapted));
        config.put("task_type", "CAUSAL_LM");
        config.put("use_rslora", false);
        return config;
    }

    /** The alpha that divided by the rank gives the scale, with few digits if possible. */
    private static Number alpha(int rank, float scale) {
        double exact = (double) scale * rank;
        double alpha = (float) ((float) exact / (double) rank) == scale ? (float) exact : exact;
        return alpha == Math.rint(alpha) ? (Number) (long) alpha : (Number) alpha;
    }

    /** The last components of the modules' names if all linear layers have an adapter, else the whole names. */
    private static List<String> targets(CausalLM model, Set<ParameterSpec> adapted) {
        boolean all =
                model.config().specs().stream().allMatch(spec -> !spec.role().isLinear() || adapted.contains(spec));
        return adapted.stream()
                .flatMap(spec -> origin(model, spec).names().stream())
                .map(AdapterFiles::module)
                .map(module -> all ? module.substring(module.lastIndexOf('.') + 1) : module)
                .distinct()
                .sorted()
                .toList();
    }
}
