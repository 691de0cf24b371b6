package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code eval --protocol llama-perplexity}. */
class LlamaPerplexityTest {
    private static final Path FIXTURES = Repository.root().resolve("core/src/test/resources/dev/causal4j");
    private static final Path FILES = FIXTURES.resolve("scoring/llama");
    private static final String MODEL =
            FIXTURES.resolve("stories260K/stories260K.gguf").toString();
    private static final String TEXT = FILES.resolve("austen.txt").toString();

    @TempDir
    Path folder;

    private static String[] arguments(String... more) {
        List<String> all = new ArrayList<>(List.of("eval", "--protocol", "llama-perplexity", "--model", MODEL));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    private static JsonNode json(String... more) {
        return JsonMapper.shared().readTree(Program.run(arguments(more)).done().out());
    }

    private static void agree(JsonNode made, JsonNode expected) {
        expected.properties().forEach(each -> {
            if (each.getValue().isNumber()) {
                double value = each.getValue().asDouble();
                assertThat(made.get(each.getKey()).asDouble())
                        .as(each.getKey())
                        .isCloseTo(value, within(Math.max(2e-5 * Math.abs(value), 5e-7)));
            }
        });
    }

    @Test
    void documentsHaveTheFiguresOfTheProgram() throws Exception {
        JsonNode expected = JsonMapper.shared().readTree(Files.readAllBytes(FILES.resolve("llama-perplexity.json")));
        for (JsonNode each : expected.get("perplexity")) {
            agree(
                    json(
                            "--json",
                            "--file",
                            TEXT,
                            "--context",
                            each.get("context").asString()),
                    each);
        }
        String base = FILES.resolve("base.kld").toString();
        JsonNode compared = json("--json", "--base", base);
        agree(compared, expected.get("kl"));
        assertThat(json("--json", "--file", TEXT, "--context", "128", "--base", base))
                .isEqualTo(compared);
        JsonNode tasks = json(
                "--json",
                "--hellaswag",
                "--file",
                FILES.resolve("hellaswag.txt").toString());
        agree(tasks, expected.get("hellaswag"));
        assertThat(tasks.get("samples")).hasSize(4);
        assertThat(tasks.get("bits").stringValue()).matches("sha256:[0-9a-f]{64}");
        assertThat(json("--json", "--file", TEXT, "--chunks", "2").get("chunks").intValue())
                .isEqualTo(2);
    }

    @Test
    void withoutJsonThereIsALineForEachFigure() throws Exception {
        String base = folder.resolve("base").toString();
        Program.Run run = Program.run(arguments("--file", TEXT, "--context", "128", "--save-base", base))
                .done();
        assertThat(run.out())
                .containsPattern("\nperplexity +51\\.8700\\d\\d\nerror +4\\.3396\\d\\d\n")
                .containsPattern("\nbits sha256:[0-9a-f]{64}\n");
        assertThat(Program.run(arguments("--base", base)).done().out())
                .containsPattern("\nkl +0\\.0000")
                .contains("kl_99.9");
        assertThat(Program.run(arguments(
                                "--hellaswag",
                                "--file",
                                FILES.resolve("hellaswag.txt").toString()))
                        .done()
                        .out())
                .containsPattern("acc_norm +0\\.500000\n");
    }

    /** One final line feed is left out, and a byte order mark is a part of the text. */
    @Test
    void theTextIsTheFileButForItsLastLineFeed() throws IOException {
        String text = Files.readString(FILES.resolve("austen.txt"));
        String bits = json("--json", "--file", TEXT).get("bits").stringValue();
        Path file = folder.resolve("text");
        Files.writeString(file, text + "\n");
        assertThat(json("--json", "--file", file.toString()).get("tokens").intValue())
                .isEqualTo(json("--json", "--file", TEXT).get("tokens").intValue());
        Files.writeString(file, text + "\n\n");
        assertThat(json("--json", "--file", file.toString()).get("tokens").intValue())
                .isEqualTo(json("--json", "--file", TEXT).get("tokens").intValue() + 1);
        Files.writeString(file, "\ufeff" + text);
        assertThat(json("--json", "--file", file.toString()).get("bits").stringValue())
                .isNotEqualTo(bits);
    }

    @Test
    void wrongUsageIsRefusedInALine() throws IOException {
        String tasks = FILES.resolve("hellaswag.txt").toString();
        Program.run(arguments()).refused(2, "file: expected --file with the text, got none");
        Program.run(arguments("--file", TEXT, "--base", "a", "--save-base", "b"))
                .refused(2, "base: expected one of");
        Program.run(arguments("--file", tasks, "--hellaswag", "--chunks", "2")).refused(2, "hellaswag: expected");
        Program.run(arguments("--file", TEXT, "--context", "513")).refused(2, "context: expected 3 to", "512, got 513");
        Program.run(arguments("--file", TEXT, "--context", "2")).refused(2, "context: expected 3 to", "got 2");
        Program.run(arguments("--file", TEXT, "--chunks", "0")).refused(2, "chunks: expected at least 1, got 0");
        Program.run(arguments("--file", TEXT, "--ppl-stride", "5")).refused(2, "--ppl-stride");
        Program.run(arguments("--file", tasks)).refused(1, "text: expected a context of 3 to 512 tokens, twice that");
        Program.run(arguments("--file", TEXT, "--hellaswag")).refused(1, "task 1: expected 6 lines");
        Program.run(arguments("--base", TEXT))
                .refused(1, "austen.txt: expected a base file of llama-perplexity, got another");
        Program.run(arguments(
                        "--file", TEXT, "--save-base", folder.resolve("no/base").toString()))
                .refused(1, "no such folder to write to");
        Program.run(arguments("--file", TEXT, "--limit", "3")).refused(2, "protocol: expected another one for --limit");
        Program.run(arguments("--file", TEXT, "arc.yaml")).refused(2, "protocol: expected another one for TASK");
        Program.run("eval", "--hellaswag", "arc.yaml").refused(2, "protocol: expected another one for --hellaswag");
        Program.run("eval", "--protocol", "perplexity", "--file", TEXT).refused(2, "protocol: expected");
    }
}
