package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class TokenizerEncodeCommandTest {
    @TempDir
    Path folder;

    @Test
    void tokensHaveIdsPiecesAndOffsets() throws Exception {
        JsonNode document =
                Program.run("tokenizer", "encode", "Emma was", "--json").json();

        assertThat(document)
                .hasToString("{\"tokens\":[1749,304],\"pieces\":[\"Emma\",\"\u0120was\"],\"offsets\":[[0,4],[4,8]]}");
        assertThat(Program.run("tokenizer", "encode", "Emma was").done().out())
                .isEqualTo("1749 \"Emma\" [0,4]\n304 \"\u0120was\" [4,8]\n");
    }

    @Test
    void aFileAFolderAndTheEmbeddedModelGiveTheSame() throws Exception {
        AustenModel.export(folder);
        String text = Files.writeString(folder.resolve("text.txt"), "Emma<|endoftext|>was\n")
                .toString();
        String expected = Program.run("tokenizer", "encode", "--file", text, "--json")
                .done()
                .out();

        for (String option : List.of("--model", "--tokenizer")) {
            String from = option.equals("--model") ? folder.toString() : folder + "/tokenizer.json";
            assertThat(Program.run("tokenizer", "encode", "--file", text, option, from, "--json")
                            .done()
                            .out())
                    .isEqualTo(expected);
        }
        JsonNode parsed = Program.run("tokenizer", "encode", "--file", text, "--special", "--json")
                .json();
        assertThat(parsed.get("tokens").toString()).contains(",3071,");
        assertThat(expected).doesNotContain("3071");
    }

    @Test
    void linesAreEncodedOneByOne() throws Exception {
        Path lines = Files.writeString(folder.resolve("in.jsonl"), "{\"text\":\"Emma was\"}\n\n{\"text\":\"\"}\n{}\n");

        Program.Run run = Program.run("tokenizer", "encode", "--jsonl", lines.toString());

        assertThat(run.out().lines())
                .containsExactly(
                        "{\"tokens\":[1749,304],\"pieces\":[\"Emma\",\"\u0120was\"],\"offsets\":[[0,4],[4,8]]}",
                        "{\"tokens\":[],\"pieces\":[],\"offsets\":[]}");
        assertThat(run.err())
                .isEqualTo(lines + " line 4: expected an object with a string \"text\", got something else\n");
    }

    @Test
    void decodingGivesTheTextBack() throws Exception {
        assertThat(Program.run("tokenizer", "decode", "--tokens", "1749,304,3071")
                        .done()
                        .out())
                .isEqualTo("Emma was<|endoftext|>\n");
        assertThat(Program.run("tokenizer", "decode", "--tokens", "1749,304,3071", "--skip-special", "--json")
                        .done()
                        .out())
                .isEqualTo("{\"text\":\"Emma was\"}\n");
    }
}
