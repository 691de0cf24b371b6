package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Commands on a GGUF file, which needs no other beside it. */
class GgufFileTest {
    private static final Path FOLDER = Repository.root().resolve("core/src/test/resources/dev/causal4j/golden/gguf");
    private static final String FILE = FOLDER.resolve("llama-q4_k.gguf").toString();

    @TempDir
    Path folder;

    private static JsonNode expected() throws IOException {
        return JsonMapper.shared().readTree(Files.readAllBytes(FOLDER.resolve("llama-q4_k.expected.json")));
    }

    private static JsonNode run(String command, String... more) throws Exception {
        String[] begin = {command, "--json", "--model", FILE};
        String[] all = Arrays.copyOf(begin, begin.length + more.length);
        System.arraycopy(more, 0, all, begin.length, more.length);
        return Program.run(all).json();
    }

    @Test
    void generateGivesTheGreedyTokens() throws Exception {
        String tokens = Arrays.stream(Repository.integers(expected().get("tokens")))
                .mapToObj(String::valueOf)
                .collect(Collectors.joining(","));
        JsonNode document = run("generate", "--tokens", tokens, "--temperature", "0", "--max-new-tokens", "8");
        assertThat(document.get("tokens")).isEqualTo(expected().get("greedy"));
    }

    @Test
    void textsNeedNoOtherFile() throws Exception {
        JsonNode hello = expected().get("vocab").get("tokenize").get(3);
        assertThat(hello.get("text").stringValue()).isEqualTo("Hello world");
        int[] ids = Repository.integers(hello.get("ids"));
        JsonNode encoded = Program.run("tokenizer", "encode", "--json", "--model", FILE, "Hello world")
                .json();
        assertThat(Repository.integers(encoded.get("tokens"))).isEqualTo(ids);
        assertThat(run("score", "Hello world").get("scored_tokens").intValue()).isEqualTo(ids.length - 1);
    }

    @Test
    void inspectShowsWhatTheFileSays() throws Exception {
        JsonNode facts = run("inspect");
        assertThat(facts.get("architecture").stringValue()).isEqualTo("llama");
        assertThat(facts.get("dtype").stringValue()).isEqualTo("int4");
        assertThat(facts.get("arithmetic").stringValue()).isEqualTo("integer");
        assertThat(facts.get("tokenizer").booleanValue()).isTrue();
        assertThat(facts.get("vocabulary_size").intValue()).isEqualTo(300);
        assertThat(facts.get("bos_token_id").intValue()).isEqualTo(1);
        assertThat(facts.get("eos_token_ids").toString()).isEqualTo("[2]");
    }

    /** GPT-2's positions are f32 whatever the matrices are. */
    @Test
    void inspectShowsWhatItsTensorsAre() throws Exception {
        Path file = folder.resolve("small.gguf");
        Program.run("convert", "--to", "gguf", "--dtype", "f16", "--out", file.toString());
        JsonNode facts =
                Program.run("inspect", "--json", "--model", file.toString()).json();
        assertThat(facts.get("dtype").stringValue()).isEqualTo("f16");
        assertThat(facts.get("format").stringValue()).isEqualTo("gguf");
        assertThat(facts.get("weight_files").intValue()).isEqualTo(1);
        assertThat(facts.get("file_bytes").longValue()).isEqualTo(Files.size(file));
        assertThat(facts.get("types")).isEqualTo(JsonMapper.shared().readTree("""
                [{"type": "F16", "tensors": 21, "bytes": 9437184}, {"type": "F32", "tensors": 43, "bytes": 330752}]"""));
        assertThat(facts.get("tokenizer_kind").stringValue()).isEqualTo("byte-level BPE");
        Program.Run told = Program.run("inspect", "--model", FILE).done();
        assertThat(told.out().lines()).allMatch(line -> line.length() <= 80).anyMatch(line -> line.contains("Q4_K"));
    }

    @Test
    void aFolderWithOneFileIsThatFile() throws Exception {
        Path only = Files.copy(Path.of(FILE), folder.resolve("only.gguf"));
        Files.createFile(folder.resolve("README.md"));
        String[] inspect = {"inspect", "--json", "--model", folder.toString()};
        assertThat(Program.run(inspect).json()).isEqualTo(run("inspect"));
        assertThat(Program.run("tokenizer", "encode", "Hello", "--json", "--model", folder.toString())
                        .json())
                .isEqualTo(Program.run("tokenizer", "encode", "Hello", "--json", "--model", FILE)
                        .json());
        Files.copy(only, folder.resolve("a-00001-of-00002.gguf"));
        Files.copy(only, folder.resolve("a-00002-of-00002.gguf"));
        Program.run(inspect)
                .refused(1, folder + ": expected one GGUF file, got a-00001-of-00002.gguf, only.gguf; choose one");
    }

    @Test
    void benchMeasuresIt() throws Exception {
        assertThat(run("bench", "--prompt", "4", "--generate", "4", "--repeat", "1", "--warm-up", "0")
                        .toString())
                .contains("tokens_per_second");
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "bf16", "f16", "int8"})
    void convertWritesAFolderThatRunsAlone(String dtype) throws Exception {
        Path out = folder.resolve("out");
        JsonNode document = run("convert", "--dtype", dtype, "--out", out.toString());
        assertThat(document.get("dtype").stringValue()).isEqualTo(dtype);
        String[] more = {"A text", "--seed", "3", "--max-new-tokens", "5", "--dtype", dtype};
        String[] converted = {"generate", "--json", "--model", out.toString()};
        String[] all = Arrays.copyOf(converted, converted.length + more.length);
        System.arraycopy(more, 0, all, converted.length, more.length);
        assertThat(Program.run(all).json().get("tokens"))
                .isEqualTo(run("generate", more).get("tokens"));
    }

    @Test
    void convertKeepsItsBlocks() throws Exception {
        Path out = folder.resolve("out");
        JsonNode document = run("convert", "--out", out.toString());
        assertThat(document.get("dtype").stringValue()).isEqualTo("int4");
        String[] drawn = {"--seed", "3", "--max-new-tokens", "5", "--model", out.toString()};
        assertThat(Program.run(with("generate", "A text", "--json", drawn))
                        .json()
                        .get("tokens"))
                .isEqualTo(run("generate", "A text", "--seed", "3", "--max-new-tokens", "5")
                        .get("tokens"));
        assertThat(Program.run("score", "Hello world", "--json", "--model", out.toString())
                        .json())
                .isEqualTo(run("score", "Hello world"));
        JsonNode facts =
                Program.run("inspect", "--json", "--model", out.toString()).json();
        JsonNode file = run("inspect");
        assertThat(facts.get("mapped").booleanValue()).isTrue();
        assertThat(file.get("mapped").booleanValue()).isFalse();
        assertThat(facts.get("memory_bytes").longValue())
                .isBetween(240_000L, facts.get("file_bytes").longValue());
        assertThat(Repository.withoutFiles(facts)).isEqualTo(Repository.withoutFiles(file));
        for (String to : new String[] {"hf", "gguf"}) {
            String other = folder.resolve("other.gguf").toString();
            Program.run("convert", "--to", to, "--model", out.toString(), "--out", other)
                    .refused(1, out.toString(), "expected a dtype for quantised weights", "--dtype");
        }
    }

    private static String[] with(String command, String text, String option, String... more) {
        return Stream.of(new String[] {command, text, option}, more)
                .flatMap(Stream::of)
                .toArray(String[]::new);
    }

    @Test
    void whatIsNoModelIsOneLine() throws Exception {
        Path text = Files.writeString(folder.resolve("x.gguf"), "GGML");
        Program.run("inspect", "--model", text.toString())
                .refused(1, text.toString(), "expected a file that begins with GGUF");
        Program.run("inspect", "--model", folder.resolve("nowhere").toString())
                .refused(1, "expected a model's folder or GGUF file, got no such folder");
    }
}
