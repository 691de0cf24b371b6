package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerRenderCommandTest {
    private static final String TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
            + "{% if tools %}{{ tools | tojson }}{% endif %}{% if mood %}{{ mood }}{% endif %}"
            + "{% if add_generation_prompt %}<assistant>{% endif %}";

    @TempDir
    Path folder;

    private String template;
    private String messages;

    @BeforeEach
    void write() throws IOException {
        template = Files.writeString(folder.resolve("t.jinja"), TEMPLATE).toString();
        messages = Files.writeString(folder.resolve("m.json"), """
                [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]""").toString();
    }

    @Test
    void aConversationIsRendered() {
        Program.Run run = Program.run("tokenizer", "render", "--template", template, "--messages", messages);

        assertThat(run.done().out()).isEqualTo("<system>Be brief.\n<user>Hi\n<assistant>");
    }

    @Test
    void theDocumentHasTheText() throws IOException {
        Path tools = Files.writeString(folder.resolve("tools.json"), "[{\"name\": \"f\", \"n\": [1.50, -0.0]}]");
        Program.Run run = Program.run(
                "tokenizer",
                "render",
                "--template",
                template,
                "--messages",
                messages,
                "--tools",
                tools.toString(),
                "--variables",
                "{\"mood\": \"happy\"}",
                "--no-generation-prompt",
                "--json");

        assertThat(run.json().get("text").stringValue())
                .isEqualTo("<system>Be brief.\n<user>Hi\n[{\"name\": \"f\", \"n\": [1.5, -0.0]}]happy");
    }

    @Test
    void theTemplateOfAModelIsUsed() throws IOException {
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"bos_token\": {\"content\": \"<s>\"}, \"chat_template\": \"{{ bos_token }}{{ messages[1].content }}\"}");

        Program.Run run = Program.run("tokenizer", "render", "--model", folder.toString(), "--messages", messages);

        assertThat(run.done().out()).isEqualTo("<s>Hi");
    }

    @Test
    void aGivenTemplateHasTheModelsSpecialTokens() throws IOException {
        Files.writeString(
                folder.resolve("tokenizer_config.json"), "{\"bos_token\": \"<s>\", \"chat_template\": \"its own\"}");
        Path given = Files.writeString(folder.resolve("given.jinja"), "{{ bos_token }}{{ messages[1].content }}");
        String[] model = {"--model", folder.toString()};

        for (boolean known : new boolean[] {true, false}) {
            Stream<String> options =
                    Stream.of("tokenizer", "render", "--messages", messages, "--template", given.toString());
            Program.Run run =
                    Program.run(Stream.concat(options, Arrays.stream(model).limit(known ? 2 : 0))
                            .toArray(String[]::new));
            assertThat(run.done().out()).isEqualTo(known ? "<s>Hi" : "Hi");
        }
    }

    @Test
    void wrongInputIsOneLine() throws IOException {
        String wrong =
                Files.writeString(folder.resolve("w.json"), "{\"role\": 1}").toString();
        String refusing = Files.writeString(folder.resolve("r.jinja"), "\n{{ raise_exception('not you') }}")
                .toString();

        Program.run("tokenizer", "render", "--template", template, "--messages", wrong)
                .refused(1, wrong, "a JSON list");
        Program.run("tokenizer", "render", "--template", refusing, "--messages", messages)
                .refused(1, refusing + ", line 2: expected a conversation", "not you");
        Program.run("tokenizer", "render", "--model", folder.toString(), "--messages", messages)
                .refused(1, folder.toString(), "a model with a chat template");
        Program.run("tokenizer", "render", "--template", template, "--messages", messages, "--variables", "{x")
                .refused(1, "variables: expected valid JSON");
        Program.run("tokenizer", "render", "--messages", messages).refused(2, "--template", "see");
    }
}
