package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

class ConvertCommandTest {
    private static final String[] GENERATE = {"generate", "Emma was", "--temperature", "0", "--max-new-tokens", "5"};

    @TempDir
    Path folder;

    private Path model = Path.of("");
    private Path out = Path.of("");

    @BeforeEach
    void model() throws IOException {
        model = Repository.copyModel(Files.createDirectory(folder.resolve("model")));
        out = folder.resolve("out");
    }

    private Program.Run convert(String... more) throws Exception {
        return Program.run(Stream.concat(
                        Stream.of("convert", "--model", model.toString(), "--out", out.toString()), Stream.of(more))
                .toArray(String[]::new));
    }

    private static JsonNode tokens(Path of, String dtype) throws Exception {
        return Program.run(
                        "generate",
                        "--model",
                        of.toString(),
                        "--dtype",
                        dtype,
                        "--tokens",
                        "4,5,6",
                        "--seed",
                        "3",
                        "--json")
                .json()
                .get("tokens");
    }

    private void onlyModelIsLeft() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactly("model");
        }
    }

    private static List<String> dtypes() {
        return Repository.IS_WHOLE ? List.of("f32", "bf16", "f16", "int8", "int4") : List.of("f16", "int4");
    }

    @ParameterizedTest
    @MethodSource("dtypes")
    void aConvertedModelGeneratesWhatTheOriginalDoes(String dtype) throws Exception {
        JsonNode document = convert("--dtype", dtype, "--json").json();
        assertThat(document.get("out").stringValue()).isEqualTo(out.toString());
        assertThat(document.get("dtype").stringValue()).isEqualTo(dtype);
        assertThat(document.get("parameters").intValue()).isEqualTo(17592);
        assertThat(document.get("tied").booleanValue()).isTrue();
        assertThat(document.get("bytes").longValue()).isEqualTo(Files.size(out.resolve("model.safetensors")));
        assertThat(tokens(out, dtype)).isEqualTo(tokens(model, dtype));
        JsonNode facts =
                Program.run("inspect", "--model", out.toString(), "--json").json();
        assertThat(facts.get("format").stringValue()).isEqualTo("panels");
        assertThat(facts.get("file_bytes")).isEqualTo(document.get("bytes"));
        JsonNode original = Program.run("inspect", "--model", model.toString(), "--dtype", dtype, "--json")
                .json();
        assertThat(Repository.withoutFiles(facts)).isEqualTo(Repository.withoutFiles(original));
    }

    /** The embedded model: its rows are whole groups. */
    @Test
    void aTiedTableIsStoredTwiceInTwoDtypes() throws Exception {
        String[] convert = {"convert", "--out", out.toString(), "--dtype", "int4", "--head-dtype", "int8", "--json"};
        JsonNode document = Program.run(convert).json();
        assertThat(document.get("tied").booleanValue()).isFalse();
        assertThat(document.get("dtype").stringValue()).isEqualTo("int4");
        try (CausalLM mixed = CausalLM.load(out);
                CausalLM int4 = AustenModel.load(DType.INT4);
                CausalLM int8 = AustenModel.load(DType.INT8)) {
            assertThat(mixed.head().embedding().dtype()).isEqualTo(DType.INT4);
            assertThat(mixed.head().projection().dtype()).isEqualTo(DType.INT8);
            for (int n = 0; n < mixed.head().vocabularySize(); n++) {
                assertThat(row(mixed.head().embedding(), n))
                        .isEqualTo(row(int4.head().embedding(), n));
                assertThat(row(mixed.head().projection(), n))
                        .isEqualTo(row(int8.head().projection(), n));
            }
        }
        String[] generate = {"--model", out.toString()};
        Program.run(Stream.concat(Stream.of(GENERATE), Stream.of(generate)).toArray(String[]::new))
                .done();
        Path other = folder.resolve("other");
        Program.run("convert", "--out", other.toString(), "--head-dtype", "int7")
                .refused(2, "head-dtype: expected", "got \"int7\"");
        Program.run("convert", "--to", "hf", "--out", other.toString(), "--dtype", "f32", "--head-dtype", "int8")
                .refused(2, "head-dtype: expected --to panels with it, got hf");
        Program.run("convert", "--model", out.toString(), "--out", other.toString(), "--head-dtype", "bf16")
                .refused(1, "expected dtype int4, to which these weights were converted");
        assertThat(other).doesNotExist();
    }

    private static float[] row(Matrix matrix, int n) {
        float[] row = new float[matrix.cols()];
        matrix.row(n, row, 0);
        return row;
    }

    @Test
    void aLineForPeopleSaysWhatWasWritten() throws Exception {
        Files.writeString(model.resolve("generation_config.json"), "{}");
        Files.writeString(model.resolve("README.md"), "not part of the model");
        Program.Run run = convert("--dtype", "int8").done();
        assertThat(run.out()).startsWith(out + ": 17,592 parameters in int8, ").containsOnlyOnce("\n");
        try (Stream<Path> files = Files.list(out)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("config.json", "generation_config.json", "model.safetensors");
        }
        assertThat(out.resolve("config.json")).hasSameBinaryContentAs(model.resolve("config.json"));
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void withoutAModelTheEmbeddedOneIsConverted() throws Exception {
        Program.run("convert", "--dtype", "int8", "--out", out.toString()).done();
        assertThat(Program.run(with(GENERATE, "--model", out.toString())).done())
                .isEqualTo(Program.run(with(GENERATE, "--dtype", "int8")).done());
    }

    private static List<String> types() {
        return Repository.IS_WHOLE ? List.of("f32", "bf16", "Q8_0") : List.of("Q8_0");
    }

    /** Its tokenizer, template and ids that end a text are in the file. */
    @ParameterizedTest
    @MethodSource("types")
    void aGgufFileOfTheEmbeddedModelRunsAlone(String dtype) throws Exception {
        Path file = folder.resolve("austen.gguf");
        JsonNode document = Program.run("convert", "--to", "gguf", "--dtype", dtype, "--out", file.toString(), "--json")
                .json();
        assertThat(document.get("dtype").stringValue()).isEqualTo(dtype.toLowerCase(Locale.ROOT));
        assertThat(document.get("bytes").longValue()).isEqualTo(Files.size(file));
        assertThat(document.get("parameters").intValue()).isEqualTo(4_801_280);
        String text =
                Program.run(with(GENERATE, "--model", file.toString())).done().out();
        assertThat(text).isEqualTo(" not to be a very\n"); // as without a file
        Program.run("convert", "--to", "gguf", "--out", file.toString())
                .refused(1, file + ": expected a new file, got one that exists", "--overwrite");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aFolderOfAGgufFileGeneratesWhatTheFileDoes() throws Exception {
        Path file = folder.resolve("austen.gguf");
        Program.run("convert", "--to", "gguf", "--dtype", "f16", "--out", file.toString())
                .done();
        String[] convert = {"convert", "--to", "hf", "--model", file.toString(), "--dtype", "f16", "--json"};
        JsonNode document = Program.run(with(convert, "--shard-size", "4", "--out", out.toString()))
                .json();
        assertThat(document.get("dtype").stringValue()).isEqualTo("f16");
        assertThat(document.get("parameters").intValue()).isEqualTo(4_801_280);
        assertThat(document.get("bytes").longValue()).isBetween(9_602_560L, 9_700_000L);
        assertThat(out.resolve("model-00003-of-00003.safetensors")).exists();
        assertThat(Program.run(with(GENERATE, "--model", out.toString())).done())
                .isEqualTo(
                        Program.run(with(GENERATE, "--model", file.toString())).done());
    }

    @Test
    void whatGgufCannotSayLeavesNothing() throws Exception {
        Files.writeString(
                model.resolve("config.json"),
                Files.readString(model.resolve("config.json"))
                        .replace("\"scale_attn_weights\": true", "\"scale_attn_weights\": false"));
        String file = folder.resolve("x.gguf").toString();
        Program.run("convert", "--to", "gguf", "--model", model.toString(), "--out", file)
                .refused(1, model + ", blocks[0].mixer.scale: expected ", "got 1.0", "cannot be written as GGUF");
        onlyModelIsLeft();
    }

    private static String[] with(String[] arguments, String... more) {
        return Stream.of(arguments, more).flatMap(Stream::of).toArray(String[]::new);
    }

    @Test
    void wrongUsage() throws Exception {
        Program.run("convert", "--model", model.toString()).refused(2, "--out", "see causal4j convert --help");
        convert("--dtype", "int3").refused(2, "dtype: expected f32, f16, bf16, int8 or int4, got int3");
        convert("--dtype", "q8_0").refused(2, "dtype: expected f32, f16, bf16, int8 or int4, got q8_0");
        convert("--to", "gguf", "--dtype", "int8")
                .refused(2, "dtype: expected f32, f16, bf16, q8_0 or q4_0 with --to gguf, got int8");
        convert("--to", "gguf", "--adapter", "x").refused(2, "adapter: expected --to panels or hf with it, got gguf");
        convert("--to", "onnx").refused(2, "to: expected panels, hf or gguf, got onnx; see causal4j convert --help");
        convert("--to", "hf", "--dtype", "int8").refused(2, "dtype: expected f32, bf16 or f16 with --to hf, got int8");
        convert("--to", "hf", "--shard-size", "0").refused(2, "shard-size: expected at least 1, got 0");
        convert("--to", "gguf").refused(1, out + ": expected the name of a file that ends in .gguf");
        onlyModelIsLeft();
    }

    @Test
    void anAdapterThatIsNoneLeavesNothing() throws Exception {
        convert("--adapter", model.toString()).refused(1, "adapter_config.json", "no such file");
        onlyModelIsLeft();
    }

    @Test
    void anotherDtypeThanThatOfTheConversionIsRefused() throws Exception {
        convert("--dtype", "int8").done();
        for (String command : List.of("generate", "inspect", "bench")) {
            Program.run(command, "--model", out.toString(), "--dtype", "bf16")
                    .refused(1, "expected dtype int8", "got bf16", "convert the original checkpoint");
        }
    }

    @Test
    void aFolderThatIsNotEmptyIsRefused() throws Exception {
        Files.writeString(Files.createDirectory(out).resolve("thesis.txt"), "precious");
        convert().refused(1, "expected a new or empty folder", "\"thesis.txt\"", "--overwrite");
        convert("--overwrite").refused(1, "expected nothing but a converted model", "\"thesis.txt\"");
        assertThat(out.resolve("thesis.txt")).hasContent("precious");
    }

    /** A limit on the size of files fails a write as a full disk does. */
    @Test
    void aFullDiskIsOneLineAndLeavesNothing() throws Exception {
        String limited = "ulimit -f 48; exec \"$@\"";
        Launcher.BRIEF
                .runInShell(limited, "convert", "--model", model.toString(), "--out", out.toString())
                .refused(1, out.toString(), "expected to be able to write", "free the disk");
        onlyModelIsLeft();
    }

    @Test
    void aModelThatCannotBeQuantisedLeavesNothing() throws Exception {
        Path weights = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        for (int i = bytes.length / 2; i < bytes.length; i++) {
            bytes[i] = (byte) 0xff; // NaN
        }
        Files.write(weights, bytes);
        convert("--dtype", "int8").refused(1, "int8: expected finite weights below 8319008, got NaN");
        onlyModelIsLeft();
    }
}
