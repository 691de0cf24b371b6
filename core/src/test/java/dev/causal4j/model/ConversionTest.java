package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A converted model equals its original, and a damaged one is refused. */
class ConversionTest {
    private static final int[] TOKENS = {3, 41, 5, 12, 65, 35, 89, 7};

    @TempDir
    Path folder;

    private Path convert(Path model, DType dtype) throws IOException {
        Path out = folder.resolve("out");
        Conversion.of(model)
                .withOptions(LoadOptions.DEFAULT.withDtype(dtype))
                .withOverwrite(true)
                .toPanels(out);
        return out;
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    static Stream<List<Object>> modelsAndDtypes() {
        return Stream.of("gpt2-tied", "gpt2-untied", "gpt2-odd")
                .flatMap(model -> Stream.of(DType.values()).map(dtype -> List.<Object>of(model, dtype)))
                .filter(each -> !each.getFirst().equals("gpt2-odd") // it has no 32 inputs in a row
                        || !((DType) each.getLast()).isQuantised());
    }

    @ParameterizedTest
    @MethodSource("modelsAndDtypes")
    void logitsHaveTheBitsOfTheOriginalLoadedInThatDtype(List<Object> modelAndDtype) throws IOException {
        Path original = Golden.folder((String) modelAndDtype.getFirst());
        DType dtype = (DType) modelAndDtype.getLast();
        CausalLM expected = CausalLM.load(original, dtype);
        CausalLM actual = CausalLM.load(convert(original, dtype));
        assertThat(actual.dtype()).isEqualTo(dtype);
        assertThat(actual.parameters()).isEqualTo(expected.parameters());
        assertThat(actual.head().tied()).isEqualTo(expected.head().tied());
        assertThat(actual.bos()).isEqualTo(expected.bos());
        assertThat(actual.eos()).isEqualTo(expected.eos());
        assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        assertThat(files()).containsExactly("out");
    }

    @ParameterizedTest
    @MethodSource("modelsAndDtypes")
    void whatTheModelIsIsToldWithoutLoadingIt(List<Object> modelAndDtype) throws IOException {
        Path original = Golden.folder((String) modelAndDtype.getFirst());
        DType dtype = (DType) modelAndDtype.getLast();
        CausalLM model = CausalLM.load(original, dtype);
        for (Path path : List.of(original, convert(original, dtype))) {
            Checkpoint checkpoint = Checkpoint.open(path);
            assertThat(checkpoint.config()).isEqualTo(model.config());
            assertThat(checkpoint.config().parameters()).isEqualTo(model.parameters());
        }
    }

    @Test
    void cachesOfEarlierVersionsAreIgnoredAndReplaced() throws IOException {
        Path original = Variant.of("gpt2-tied").write(Files.createDirectory(folder.resolve("original")));
        Files.writeString(original.resolve("tokenizer.json"), """
                {"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},
                "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}""");
        Path templates = Files.createDirectory(original.resolve("additional_chat_templates"));
        Files.writeString(templates.resolve("tool_use.jinja"), "tools");
        Path out = convert(original, DType.BF16);
        assertThat(out.resolve("additional_chat_templates/tool_use.jinja")).hasContent("tools");
        Path old = Files.writeString(out.resolve("vocabulary.bin"), "of 0.1");
        Path prepared = Files.writeString(out.resolve("tokenizer.json.prepared"), "of 0.2");
        assertThat(CausalLM.load(out).requireTokenizer().encode("aab")).containsExactly(0, 2);
        Conversion.of(original).withOverwrite(true).toPanels(out);
        assertThat(old).doesNotExist();
        assertThat(prepared).doesNotExist();
    }

    /** The folder is as a process leaves it that is killed between the two renames of a replacement. */
    @Test
    void aModelThatWasBeingReplacedIsFoundAndMustBeReplacedAsIfItWereInPlace() throws IOException {
        Path original = Golden.folder("gpt2-tied");
        Path out = convert(original, DType.BF16);
        UUID name = UUID.nameUUIDFromBytes("out".getBytes(StandardCharsets.UTF_8));
        Files.move(out, folder.resolve(".causal4j-" + name + ".old"));
        try (CausalLM model = CausalLM.load(out)) {
            assertThat(model.name()).isEqualTo("out");
        }
        assertThatThrownBy(() -> Conversion.of(original).toPanels(out)).hasMessageContaining("--overwrite");
        Conversion.of(original).withOverwrite(true).toPanels(out);
        assertThat(files()).containsExactly("out");
    }

    /** In int8 embedding and projection may be equal although the head is untied. */
    @Test
    void headsThatDifferBeforeTheyAreQuantisedStayUntied() throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        float[] numbers = variant.tensor(Variant.EMBEDDING).toArray();
        numbers[0] = Math.nextUp(numbers[0]);
        List<Long> shape = variant.tensor(Variant.EMBEDDING).shape();
        variant.with(Variant.HEAD, DType.F32, shape, MemorySegment.ofArray(numbers));
        Path original = variant.write(Files.createDirectory(folder.resolve("original")));
        CausalLM expected = CausalLM.load(original, DType.INT8);
        assertThat(expected.head().tied()).isFalse();
        CausalLM actual = CausalLM.load(convert(original, DType.INT8));
        assertThat(actual.head().tied()).isFalse();
        assertThat(actual.parameters()).isEqualTo(expected.parameters());
        assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void panelsAreUsedWhereTheyAreMapped(DType dtype) throws IOException {
        TensorStore file = SafeTensors.open(
                convert(Golden.folder("gpt2-tied"), dtype).resolve("model.safetensors"), Arena.ofAuto());
        int panels = 0;
        for (String name : file.names()) {
            if (name.endsWith(PanelLayout.PANELS)) {
                panels++;
                assertThat(file.tensor(name).data().address() % 64).as(name).isZero();
            }
        }
        assertThat(panels).isGreaterThan(8);
        String layout = dtype.isQuantised() ? "panels-64/4" : "panels-64/3";
        assertThat(file.metadata()).isEqualTo(Map.of("causal4j.layout", layout, "causal4j.dtype", dtype.label()));
    }

    @Test
    void scalesLieInPanelsAndInputsThatAreNoWholeGroupsStayF32() throws IOException {
        TensorStore file = SafeTensors.open(
                convert(Golden.folder("gpt2-tied"), DType.INT8).resolve("model.safetensors"), Arena.ofAuto());
        assertThat(file.tensor("transformer.h.0.mlp.c_proj.weight.panels").shape())
                .containsExactly(1L, 96L / 32 * 34, 64L);
        assertThat(file.tensor("transformer.wte.weight.panels").shape()).containsExactly(2L, 24L, 64L);
        assertThat(file.tensor("transformer.wte.weight.panels").dtype()).isEqualTo(DType.F32);
        assertThat(file.names()).noneMatch(name -> name.startsWith("lm_head"));
    }

    @Test
    void convertedWeightsCannotBeHadInAnotherDtype() throws IOException {
        Path out = convert(Golden.folder("gpt2-tied"), DType.INT8);
        assertThatThrownBy(() -> CausalLM.load(out, DType.F32))
                .isInstanceOf(FormatException.class)
                .hasMessage(out + ": expected dtype int8, to which these weights were converted, got f32;"
                        + " convert the original checkpoint with --dtype f32");
        assertThat(CausalLM.load(out, DType.INT8).dtype()).isEqualTo(DType.INT8);
    }

    @Test
    void aConversionCanBeConvertedToItself() throws IOException {
        Path once = convert(Golden.folder("gpt2-odd"), DType.BF16);
        Path twice = folder.resolve("twice");
        Conversion.of(once).toPanels(twice);
        assertThat(twice.resolve("model.safetensors")).hasSameBinaryContentAs(once.resolve("model.safetensors"));
    }

    // ---- the folder

    @Test
    void theFolderIsReplacedOnlyIfThatIsAskedForAndNothingElseIsInIt() throws IOException {
        Path model = Golden.folder("gpt2-tied");
        Path out = convert(model, DType.F32);
        assertThatThrownBy(() -> Conversion.of(model).toPanels(out))
                .hasMessageContaining("a new or empty folder")
                .hasMessageContaining("--overwrite");
        Conversion.of(model)
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.INT8))
                .withOverwrite(true)
                .toPanels(out);
        assertThat(CausalLM.load(out).dtype()).isEqualTo(DType.INT8);
        Files.writeString(out.resolve("thesis.txt"), "precious");
        assertThatThrownBy(() -> Conversion.of(model).withOverwrite(true).toPanels(out))
                .hasMessage(out + ": expected nothing but a converted model, got \"thesis.txt\" in it;"
                        + " choose another folder");
        assertThat(out.resolve("thesis.txt")).hasContent("precious");
        assertThat(files()).containsExactly("out");
    }

    @Test
    void anEmptyFolderIsFilledAndAMissingParentIsNamed() throws IOException {
        Path model = Golden.folder("gpt2-tied");
        Path out = Files.createDirectory(folder.resolve("empty"));
        Conversion.of(model).toPanels(out);
        assertThat(CausalLM.load(out).dtype()).isEqualTo(DType.F32);
        Path deep = folder.resolve("no/such");
        assertThatThrownBy(() -> Conversion.of(model).toPanels(deep))
                .hasMessageContaining(deep + ": expected a folder in one that exists");
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> Conversion.of(model).withOverwrite(true).toPanels(file))
                .hasMessageContaining("got a file");
        assertThatThrownBy(() -> Conversion.of(out).withOverwrite(true).toPanels(out))
                .hasMessageContaining("another folder than the model's");
    }

    @Test
    void whatIsCancelledLeavesNothingAndWhatWasThere() throws IOException {
        Path model = Golden.folder("gpt2-tied");
        Path out = convert(model, DType.F32);
        assertThatThrownBy(() -> Conversion.of(model)
                        .withOptions(LoadOptions.DEFAULT.withDtype(DType.INT8).withProgress((_, _) -> {
                            throw new CancellationException();
                        }))
                        .withOverwrite(true)
                        .toPanels(out))
                .isInstanceOf(CancellationException.class);
        assertThat(CausalLM.load(out).dtype()).isEqualTo(DType.F32);
        assertThat(files()).containsExactly("out");
    }

    // ---- damage

    /** A conversion is refused after {@code change} of its tensors and metadata. */
    private void refused(DType dtype, Consumer<Map<String, TensorView>> change, String... told) throws IOException {
        Path out = convert(Golden.folder("gpt2-untied"), dtype);
        Path weights = out.resolve("model.safetensors");
        TensorStore file = SafeTensors.open(weights, Arena.ofAuto());
        Map<String, TensorView> tensors = tensors(file);
        change.accept(tensors);
        SafeTensors.write(weights, tensors.values(), file.metadata());
        refused(out, told);
    }

    private static Map<String, TensorView> tensors(TensorStore file) throws IOException {
        Map<String, TensorView> tensors = new TreeMap<>();
        for (String name : file.names()) {
            tensors.put(name, file.tensor(name));
        }
        return tensors;
    }

    private static void refused(Path model, String... told) {
        Throwable refusal = catchThrowable(() -> CausalLM.load(model));
        assertThat(refusal).isExactlyInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith(model.toString())
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                .satisfies(message -> assertThat(List.of(told)).allMatch(message::contains));
    }

    private static void put(Map<String, TensorView> tensors, String name, DType dtype, long... shape) {
        long bytes = dtype.bytes();
        for (long dimension : shape) {
            bytes *= dimension;
        }
        List<Long> dimensions = Arrays.stream(shape).boxed().toList();
        byte[] zeros = new byte[Math.toIntExact(bytes)];
        tensors.put(name, new TensorView(name, dtype, dimensions, MemorySegment.ofArray(zeros)));
    }

    @ParameterizedTest
    @CsvSource({
        "transformer.wte.weight.panels, 1, 28",
        "transformer.h.0.attn.c_attn.weight.panels, 2, 23",
        "transformer.h.1.mlp.c_proj.weight.panels, 1, 28"
    })
    void panelsOfAnotherShapeAreNamed(String name, long panels, long cols) throws IOException {
        refused(
                DType.INT8,
                tensors -> put(tensors, name, DType.INT8, panels, cols, 64),
                name,
                "got [" + panels + ", " + cols + ", 64]");
    }

    @Test
    void panelsOfAnotherDtypeAreNamed() throws IOException {
        String codes = "transformer.h.0.mlp.c_proj.weight.panels";
        refused(DType.INT8, tensors -> put(tensors, codes, DType.F32, 1, 102, 64), codes, "dtype I8", "got F32");
        String name = "transformer.h.0.mlp.c_fc.weight.panels";
        refused(DType.F32, tensors -> put(tensors, name, DType.BF16, 2, 24, 64), name, "dtype F32", "got BF16");
        String positions = "transformer.wpe.weight.panels";
        refused(DType.INT8, tensors -> put(tensors, positions, DType.INT8, 1, 24, 64), positions, "dtype F32");
    }

    @Test
    void whatIsMissingOrTooMuchIsNamed() throws IOException {
        for (String name : List.of(
                "transformer.wte.weight.panels",
                "transformer.h.1.mlp.c_fc.weight.panels",
                "transformer.h.0.ln_1.bias")) {
            refused(DType.INT8, tensors -> tensors.remove(name), '"' + name + '"');
        }
        String extra = "transformer.h.0.mlp.c_fc.weight";
        refused(DType.F32, tensors -> put(tensors, extra, DType.F32, 24, 96), extra, "blocks 0 to 1");
    }

    @ParameterizedTest
    @CsvSource({
        "causal4j.layout, panels-64/2, panels-64/3",
        "causal4j.layout, '', panels-64/3",
        "causal4j.dtype, int8, 'expected panels-64/4, got \"panels-64/3\"; convert the original checkpoint'",
        "causal4j.dtype, int3, 'f32, f16, bf16, int8 or int4'",
        "causal4j.dtype, f32, dtype F32"
    })
    void anUnknownLayoutIsRefused(String key, String value, String told) throws IOException {
        Path out = convert(Golden.folder("gpt2-tied"), DType.BF16);
        Path weights = out.resolve("model.safetensors");
        TensorStore file = SafeTensors.open(weights, Arena.ofAuto());
        Map<String, String> metadata = new HashMap<>(file.metadata());
        metadata.put(key, value);
        SafeTensors.write(weights, tensors(file).values(), metadata);
        refused(out, told);
    }

    /** Other writers order tensors in another way: then no tensor begins at a cache line, and all are copied. */
    @Test
    void panelsThatAreNotAlignedAreStillRight() throws IOException {
        Path original = Golden.folder("gpt2-tied");
        Path out = convert(original, DType.INT8);
        Path weights = out.resolve("model.safetensors");
        TensorStore file = SafeTensors.open(weights, Arena.ofAuto());
        Map<String, TensorView> tensors = tensors(file);
        put(tensors, "a", DType.F32, 1);
        SafeTensors.write(weights, tensors.values(), file.metadata());
        assertThat(Logits.of(CausalLM.load(out), TOKENS))
                .isEqualTo(Logits.of(CausalLM.load(original, DType.INT8), TOKENS));
    }
}
