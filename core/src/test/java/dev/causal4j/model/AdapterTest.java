package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Adapters in PEFT's files, written here and by Python. */
class AdapterTest {
    /** Fixtures whose experts share tensors, which are no modules to PEFT. */
    private static final List<String> IN_ONE_TENSOR = List.of("gpt_oss", "gemma4-moe", "qwen3_5_moe", "granite4-moe");

    private static final int[] TOKENS = {3, 11, 5, 2, 7, 13, 2, 9, 1};

    @TempDir
    private Path folder;

    private Path adapter;

    /** The configuration that Python writes; absent keys have their defaults. */
    private final ObjectNode config = JsonMapper.shared()
            .createObjectNode()
            .put("peft_type", "LORA")
            .put("task_type", "CAUSAL_LM")
            .put("bias", "none")
            .put("r", 3)
            .put("lora_alpha", 6)
            .put("use_rslora", false)
            .put("use_dora", false)
            .putNull("modules_to_save");

    private final List<TensorView> tensors = new ArrayList<>();

    @BeforeEach
    void aFolder() throws IOException {
        adapter = Files.createDirectory(folder.resolve("adapter"));
        config.putObject("rank_pattern");
    }

    static List<String> fixtures() {
        List<String> all = new ArrayList<>(FamiliesTest.some());
        all.addAll(List.of("gpt2-tied", "gpt2-untied", "gpt2-odd"));
        return all;
    }

    private static CausalLM load(String fixture) throws IOException {
        return CausalLM.load(Golden.folder(fixture), DType.F32);
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void whatIsSavedAndLoadedComputesTheSameBits(String fixture) throws IOException {
        CausalLM model = load(fixture);
        boolean experts = IN_ONE_TENSOR.contains(fixture);
        CausalLM adapted = SmallModels.adapted(model, spec -> !experts || spec.expert() == ParameterSpec.NO_EXPERT);
        float[] expected = Logits.of(adapted, TOKENS);
        assertThat(expected).isNotEqualTo(Logits.of(model, TOKENS));
        adapted.saveAdapter(adapter);
        try (CausalLM loaded = model.withAdapter(adapter)) {
            assertThat(Logits.of(loaded, TOKENS)).isEqualTo(expected);
            try (CausalLM merged = loaded.merged();
                    CausalLM mergedBefore = adapted.merged()) {
                assertThat(Logits.of(merged, TOKENS)).isEqualTo(Logits.of(mergedBefore, TOKENS));
                assertClose(Logits.of(merged, TOKENS), expected);
            }
            Path again = Files.createDirectory(folder.resolve("again"));
            loaded.saveAdapter(again);
            for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
                assertThat(again.resolve(file)).hasSameBinaryContentAs(adapter.resolve(file));
            }
        }
    }

    /** A narrower weight is the sum, rounded once. */
    @ParameterizedTest
    @MethodSource("fixtures")
    void anAdapterMergedByLoadingOrConvertingGivesTheBitsOfTheMergedModel(String fixture) throws IOException {
        boolean experts = IN_ONE_TENSOR.contains(fixture);
        CausalLM adapted =
                SmallModels.adapted(load(fixture), spec -> !experts || spec.expert() == ParameterSpec.NO_EXPERT);
        adapted.saveAdapter(adapter);
        LoadOptions options = LoadOptions.DEFAULT.withMerged(adapter);
        Path sum = Files.createDirectory(folder.resolve("sum"));
        adapted.merged().save(sum, DType.F32);
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.INT8)) {
            Path out = folder.resolve(dtype.label());
            Conversion.of(Golden.folder(fixture))
                    .withOptions(options.withDtype(dtype))
                    .toPanels(out);
            try (CausalLM expected = CausalLM.load(sum, dtype);
                    CausalLM loaded = CausalLM.load(Golden.folder(fixture), options.withDtype(dtype));
                    CausalLM converted = CausalLM.load(out)) {
                assertThat(Logits.of(loaded, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
                assertThat(Logits.of(converted, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
                assertThat(converted.parameters()).isEqualTo(expected.parameters());
            }
        }
        Path plain = folder.resolve("plain");
        Conversion.of(Golden.folder(fixture))
                .withOptions(options.withDtype(DType.F32))
                .toHuggingFace(plain);
        for (String file : List.of("config.json", "model.safetensors")) {
            assertThat(plain.resolve(file)).hasSameBinaryContentAs(sum.resolve(file));
        }
    }

    @Test
    void anAdapterCanBeMergedIntoAConvertedModel() throws IOException {
        anAdapter();
        write();
        Path base = folder.resolve("base");
        Conversion.of(Golden.folder("llama-llama3")).toPanels(base);
        try (CausalLM model = load("llama-llama3");
                CausalLM expected = model.withAdapter(adapter).merged();
                CausalLM merged = CausalLM.load(base, LoadOptions.DEFAULT.withMerged(adapter))) {
            assertThat(Logits.of(merged, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        }
    }

    @Test
    void convertingWithAnAdapterOfAnotherShapeIsRefusedAndWritesNothing() throws IOException {
        anAdapter();
        write();
        LoadOptions options = LoadOptions.DEFAULT.withMerged(adapter);
        Path out = folder.resolve("out");
        assertThatThrownBy(() -> Conversion.of(Golden.folder("qwen3-tied"))
                        .withOptions(options)
                        .toPanels(out))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(adapter.toString())
                .hasMessageContaining("shape [3, 48]");
        assertThat(folder).isDirectoryNotContaining(file -> !file.equals(adapter));
    }

    @Test
    void anAdapterOfQuantisedWeightsNeedsADtype() throws IOException {
        anAdapter();
        write();
        Path model = Golden.folder("gguf").resolve("llama-q8_0.gguf");
        assertThatThrownBy(() -> CausalLM.load(model, LoadOptions.DEFAULT.withMerged(adapter)))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("expected a dtype for sums of quantised weights and an adapter");
    }

    private static void assertClose(float[] actual, float[] expected) {
        double worst = 0;
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
            worst = Math.max(worst, Math.abs((double) actual[i] - expected[i]));
            largest = Math.max(largest, Math.abs(expected[i]));
        }
        assertThat(worst / largest).isLessThanOrEqualTo(5e-5);
    }

    @Test
    void theFilesAreThoseOfPeft() throws IOException {
        SmallModels.adapted(load("llama-llama3"), spec -> spec.layer() == 1).saveAdapter(adapter);
        Map<String, List<Long>> shapes = shapes();
        String block = "base_model.model.model.layers.1.";
        assertThat(shapes)
                .hasSize(14)
                .containsEntry(block + "self_attn.q_proj.lora_A.weight", List.of(3L, 40L))
                .containsEntry(block + "self_attn.k_proj.lora_A.weight", List.of(3L, 40L))
                .containsKeys(
                        block + "self_attn.v_proj.lora_B.weight",
                        block + "self_attn.o_proj.lora_B.weight",
                        block + "mlp.gate_proj.lora_A.weight",
                        block + "mlp.up_proj.lora_B.weight",
                        block + "mlp.down_proj.lora_B.weight");
        ObjectNode written = (ObjectNode) JsonMapper.shared().readTree(adapter.resolve("adapter_config.json"));
        assertThat(written.get("peft_type").stringValue()).isEqualTo("LORA");
        assertThat(written.get("task_type").stringValue()).isEqualTo("CAUSAL_LM");
        assertThat(written.get("base_model_name_or_path").stringValue()).isEqualTo("llama-llama3");
        assertThat(written.get("bias").stringValue()).isEqualTo("none");
        assertThat(written.get("fan_in_fan_out").booleanValue()).isFalse();
        assertThat(written.get("use_rslora").booleanValue()).isFalse();
        assertThat(written.get("r").intValue()).isEqualTo(3);
        assertThat(written.get("lora_alpha").isIntegralNumber()).isTrue();
        assertThat(written.get("lora_alpha").intValue()).isEqualTo(1);
        assertThat(written.get("target_modules").valueStream().map(each -> each.stringValue()))
                .as("last names would mean layer 0 too")
                .contains("model.layers.1.self_attn.q_proj")
                .hasSize(7);
    }

    private Map<String, List<Long>> shapes() throws IOException {
        Map<String, List<Long>> shapes = new HashMap<>();
        TensorStore store = SafeTensors.open(adapter.resolve("adapter_model.safetensors"), Arena.ofAuto());
        for (String name : store.names()) {
            shapes.put(name, store.tensor(name).shape());
        }
        return shapes;
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2-tied, true, 'c_attn,c_fc,c_proj', base_model.model.transformer.h.1.attn.c_attn.lora_B.weight",
        "gpt_neox, false, 'dense,dense_4h_to_h,dense_h_to_4h,query_key_value',"
                + " base_model.model.gpt_neox.layers.0.attention.query_key_value.lora_B.weight",
        "phi3, false, 'down_proj,gate_up_proj,o_proj,qkv_proj',"
                + " base_model.model.model.layers.0.self_attn.qkv_proj.lora_B.weight",
        "mixtral, false, 'k_proj,o_proj,q_proj,v_proj,w1,w2,w3',"
                + " base_model.model.model.layers.1.block_sparse_moe.experts.3.w2.lora_B.weight",
        "gemma3-multimodal, false, 'down_proj,gate_proj,k_proj,o_proj,q_proj,up_proj,v_proj',"
                + " base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
    })
    void modulesHaveTheNamesOfTheirFamily(String fixture, boolean transposed, String targets, String name)
            throws IOException {
        SmallModels.adapted(load(fixture), spec -> true).saveAdapter(adapter);
        assertThat(shapes()).containsKey(name);
        ObjectNode written = (ObjectNode) JsonMapper.shared().readTree(adapter.resolve("adapter_config.json"));
        assertThat(written.get("fan_in_fan_out").booleanValue()).isEqualTo(transposed);
        assertThat(written.get("target_modules").valueStream().map(each -> each.stringValue()))
                .containsExactly(targets.split(",", -1));
    }

    /** As Python writes them: only some modules, each with other numbers. */
    @ParameterizedTest
    @CsvSource({
        "llama-llama3, '', 'layers.0.self_attn.q_proj,layers.0.self_attn.v_proj,layers.1.self_attn.k_proj'",
        "llama-llama3, '', 'layers.1.mlp.gate_proj,layers.1.mlp.down_proj,layers.0.mlp.up_proj'",
        "qwen3_moe, '', 'layers.0.self_attn.q_proj,layers.0.self_attn.k_proj,layers.0.self_attn.o_proj'",
        "gpt2-tied, transformer., 'h.0.attn.c_attn,h.1.mlp.c_fc,h.1.mlp.c_proj,h.0.attn.c_proj'",
        "gpt_neox, '', 'layers.0.attention.query_key_value,layers.1.attention.dense,layers.1.mlp.dense_4h_to_h'",
        "phi3, '', 'layers.1.self_attn.qkv_proj,layers.0.mlp.gate_up_proj'",
    })
    void pythonsAdapterAddsTheProductToEachWeight(String fixture, String prefix, String modules) throws IOException {
        Variant merged = Variant.of(fixture);
        String root = fixture.equals("gpt_neox") ? "gpt_neox." : prefix.isEmpty() ? "model." : "";
        Random random = new Random(7);
        config.put("use_rslora", fixture.equals("phi3"));
        double scale = fixture.equals("phi3") ? 6 / Math.sqrt(3) : 2;
        for (String module : modules.split(",", -1)) {
            add(merged, root + module, prefix, scale, random);
        }
        write();
        Path sum = merged.write(Files.createDirectory(folder.resolve("sum")));
        try (CausalLM base = load(fixture);
                CausalLM adapted = base.withAdapter(adapter);
                CausalLM expected = CausalLM.load(sum, DType.F32)) {
            assertClose(Logits.of(adapted, TOKENS), Logits.of(expected, TOKENS));
            Path again = Files.createDirectory(folder.resolve("again"));
            adapted.saveAdapter(again);
            try (CausalLM loaded = base.withAdapter(again)) {
                assertThat(Logits.of(loaded, TOKENS)).isEqualTo(Logits.of(adapted, TOKENS));
            }
        }
    }

    /** Adds B · A of a module to its weight, and both to the adapter. */
    private void add(Variant merged, String module, String prefix, double scale, Random random) {
        TensorView weight = merged.tensor(module + ".weight");
        boolean transposed = !prefix.isEmpty();
        int out = Math.toIntExact(weight.shape().get(transposed ? 1 : 0));
        int in = Math.toIntExact(weight.shape().get(transposed ? 0 : 1));
        float[] a = SmallModels.random(3 * in, random);
        float[] b = SmallModels.random(out * 3, random);
        float[] sum = weight.toArray();
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++) {
                double product = 0;
                for (int r = 0; r < 3; r++) {
                    product += (double) b[o * 3 + r] * a[r * in + i];
                }
                sum[transposed ? i * out + o : o * in + i] += (float) (scale * product);
            }
        }
        merged.with(module + ".weight", DType.F32, weight.shape(), MemorySegment.ofArray(sum));
        String name = "base_model.model." + prefix + module;
        tensor(name + ".lora_A.weight", a, 3, in);
        tensor(name + ".lora_B.weight", b, out, 3);
    }

    private void tensor(String name, float[] numbers, long... shape) {
        List<Long> dimensions = List.of(shape[0], shape[1]);
        tensors.add(new TensorView(name, DType.F32, dimensions, MemorySegment.ofArray(numbers)));
    }

    private void write() throws IOException {
        Files.writeString(adapter.resolve("adapter_config.json"), config.toString());
        SafeTensors.write(adapter.resolve("adapter_model.safetensors"), tensors, Map.of());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "peft_type       | \"IA3\"            | LORA",
                "peft_type       | null               | LORA",
                "task_type       | \"SEQ_CLS\"        | CAUSAL_LM",
                "bias            | \"all\"            | none",
                "use_dora        | true               | none",
                "lora_bias       | true               | none",
                "modules_to_save | [\"lm_head\"]      | none",
                "rank_pattern    | {\"q_proj\": 4}    | none",
                "alpha_pattern   | {\"q_proj\": 4}    | none",
                "layer_replication | [[0, 1], [0, 2]] | none",
                "target_parameters | [\"experts\"]    | none",
                "init_lora_weights | \"pissa\"        | gaussian",
                "r               | 0                  | integer",
                "r               | 4                  | shape [4, 40]",
                "lora_alpha      | \"2\"              | number",
                "use_rslora      | 1                  | true or false"
            })
    void whatChangesTheArithmeticIsRefused(String key, String value, String expected) throws IOException {
        anAdapter();
        config.set(key, JsonMapper.shared().readTree(value));
        write();
        refused("llama-llama3", expected);
    }

    private void anAdapter() throws IOException {
        add(Variant.of("llama-llama3"), "model.layers.0.self_attn.q_proj", "", 2, new Random(1));
    }

    private void refused(String fixture, String expected) throws IOException {
        try (CausalLM model = load(fixture)) {
            Throwable refusal = catchThrowable(() -> model.withAdapter(adapter));
            assertThat(refusal).isInstanceOf(FormatException.class);
            assertThat(refusal.getMessage())
                    .startsWith(adapter.toString())
                    .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                    .contains(expected);
        }
    }

    @Test
    void anAdapterOfAnotherModelIsRefused() throws IOException {
        anAdapter();
        config.put("base_model_name_or_path", "somebody/llama");
        write();
        refused("llama-untied", "adapter of \"somebody/llama\", tensor ");
        refused("llama-untied", "shape [");
        refused("gpt2-tied", "self_attn.q_proj");
        tensor("base_model.model.lm_head.lora_A.weight", new float[3 * 40], 3, 40);
        write();
        refused("llama-llama3", "lm_head");
        tensors.removeLast();
        tensor("base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight", new float[3 * 40], 3, 40);
        write();
        refused("llama-llama3", "layers.9");
        tensors.removeLast();
        tensors.removeLast();
        write();
        refused("llama-llama3", "lora_B.weight");
        tensors.clear();
        write();
        refused("llama-llama3", "no tensor");
        Files.delete(adapter.resolve("adapter_model.safetensors"));
        refused("llama-llama3", "adapter_model.safetensors");
        Files.delete(adapter.resolve("adapter_config.json"));
        refused("llama-llama3", "adapter_config.json");
    }

    @Test
    void aModelWithoutAnAdapterOrWithOneOfFusedExpertsCannotSaveIt() throws IOException {
        for (CausalLM model : List.of(load("llama-llama3"), SmallModels.adapted(load("gpt_oss"), spec -> true))) {
            assertThat(model.canSaveAdapter()).isFalse();
            assertThatThrownBy(() -> model.saveAdapter(adapter)).isInstanceOf(IllegalStateException.class);
            assertThat(adapter).isEmptyDirectory();
        }
    }
}
