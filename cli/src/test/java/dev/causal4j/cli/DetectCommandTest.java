package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.Mark;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class DetectCommandTest {
    @TempDir
    Path folder;

    private String file(String name, String content) {
        try {
            return Files.writeString(folder.resolve(name), content).toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String key() {
        return file("key", "sixteen bytes or more\n");
    }

    @Test
    void aGeneratedTextIsFoundByItsKey() throws Exception {
        JsonNode made = Program.run(
                        "generate", "Emma was", "--max-new-tokens", "80", "--seed", "1", "--mark-key", key(), "--json")
                .json();
        String ids = made.get("tokens").toString().replaceAll("[\\[\\]]", "");

        JsonNode byTokens = Program.run("detect", "--tokens", ids, "--mark-key", key(), "--json")
                .json();
        assertThat(byTokens.propertyNames()).containsExactly("tokens", "scored", "score", "p");
        Mark.Detection found =
                Mark.of(Files.readAllBytes(Path.of(key()))).detect(TokenIds.parse(Main.commands(), "tokens", ids));
        assertThat(byTokens.get("tokens").intValue()).isEqualTo(80).isEqualTo(found.tokens());
        assertThat(byTokens.get("scored").intValue()).isEqualTo(found.scored()).isBetween(60, 76);
        assertThat(byTokens.get("score").doubleValue()).isEqualTo(found.score());
        assertThat(byTokens.get("p").doubleValue()).isEqualTo(found.p()).isLessThan(1e-20);

        String text = made.get("text").stringValue();
        String tokenizer = Files.createDirectory(folder.resolve("model")).toString();
        AustenModel.export(Path.of(tokenizer));
        for (List<String> given : List.of(
                List.of(text),
                List.of("--file", file("text", text)),
                List.of(text, "--model", tokenizer),
                List.of(text, "--tokenizer", tokenizer + "/tokenizer.json"))) {
            List<String> all = new ArrayList<>(List.of("detect", "--json", "--mark-key", key()));
            all.addAll(given);
            JsonNode p = Program.run(all.toArray(String[]::new)).json().get("p");
            assertThat(p.doubleValue()).isLessThan(1e-20);
        }
        assertThat(Program.runWithInput(text, "detect", "-", "--mark-key", key())
                        .done()
                        .out())
                .matches(
                        "p \\d\\.\\de-\\d+: the chance that a text without this mark scores \\d+\\.\\d\\d or more in \\d+"
                                + " groups\\R");
    }

    @Test
    void othersTextsAndKeysAreNotFound() throws Exception {
        JsonNode made = Program.run("generate", "Emma was", "--seed", "1", "--mark-key", key(), "--json")
                .json();
        String text = made.get("text").stringValue();
        String other = file("other", "another key that is long enough");
        assertThat(p(Program.run("detect", text, "--mark-key", other, "--json")))
                .isGreaterThan(1e-3);
        String license = Repository.root().resolve("LICENSE").toString();
        assertThat(p(Program.run("detect", "--file", license, "--mark-key", key(), "--json")))
                .isGreaterThan(1e-3);
        JsonNode unmarked =
                Program.run("generate", "Emma was", "--seed", "1", "--json").json();
        assertThat(unmarked.get("text")).isNotEqualTo(made.get("text"));
        assertThat(p(Program.run("detect", unmarked.get("text").stringValue(), "--mark-key", key(), "--json")))
                .isGreaterThan(1e-3);
    }

    private static double p(Program.Run run) {
        return run.json().get("p").doubleValue();
    }

    @Test
    void linesAreLookedAtOneByOne() throws Exception {
        String lines = file("in.jsonl", "{\"text\":\"Emma was\"}\n{\"text\":\"He was not at all to blame.\"}\n{}\n");
        Program.Run run = Program.run("detect", "--jsonl", lines, "--mark-key", key());
        assertThat(run.out().lines())
                .hasSize(2)
                .first()
                .isEqualTo("{\"tokens\":2,\"scored\":0,\"score\":0.0,\"p\":1.0}");
        assertThat(run.err())
                .isEqualTo(lines + " line 3: expected an object with a string \"text\", got something else\n");
        assertThat(run.status()).isOne();
    }

    @Test
    void greedyTextsHaveNoMark() throws Exception {
        String[] greedy = {"generate", "Emma was", "--temperature", "0", "--max-new-tokens", "30"};
        String plain = Program.run(greedy).done().out();
        List<String> marked = new ArrayList<>(List.of(greedy));
        marked.addAll(List.of("--mark-key", key()));
        assertThat(Program.run(marked.toArray(String[]::new)).done().out()).isEqualTo(plain);
    }

    @Test
    void aChatIsMarkedAndShowsTheFileAlone() throws Exception {
        String marked = Program.runWithInput(
                        "Emma\n/show\n", "chat", "--seed", "1", "--max-new-tokens", "60", "--mark-key", key())
                .out();
        String plain = Program.runWithInput(
                        "Emma\n/set mark-key " + key() + "\n/regenerate\n",
                        "chat",
                        "--seed",
                        "1",
                        "--max-new-tokens",
                        "60")
                .out();
        assertThat(plain).doesNotStartWith(marked);
        assertThat(p(Program.run("detect", marked, "--mark-key", key(), "--json")))
                .isLessThan(1e-6);
        Program.Run wrong = Program.runWithInput("/set mark-key nowhere\n", "chat", "--seed", "1");
        assertThat(wrong.err()).contains("nowhere: expected a key, got no such file; check the path");
    }

    @ParameterizedTest
    @ValueSource(strings = {"generate x", "chat", "serve", "detect x"})
    void aShortKeyIsRefused(String command) {
        String[] words = (command + " --mark-key " + file("short", "fifteen bytes..")).split(" ");
        Program.run(words).refused(1, "mark-key: expected at least 16 bytes, got 15");
    }

    @Test
    void wrongUsageIsRefused() {
        String large = file("large", "x".repeat(4097));
        Program.run("detect", "x", "--mark-key", large).refused(1, "a key of at most 4096 bytes, got 4097 bytes");
        Program.run("detect", "x", "--mark-key", folder.toString()).refused(1, "expected a key, got a folder");
        Program.run("generate", "x", "--mark-key", "nowhere").refused(1, "nowhere: expected a key, got no such file");
        Program.run("detect", "x").refused(2, "mark-key: expected a file with the key, got none");
        Program.run("detect", "x", "--tokens", "1", "--mark-key", large)
                .refused(2, "text: expected one of TEXT, --file, --jsonl and --tokens, got none or several");
        Program.run("detect", "--mark-key", large).refused(2, "got none or several");
        Program.run("detect", "--tokens", "1,x", "--mark-key", key()).refused(2, "tokens: expected token ids");
        Program.run(
                        "generate",
                        "x",
                        "--mark-key",
                        key(),
                        "--choice",
                        "a",
                        "--exact-sampling",
                        "2",
                        "--temperature",
                        "1")
                .refused(1, "exact sampling: expected", "mark");
    }
}
