package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.Whole;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Residuals;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every family against float64: forward, backward, caches. */
class FamiliesTest {
    @TempDir
    private Path folder;

    static List<String> all() {
        List<String> all = new ArrayList<>(trained());
        all.addAll(List.of(
                "llama-yarn",
                "llama-dynamic",
                "gpt_neox-sequential",
                "qwen2-sliding",
                "gemma3-multimodal",
                "gemma4-multimodal",
                "lfm2_moe-plain",
                "qwen3_5-long",
                "qwen3_5-multimodal",
                "granite4-dense"));
        return all;
    }

    /** The least memory of a model is known before it is loaded. */
    @ParameterizedTest
    @MethodSource("some")
    void aFullContextHasTheBytesThatAreKnownBefore(String name) throws IOException {
        for (DType cached : List.of(DType.F32, DType.BF16)) {
            LoadOptions least = LoadOptions.DEFAULT.withCached(cached).withCacheBytes(1);
            try (Checkpoint checkpoint = Checkpoint.open(Golden.folder(name))) {
                long bytes = checkpoint.contextBytes(least);
                try (CausalLM model = checkpoint.load(least)) {
                    PagePool pool = model.decoder().pool();
                    assertThat(bytes)
                            .isEqualTo(PagePool.needed(model.contextLength()) * pool.pageBytes() + pool.stateBytes());
                }
            }
        }
    }

    /** The fixtures of slow tests in {@code ./check}: a family of each kind of layers and of files. */
    static List<String> some() {
        return Whole.RUN
                ? all()
                : List.of(
                        "llama-untied",
                        "gemma3",
                        "phi3",
                        "gpt_neox",
                        "gpt_oss",
                        "gemma4-e2b",
                        "lfm2_moe",
                        "qwen3_5_moe",
                        "granite4-h",
                        "qwen3_5-multimodal");
    }

    /** Three of {@link #some} for the slowest tests: windows, delta nets with experts, state spaces. */
    static List<String> few() {
        return Whole.RUN ? all() : List.of("gemma3", "qwen3_5_moe", "granite4-h");
    }

    /** The fixtures of {@link #few} with gradients. */
    static List<String> fewTrained() {
        return few().stream().filter(trained()::contains).toList();
    }

    /** The fixtures of {@link #some} with gradients. */
    static List<String> someTrained() {
        return some().stream().filter(trained()::contains).toList();
    }

    /** The fixtures with gradients. */
    static List<String> trained() {
        return List.of(
                "llama-llama3",
                "llama-untied",
                "llama-linear",
                "mistral",
                "ministral",
                "qwen2-tied",
                "qwen3-tied",
                "gemma",
                "gemma2",
                "gemma3",
                "phi3",
                "smollm3",
                "olmo2",
                "olmo3",
                "granite",
                "gpt_neox",
                "mixtral",
                "qwen3_moe",
                "gpt_oss",
                "gemma4",
                "gemma4-e2b",
                "gemma4-moe",
                "lfm2",
                "lfm2_moe",
                "ministral3",
                "qwen3_5",
                "qwen3_5_moe",
                "granite4-h",
                "granite4-moe");
    }

    @ParameterizedTest
    @MethodSource("all")
    void hiddenAndLogitsAreThoseOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = CausalLM.load(golden.folder(), DType.F32)) {
            Rows hidden = forward(model, golden, golden.tokens().getFirst().length);
            float scale = model.config().decoder().hiddenScale();
            float[] unscaled = Arrays.copyOf(hidden.data(), hidden.count() * hidden.stride());
            for (int i = 0; i < unscaled.length; i++) {
                unscaled[i] /= scale;
            }
            assertClose(unscaled, golden.hidden(), tolerance(name));
            assertClose(logits(model, hidden), golden.logits(), tolerance(name));
        }
    }

    /** A failure names the first layer that is wrong. */
    @ParameterizedTest
    @MethodSource("some")
    void theStreamBetweenLayersIsThatOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = CausalLM.load(golden.folder(), DType.F32)) {
            List<Batch.Chunk> chunks = new ArrayList<>();
            for (int[] tokens : golden.tokens()) {
                KVCache cache = model.newCache();
                cache.reserve(tokens.length);
                chunks.add(new Batch.Chunk(cache, tokens));
            }
            Activations activations = Activations.forTraining(0, Activations.Keep.INPUTS);
            Rows hidden = model.forward(new Batch(chunks), activations);
            int layers = model.decoder().config().blocks().size();
            List<float[]> streams = Residuals.of(activations, layers, hidden.count(), hidden.stride());
            for (int layer = 0; layer <= layers; layer++) {
                assertClose(streams.get(layer), golden.expected().tensor("residual." + layer), tolerance(name));
            }
        }
    }

    private static Rows forward(CausalLM model, Golden golden, int chunk) {
        int d = model.head().hiddenSize();
        int length = golden.tokens().getFirst().length;
        Rows all = Rows.of(
                new float[golden.tokens().size() * length * d],
                d,
                golden.tokens().size() * length);
        Activations activations = new Activations();
        for (int s = 0; s < golden.tokens().size(); s++) {
            try (KVCache cache = model.newCache()) {
                assertThat(cache.reserve(length)).isTrue();
                for (int t = 0; t < length; t += chunk) {
                    int to = Math.min(length, t + chunk);
                    int[] tokens = Arrays.copyOfRange(golden.tokens().get(s), t, to);
                    Rows hidden = model.forward(Batch.of(cache, tokens), activations);
                    System.arraycopy(hidden.data(), 0, all.data(), all.start(s * length + t), (to - t) * d);
                }
            }
        }
        return all;
    }

    private static float[] logits(CausalLM model, Rows hidden) {
        int v = model.head().vocabularySize();
        Rows logits = Rows.of(new float[hidden.count() * v], v, hidden.count());
        model.head().logits(hidden, logits);
        return logits.data();
    }

    /** Relative to the largest number. PyTorch's own float32 is 5e-5 off where each layer has an input of its own. */
    private static double tolerance(String name) {
        return List.of("gemma4-e2b", "gemma4-multimodal").contains(name) ? 1.5e-4 : 2e-5;
    }

    /** PyTorch's own float32 is 2e-4 off where each layer has an input of its own. */
    private static double gradientTolerance(String name) {
        double recurrent = name.startsWith("qwen3_5") ? 1e-4 : 1e-5; // sums over the positions of a state
        return name.equals("gemma4-e2b") ? 5e-4 : name.startsWith("gemma4") ? 5e-5 : recurrent;
    }

    private static void assertClose(float[] actual, TensorView expected, double tolerance) {
        float[] truth = expected.toArray();
        assertThat(actual).hasSameSizeAs(truth);
        double worst = 0;
        double largest = 0;
        for (int i = 0; i < truth.length; i++) {
            worst = Math.max(worst, Math.abs((double) actual[i] - truth[i]));
            largest = Math.max(largest, Math.abs(truth[i]));
        }
        assertThat(worst / largest).as(expected.name()).isLessThanOrEqualTo(tolerance);
    }

    /** The edges of windows lie inside chunks and at their ends. */
    @ParameterizedTest
    @MethodSource("some")
    void chunksAndCachedPositionsChangeNoBit(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = CausalLM.load(golden.folder(), DType.F32)) {
            float[] whole =
                    forward(model, golden, golden.tokens().getFirst().length).data();
            for (int chunk : new int[] {1, 5, 7, 8}) {
                assertThat(forward(model, golden, chunk).data())
                        .as("chunk %d", chunk)
                        .containsExactly(whole);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void theOtherSequencesOfABatchChangeNoBit(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = CausalLM.load(golden.folder(), DType.F32)) {
            float[] alone =
                    forward(model, golden, golden.tokens().getFirst().length).data();
            List<Batch.Chunk> chunks = new ArrayList<>();
            for (int[] tokens : golden.tokens()) {
                KVCache cache = model.newCache();
                cache.reserve(tokens.length);
                chunks.add(new Batch.Chunk(cache, tokens));
            }
            Rows together = model.forward(new Batch(chunks), new Activations());
            assertThat(Arrays.copyOf(together.data(), alone.length)).isEqualTo(alone);
        }
    }

    static List<String> spelledTwice() {
        return all().stream()
                .filter(name -> Files.exists(Golden.folder(name).resolve("config.v5.json")))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("spelledTwice")
    void theNewSpellingOfTheConfigurationGivesTheSameModel(String name) throws IOException {
        ModelConfig old = ModelConfig.read(Golden.folder(name).resolve("config.json"));
        ModelConfig current = ModelConfig.read(Golden.folder(name).resolve("config.v5.json"));
        assertThat(current.sameArchitecture(old)).isTrue();
        assertThat(current.eos()).isEqualTo(old.eos());
        assertThat(current.bos()).isEqualTo(old.bos());
    }

    @ParameterizedTest
    @MethodSource("someTrained")
    void everyGradientIsThatOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = inMemory(golden)) {
            Pass pass = Pass.of(model, golden.tokens(), golden.targets());
            assertThat(pass.loss()).isCloseTo(golden.loss(), within(2e-6 * golden.loss()));
            Set<String> compared = new HashSet<>();
            for (ParameterSpec spec : model.config().specs()) {
                if (spec.role() == Role.BUFFER) {
                    continue;
                }
                Origin origin = model.config().origin(spec, root(golden));
                compare(golden, spec, origin, pass.gradient(spec.name()), gradientTolerance(name));
                origin.names().forEach(each -> compared.add("grad." + each));
            }
            Set<String> expected = new HashSet<>(golden.expected().names());
            expected.removeIf(each -> !each.startsWith("grad."));
            assertThat(compared).isEqualTo(expected);
        }
    }

    /** A model whose parameters can all be trained: none stays in a file. */
    private static CausalLM inMemory(Golden golden) throws IOException {
        try (CausalLM model = CausalLM.load(golden.folder(), DType.F32)) {
            return model.merged();
        }
    }

    private static String root(Golden golden) {
        List<String> roots = List.of("language_model.model.", "model.", "gpt_neox.");
        return roots.stream()
                .filter(root -> golden.expected().names().stream().anyMatch(each -> each.startsWith("grad." + root)))
                .findFirst()
                .orElse("");
    }

    private static void compare(Golden golden, ParameterSpec spec, Origin origin, float[] actual, double tolerance)
            throws IOException {
        int row = 0;
        double largest = 0;
        double worst = 0;
        for (Origin.Part part : origin.parts()) {
            float[] truth = golden.gradient(part.name()).toArray();
            for (int n = 0; n < part.rows(); n++, row++) {
                for (int k = 0; k < spec.cols(); k++) {
                    float expected = truth[(int) (part.first() + n * part.rowStride() + k * part.colStride())];
                    worst = Math.max(worst, Math.abs((double) actual[row * spec.cols() + k] - expected));
                }
            }
            for (float each : truth) {
                largest = Math.max(largest, Math.abs(each));
            }
        }
        assertThat(row).isEqualTo(spec.rows());
        assertThat(worst).as(spec.name()).isLessThanOrEqualTo(tolerance * largest);
    }

    @ParameterizedTest
    @MethodSource("fewTrained")
    void recomputedBlocksGiveTheSameGradients(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = inMemory(golden)) {
            Dropout dropout = new Dropout(0.1, 0.2, 0.3, 7, 11, 5);
            Pass kept = pass(model, golden, Activations.Keep.BLOCKS, dropout);
            Pass recomputed = pass(model, golden, Activations.Keep.INPUTS, dropout);
            kept.gradients()
                    .forEach((parameter, gradient) -> assertThat(
                                    recomputed.gradients().get(parameter))
                            .as(parameter)
                            .containsExactly(gradient));
        }
    }

    private static Pass pass(CausalLM model, Golden golden, Activations.Keep keep, Dropout dropout) {
        return Pass.of(model, golden.tokens(), golden.targets(), Activations.forTraining(0, keep), dropout);
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void tokensOfAllFamiliesCanBeScored(DType dtype) throws IOException {
        for (String name : few()) {
            Golden golden = Golden.load(name);
            try (CausalLM model = CausalLM.load(golden.folder(), dtype)) {
                Rows hidden = forward(model, golden, 24);
                double[] scores = model.head()
                        .logProbabilities(hidden, known(golden.targets()))
                        .logProbabilities();
                for (int i = 0; i < scores.length; i++) {
                    if (golden.targets()[i] != CausalLMHead.IGNORED) {
                        double nll = golden.nll()[i];
                        double tolerance = dtype == DType.F32
                                ? Math.max(name.endsWith("long") ? 1e-4 : tolerance(name), 1e-5 * nll)
                                : dtype == DType.INT4 ? 6 : 3; // rounding may lead to other experts
                        assertThat(scores[i]).as("%s %d", name, i).isCloseTo(-nll, within(tolerance));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void whatIsSavedHasTheNamesOfTheFamilyAndLoadsToTheSameBits(String name) throws IOException {
        Golden golden = Golden.load(name);
        try (CausalLM model = CausalLM.load(golden.folder(), DType.F32)) {
            model.save(folder, DType.F32);
            Set<String> names = new HashSet<>();
            for (ParameterSpec spec : model.config().specs()) {
                String root = model.config().family().rootWritten(model.config().tied());
                names.addAll(model.config().origin(spec, root).names());
            }
            try (Arena arena = Arena.ofShared()) {
                assertThat(TensorStore.open(folder, arena).names()).isEqualTo(names);
            }
            try (CausalLM saved = CausalLM.load(folder, DType.F32)) {
                assertThat(saved.config().sameArchitecture(model.config())).isTrue();
                assertThat(saved.eos()).isEqualTo(model.eos());
                assertThat(forward(saved, golden, 24).data())
                        .containsExactly(forward(model, golden, 24).data());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void aConvertedModelHasTheSameBits(String name) throws IOException {
        Golden golden = Golden.load(name);
        Path out = folder.resolve("out");
        Conversion.of(golden.folder())
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.BF16))
                .toPanels(out);
        try (CausalLM model = CausalLM.load(golden.folder(), DType.BF16);
                CausalLM converted = CausalLM.load(out)) {
            assertThat(forward(converted, golden, 24).data())
                    .containsExactly(forward(model, golden, 24).data());
        }
    }

    private static int[] known(int[] targets) {
        return Arrays.stream(targets)
                .map(target -> target == CausalLMHead.IGNORED ? 0 : target)
                .toArray();
    }
}
