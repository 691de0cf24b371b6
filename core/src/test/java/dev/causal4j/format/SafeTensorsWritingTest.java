package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SafeTensorsWritingTest {
    @TempDir
    Path folder;

    private Path target = Path.of("");

    @BeforeEach
    void target() {
        target = folder.resolve("out.safetensors");
    }

    @Test
    void rewritingAFileOfTheReferenceWriterGivesItsBytes() throws IOException {
        byte[] reference = SafeTensorsTest.reference();
        TensorStore tensors = Attack.open(reference);
        SafeTensors.write(target, all(tensors), tensors.metadata());
        assertThat(target).hasBinaryContent(reference);
    }

    @Test
    void tensorsMadeInTurnGiveTheBytesOfThoseThatAreThere() throws IOException {
        SafeTensors.write(target, List.of(floats("a", 2), floats("b", 1)), Map.of());
        Path inTurn = folder.resolve("turn.safetensors");
        SafeTensors.write(
                inTurn,
                Stream.of(floats("b", 1), floats("a", 2))
                        .map(view -> new SafeTensors.Source(view.name(), view.dtype(), view.shape(), arena -> {
                            MemorySegment made = arena.allocate(view.data().byteSize());
                            return new TensorView("made", view.dtype(), view.shape(), made.copyFrom(view.data()));
                        }))
                        .toList(),
                Map.of(),
                false,
                _ -> {});
        assertThat(inTurn).hasSameBinaryContentAs(target);
    }

    @Test
    void aSourceThatMakesAnotherShapeLeavesTheFileAsItWas() throws IOException {
        Files.write(target, new byte[] {1});
        SafeTensors.Source wrong = new SafeTensors.Source("w", DType.F32, List.of(1L, 1L), _ -> floats("w", 1));
        assertThatThrownBy(() -> SafeTensors.write(target, List.of(wrong), Map.of(), false, _ -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("w: expected f32[1, 1], got f32[1]");
        assertThat(target).hasBinaryContent(new byte[] {1});
    }

    @Test
    void orderIsDescendingSizeThenNameAndTheHeaderIsPadded() throws IOException {
        SafeTensors.write(
                target,
                List.of(
                        floats("b", 1),
                        new TensorView("0", DType.BF16, List.of(1L), MemorySegment.ofArray(new byte[] {3, 4})),
                        floats("a", 2)),
                Map.of("z", "1", "é\n", "\"2\""));
        String header = "{\"__metadata__\":{\"z\":\"1\",\"é\\n\":\"\\\"2\\\"\"},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
                + "\"0\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[8,10]}}";
        byte[] bytes = Files.readAllBytes(target);
        int length = bytes[0] & 255;
        assertThat(length % 8).isZero();
        assertThat(new String(bytes, 8, length, StandardCharsets.UTF_8))
                .isEqualTo(header + " ".repeat(length - header.getBytes(StandardCharsets.UTF_8).length));
        assertThat(bytes).endsWith(0, 0, 0, 64, 0, 0, 128, 63, 3, 4);
    }

    @Test
    void whatIsAlignedLiesOnMultiplesOf64Bytes() throws IOException {
        TensorView bytes = new TensorView("z", DType.INT8, List.of(192L), MemorySegment.ofArray(new byte[192]));
        List<Long> heard = new ArrayList<>();
        SafeTensors.write(
                target,
                Stream.of(floats("a", 1), floats("b", new float[16]), bytes, floats("c", new float[33]))
                        .map(SafeTensors.Source::of)
                        .toList(),
                Map.of(),
                true,
                heard::add);
        TensorStore back = SafeTensors.open(target, Arena.ofAuto());
        assertThat(back.names()).containsExactly("b", "z", "a", "c");
        assertThat(back.tensor("b").data().address() % 64).isZero();
        assertThat(back.tensor("z").data().address() % 64).isZero();
        assertThat(heard).containsExactly(64L, 256L, 260L, 392L);
    }

    static Stream<Long> seeds() {
        return IntStream.range(0, 100).mapToObj(i -> 7000L + i);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatIsReadBackIsWhatWasWritten(long seed) throws IOException {
        Random random = new Random(seed);
        List<TensorView> tensors = randomTensors(random);
        Map<String, String> metadata = new LinkedHashMap<>();
        for (int i = random.nextInt(4); i > 0; i--) {
            metadata.put(randomName(random), randomName(random));
        }
        SafeTensors.write(target, tensors, metadata);

        TensorStore back = SafeTensors.open(target, Arena.ofAuto());
        assertThat(back.metadata()).isEqualTo(metadata);
        assertThat(back.names()).hasSameSizeAs(tensors);
        for (TensorView tensor : tensors) {
            TensorView same = back.tensor(tensor.name());
            assertThat(same.dtype()).isEqualTo(tensor.dtype());
            assertThat(same.shape()).isEqualTo(tensor.shape());
            assertThat(same.data().mismatch(tensor.data())).isEqualTo(-1);
        }

        Path again = folder.resolve("again");
        Collections.shuffle(tensors, random);
        SafeTensors.write(again, tensors, metadata);
        assertThat(again).hasSameBinaryContentAs(target);
        assertThat(files()).containsExactlyInAnyOrder("again", "out.safetensors");
    }

    @Test
    void tensorsLargerThanTheBufferAreWrittenWhole() throws IOException {
        float[] numbers = new float[700_001];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = i;
        }
        SafeTensors.write(
                target,
                List.of(new TensorView("x", DType.F32, List.of(700_001L), MemorySegment.ofArray(numbers))),
                Map.of());
        assertThat(SafeTensors.open(target, Arena.ofAuto()).tensor("x").toArray())
                .isEqualTo(numbers);
    }

    @Test
    void fileMayBeReplacedByItsOwnTensors() throws IOException {
        Files.write(target, SafeTensorsTest.reference());
        TensorStore tensors = SafeTensors.open(target, Arena.ofAuto());
        float[] before = tensors.tensor("wte.weight").toArray();
        SafeTensors.write(target, List.of(tensors.tensor("wte.weight")), Map.of());
        assertThat(SafeTensors.open(target, Arena.ofAuto()).tensor("wte.weight").toArray())
                .isEqualTo(before);
        assertThat(tensors.tensor("wte.weight").toArray()).isEqualTo(before);
    }

    @Test
    void othersMayReadWhatWasWritten() throws IOException {
        SafeTensors.write(target, List.of(), Map.of());
        Path usual = Files.createFile(folder.resolve("usual"));
        assertThat(Files.getPosixFilePermissions(target)).isEqualTo(Files.getPosixFilePermissions(usual));
    }

    @Test
    void failureLeavesTheTargetAndNothingElse() throws IOException {
        Files.writeString(target, "precious");
        TensorView lost;
        try (Arena arena = Arena.ofConfined()) {
            lost = new TensorView("lost", DType.F32, List.of(1L), arena.allocate(4));
        }
        assertThatThrownBy(() -> SafeTensors.write(target, List.of(floats("a", 1), lost), Map.of()))
                .isInstanceOf(IllegalStateException.class);
        assertThat(target).hasContent("precious");
        assertThat(files()).containsExactly("out.safetensors");
    }

    @Test
    void targetThatIsAFolderStays() throws IOException {
        Files.createDirectory(target);
        assertThatThrownBy(() -> SafeTensors.write(target, List.of(floats("a", 1)), Map.of()))
                .isInstanceOf(IOException.class);
        assertThat(target).isEmptyDirectory();
        assertThat(files()).containsExactly("out.safetensors");
    }

    @Test
    void targetInNoFolderIsRefused() {
        Path nowhere = folder.resolve("none/out");
        assertThatThrownBy(() -> SafeTensors.write(nowhere, List.of(), Map.of()))
                .isInstanceOf(FormatException.class)
                .hasMessage(nowhere + ": expected a file in a folder that exists, got no such folder to write to;"
                        + " create it first");
    }

    @Test
    void namesThatCouldNotBeReadBackAreRefused() {
        for (List<TensorView> bad : List.of(
                List.of(floats("a", 1), floats("a", 2)),
                List.of(floats("__metadata__", 1)),
                List.of(floats("\ud800", 1)))) {
            assertThatThrownBy(() -> SafeTensors.write(target, bad, Map.of()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageMatching("[^\\p{Cntrl}]+: expected .*, got .*; .*");
        }
        assertThatThrownBy(() -> SafeTensors.write(target, List.of(), Map.of("k", "\udc00")))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(target).doesNotExist();
    }

    static TensorView floats(String name, float... numbers) {
        return new TensorView(name, DType.F32, List.of((long) numbers.length), MemorySegment.ofArray(numbers));
    }

    static List<TensorView> all(TensorStore store) throws FormatException {
        List<TensorView> tensors = new ArrayList<>();
        for (String name : store.names()) {
            tensors.add(store.tensor(name));
        }
        return tensors;
    }

    private static List<TensorView> randomTensors(Random random) {
        List<TensorView> tensors = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (int i = random.nextInt(8); i > 0; i--) {
            String name = randomName(random);
            if (!names.add(name)) {
                continue;
            }
            DType dtype = List.of(DType.F32, DType.F16, DType.BF16).get(random.nextInt(3));
            List<Long> shape = random.longs(random.nextInt(4), 0, 6).boxed().toList();
            byte[] data = new byte[(int) (shape.stream().reduce(1L, (a, b) -> a * b) * dtype.bytes())];
            random.nextBytes(data);
            MemorySegment memory = MemorySegment.ofArray(data);
            if (random.nextBoolean()) {
                memory = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, data);
            }
            tensors.add(new TensorView(name, dtype, shape, memory));
        }
        return tensors;
    }

    private static String randomName(Random random) {
        int[] points = random.ints(random.nextInt(12), 0, 0x3000)
                .map(c -> random.nextInt(10) == 0 ? 0x1F600 + c % 64 : random.nextBoolean() ? c % 128 : c)
                .toArray();
        return new String(points, 0, points.length);
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(path -> folder.relativize(path).toString()).toList();
        }
    }
}
