package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.generation.Embedder;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class EmbedCommandTest {
    private static final Path GOLDEN = Path.of("../core/src/test/resources/dev/causal4j/golden/embedding-last")
            .toAbsolutePath();

    @TempDir
    Path folder;

    private static Program.Run embed(String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("embed", "--model", GOLDEN.toString()));
        all.addAll(List.of(arguments));
        return Program.run(all.toArray(String[]::new));
    }

    private static float[] vector(Iterable<JsonNode> numbers) {
        List<Float> vector = new ArrayList<>();
        numbers.forEach(number -> vector.add(Float.parseFloat(number.toString())));
        float[] array = new float[vector.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = vector.get(i);
        }
        return array;
    }

    private static float[] expected(String text) throws IOException {
        try (CausalLM model = CausalLM.load(GOLDEN)) {
            return Embedder.of(model).embed(text);
        }
    }

    @Test
    void aTextThatIsTooLongIsNamedAmongAll() throws Exception {
        Path lines = folder.resolve("texts");
        Files.writeString(lines, "Emma\n".repeat(99) + "Emma ".repeat(5000) + "\n");
        assertThat(embed("--file", lines.toString()).err()).contains("input 100: text: expected 1 to");
    }

    @Test
    void eachTextHasTheVectorOfTheEmbedder() throws Exception {
        JsonNode document = embed("Emma", "The carriage came at ten.", "--json").json();
        assertThat(document.get("pooling").asString()).isEqualTo("last");
        assertThat(document.get("dimensions").asInt()).isEqualTo(32);
        assertThat(vector(document.get("embeddings").get(1))).isEqualTo(expected("The carriage came at ten."));
        Path lines = folder.resolve("texts");
        Files.writeString(lines, "Emma\nThe carriage came at ten.\n");
        List<String> plain =
                embed("--file", lines.toString()).done().out().lines().toList();
        assertThat(plain).hasSize(2).allMatch(line -> line.split(" ").length == 32);
        assertThat(embed("Emma", "--prompt", "query", "--dimensions", "8", "--no-normalize", "--pooling", "mean")
                        .done()
                        .out()
                        .split(" "))
                .hasSize(8);
    }

    @Test
    void linesAreObjectsAndARunIsResumed() throws Exception {
        Path in = folder.resolve("in.jsonl");
        Path out = folder.resolve("out.jsonl");
        String all = "{\"id\": 1, \"text\": \"Emma\"}\n{\"id\": 2, \"text\": \"" + "long ".repeat(300) + "\"}\n";
        Files.writeString(in, all);
        Program.Run run = embed("--jsonl", in.toString(), "--out", out.toString());
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("line 2: text: expected 1 to 256 tokens").endsWith("2 texts, 1 failed\n");
        Files.writeString(in, all + "{\"id\": 3, \"text\": \"Emma\"}\n");
        assertThat(embed("--jsonl", in.toString(), "--out", out.toString(), "--resume", "--json")
                        .out())
                .contains("{\"texts\":3,\"failed\":1}");
        List<JsonNode> results = Files.readAllLines(out).stream()
                .map(JsonMapper.shared()::readTree)
                .toList();
        assertThat(results).hasSize(3);
        assertThat(vector(results.get(0).get("embedding"))).isEqualTo(expected("Emma"));
        assertThat(results.get(2).get("embedding")).isEqualTo(results.get(0).get("embedding"));
        assertThat(results.get(1).get("error").asString()).contains("256 tokens");
    }

    @Test
    void wrongUsageIsRefusedInOneLine() throws Exception {
        Program.run("embed", "Emma").refused(2, "pooling: expected --pooling mean or last");
        embed().refused(2, "text: expected one of TEXT, --file and --jsonl, got none or several");
        embed("a", "--prompt", "passage").refused(2, "prompt: expected one of the model's files, [", "got passage");
        embed("a", "--dimensions", "33").refused(2, "dimensions: expected 1 to 32");
        embed("").done();
        embed("a", "x ".repeat(300)).refused(1, "input 2: text: expected 1 to 256 tokens");
    }

    @Test
    void theEmbeddedModelEmbedsIfItIsAsked() throws Exception {
        assertThat(Program.run("embed", "Emma", "--pooling", "mean")
                        .done()
                        .out()
                        .split(" "))
                .hasSizeGreaterThan(100);
    }
}
