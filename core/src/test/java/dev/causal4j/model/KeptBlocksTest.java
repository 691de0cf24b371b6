package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A GGUF file that is converted without a dtype keeps its codes and scales, in panels that are used where they are
 * mapped.
 */
class KeptBlocksTest {
    private static final Path FILES = Golden.folder("gguf");
    private static final int[] TOKENS = {5, 8, 3, 11, 2, 64};

    @TempDir
    Path folder;

    static List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(FILES)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".gguf") && !name.contains("00002-of"))
                    .sorted()
                    .toList();
        }
    }

    private Path convert(Path model, String name) throws IOException {
        Path out = folder.resolve(name);
        Conversion.of(model).toPanels(out);
        return out;
    }

    private static List<ParameterSpec> matrices(CausalLM model) {
        return model.config().specs().stream()
                .filter(spec -> spec.role().isMatrix())
                .toList();
    }

    @ParameterizedTest
    @MethodSource("files")
    void aFolderHasThePanelsAndTheBitsOfTheFile(String name) throws IOException {
        Path out = convert(FILES.resolve(name), "out");
        try (CausalLM file = CausalLM.load(FILES.resolve(name));
                CausalLM converted = CausalLM.load(out)) {
            assertThat(converted.config().sameArchitecture(file.config())).isTrue();
            assertThat(converted.dtype()).isEqualTo(file.dtype());
            for (ParameterSpec spec : matrices(file)) {
                var panels = converted.matrix(spec).panelData();
                assertThat(converted.matrix(spec).format())
                        .as(spec.name())
                        .isEqualTo(file.matrix(spec).format());
                assertThat(panels.mismatch(file.matrix(spec).panelData()))
                        .as(spec.name())
                        .isEqualTo(-1);
                assertThat(panels.isMapped()).as(spec.name()).isTrue();
            }
            assertThat(Logits.of(converted, TOKENS)).isEqualTo(Logits.of(file, TOKENS));
        }
        try (Checkpoint file = Checkpoint.open(FILES.resolve(name));
                Checkpoint converted = Checkpoint.open(out)) {
            assertThat(converted.dtype(LoadOptions.DEFAULT)).isEqualTo(file.dtype(LoadOptions.DEFAULT));
            assertThat(converted.weightBytes(LoadOptions.DEFAULT)).isEqualTo(file.weightBytes(LoadOptions.DEFAULT));
        }
    }

    /**
     * Without the types that only mixtures have: {@code aFolderHasThePanels...} reads them from the files named mix.
     */
    @Test
    void theFilesHaveEveryFormatThatATypeGives() throws IOException {
        Set<WeightFormat> formats = new HashSet<>();
        for (String name : files()) {
            try (CausalLM model = CausalLM.load(FILES.resolve(name))) {
                matrices(model).forEach(spec -> formats.add(model.matrix(spec).format()));
            }
        }
        Set<WeightFormat> ofTypes = Arrays.stream(BlockType.values())
                .filter(type -> type.elements() > 1)
                .map(type -> type.groups().format())
                .collect(Collectors.toSet());
        assertThat(formats).containsAll(ofTypes);
        assertThat(formats).contains(DType.F32.format(), DType.F16.format(), DType.BF16.format());
        assertThat(WeightFormat.all().map(Object::toString)).doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @CsvSource({"llama-q4_k.gguf", "llama-mix-q4_k_m.gguf", "llama-q8_0.gguf", "gemma4.gguf", "gpt2.gguf"})
    void aFolderConvertedAgainIsTheFolderOfTheFile(String name) throws IOException {
        Path once = convert(FILES.resolve(name), "once");
        Path twice = convert(once, "twice");
        for (String each : List.of(TensorStore.SINGLE, "config.json")) {
            assertThat(twice.resolve(each)).hasSameBinaryContentAs(once.resolve(each));
        }
        for (Path model : List.of(FILES.resolve(name), once)) {
            Path out = folder.resolve(model.equals(once) ? "panels" : "blocks");
            LoadOptions given = LoadOptions.DEFAULT.withDtype(DType.F32);
            Conversion.of(model).withOptions(given).toHuggingFace(out);
        }
        assertThat(folder.resolve("panels/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("blocks/model.safetensors"));
    }

    /** Panels have no codes of llama.cpp's types, so a type or dtype has to be chosen. */
    @Test
    void blocksOfAFolderAreWrittenInAChosenDtypeAlone() throws IOException {
        Path out = convert(FILES.resolve("llama-q4_k.gguf"), "out");
        String message = out + ": expected a dtype for quantised weights, got none; choose one with --dtype";
        assertThatThrownBy(() -> Conversion.of(out).toHuggingFace(folder.resolve("hf")))
                .hasMessage(message);
        assertThatThrownBy(() -> Conversion.of(out).toGguf(folder.resolve("x.gguf")))
                .hasMessage(message);
        assertThatThrownBy(() -> CausalLM.load(out, DType.BF16))
                .isInstanceOf(FormatException.class)
                .hasMessage(out + ": expected dtype int4, to which these weights were converted, got bf16;"
                        + " convert the original checkpoint with --dtype bf16");
        assertThat(folder).isDirectoryNotContaining("glob:**/{hf,x.gguf,.causal4j-*}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "causal4j.layout | panels-64/6 | expected panels-64/5, got \"panels-64/6\"; convert the original checkpoint with"
                        + " this version",
                "causal4j.layout | panels-64/4 | expected panels-64/5, got \"panels-64/4\"; convert the original",
                "causal4j.format.model.norm.weight | INT5/32 HALVES | expected a format of panels or blocks, got \"INT5/32"
                        + " HALVES\"; convert the original checkpoint again",
                "causal4j.format.model.norm.weight | Q4_0 | expected rows of whole blocks of 18 bytes, got \"F32[256]\"",
                "causal4j.format.model.embed_tokens.weight.panels | BF16 | expected shape ["
            })
    void otherLayoutsAndFormatsAreRefusedByName(String key, String value, String message) throws IOException {
        Path weights = convert(FILES.resolve("llama-q4_k.gguf"), "out").resolve(TensorStore.SINGLE);
        TensorStore file = SafeTensors.open(weights, Arena.ofAuto());
        Map<String, String> metadata = new HashMap<>(file.metadata());
        metadata.put(key, value);
        Map<String, TensorView> tensors = new HashMap<>();
        for (String name : file.names()) {
            tensors.put(name, file.tensor(name));
        }
        SafeTensors.write(weights, tensors.values(), metadata);
        assertThatThrownBy(() -> Checkpoint.open(folder.resolve("out")))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(folder.resolve("out").toString())
                .hasMessageContaining(message);
    }

    /** Gemma 4 looks rows up in the mapped file. */
    @Test
    void aTableKeepsTheBlocksOfItsFile() throws IOException {
        for (String name : files()) {
            try (Checkpoint file = Checkpoint.open(FILES.resolve(name))) {
                for (ParameterSpec spec : file.config().specs()) {
                    if (spec.role() == Role.TABLE) {
                        Path out = convert(FILES.resolve(name), name);
                        try (Checkpoint converted = Checkpoint.open(out)) {
                            TensorView table = converted.stored(spec).tensors().getFirst();
                            TensorView original = file.stored(spec).tensors().getFirst();
                            assertThat(table.blocks()).isEqualTo(original.blocks());
                            assertThat(table.data().mismatch(original.data())).isEqualTo(-1);
                        }
                    }
                }
            }
        }
    }
}
