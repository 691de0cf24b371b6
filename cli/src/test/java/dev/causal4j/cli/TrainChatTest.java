package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class TrainChatTest {
    private static final String TEXT = "It is a truth universally acknowledged, that a single man in possession of a"
            + " good fortune, must be in want of a wife. However little known the feelings of such a man may be.\n";
    private static final String SHAPE =
            "{\"model_type\": \"gpt2\", \"vocab_size\": 290, \"n_positions\": 64, \"n_embd\": 48,"
                    + " \"n_layer\": 1, \"n_head\": 2}";

    @TempDir
    Path folder;

    private static List<JsonNode> lines(String text) {
        return text.lines().map(JsonMapper.shared()::readTree).toList();
    }

    /** From conversations to a model that answers, with its template, and ends its turn. */
    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aModelLearnsToAnswer() throws Exception {
        String template = "{% for m in messages %}<|im_start|>{{ m.role }}{{ m.content }}<|im_end|>{% endfor %}"
                + "{% if add_generation_prompt %}<|im_start|>assistant{% endif %}";
        String jinja = Files.writeString(folder.resolve("t.jinja"), template).toString();
        String talk = "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\","
                + " \"content\": \"%s\"}]}\n";
        String both = talk.formatted("truth", "Yes.") + talk.formatted("fortune", "No!");
        Path chats = Files.writeString(folder.resolve("chat.jsonl"), both.repeat(9));
        String out = folder.resolve("out").toString();
        String tokenizer = folder.resolve("chatting").toString();
        String special = "--special-token <|endoftext|> --special-token <|im_start|> --special-token <|im_end|>";
        Path data = Files.writeString(folder.resolve("data.txt"), TEXT.repeat(12));
        run("tokenizer train --vocabulary-size 290 " + special, "--data", data.toString(), "--out", tokenizer);
        String file = Files.writeString(folder.resolve("chat.json"), SHAPE).toString();
        String settings = "train --cut documents --steps 80 --learning-rate 1e-2 --context-length 33 --held-out 0.3";
        String[] made = {"--data", chats.toString(), "--config", file, "--tokenizer", tokenizer, "--out", out};

        run(settings, made)
                .refused(1, "chat.jsonl line 1, messages: expected a model with a chat template", "--template");
        String counting = Files.writeString(folder.resolve("c.jinja"), "{{ messages | length }}" + template)
                .toString();
        run(settings + " --template " + counting, made)
                .refused(1, "chat.jsonl line 1, chat template: expected one that writes messages alike");
        assertThat(run(settings + " --template " + jinja, made).done().out()).contains("held out: loss 0.");

        Program.Run chat =
                Program.runWithInput("fortune\ntruth\n", "chat", "--model", out, "--temperature", "0", "--json");
        List<JsonNode> answers = lines(chat.done().out());
        assertThat(answers.getFirst().get("text").stringValue()).isEqualTo("No!");
        assertThat(answers.getFirst().get("finish_reason").stringValue()).isEqualTo("eos");
        Program.Run words =
                run("tokenizer train --vocabulary-size 300 --json", "--data", chats.toString(), "--out", out + "t");
        int merges = "truthfortuneYesNo".length() - 4; // all that the texts have
        assertThat(lines(words.out()).getFirst().get("vocabulary_size").intValue())
                .isEqualTo(256 + merges + 1);
    }

    private static Program.Run run(String options, String... more) {
        return Program.run(
                Stream.concat(Stream.of(options.split(" ")), Stream.of(more)).toArray(String[]::new));
    }
}
