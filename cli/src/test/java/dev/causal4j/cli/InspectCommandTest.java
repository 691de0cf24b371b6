package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

class InspectCommandTest {
    private static final Launcher GERMAN = new Launcher("-Duser.language=de -Duser.country=DE");

    @TempDir
    Path folder;

    @Test
    void theDocumentDescribesTheEmbeddedModel() throws Exception {
        assertThat(Program.run("inspect", "--json").json())
                .isEqualTo(JsonMapper.shared().readTree("""
                {"architecture": "gpt2", "parameters": 4801280, "tied": true, "parameters_saved_by_tying": 786432,
                 "vocabulary_size": 3072, "context_length": 256, "hidden_size": 256, "layers": 5, "heads": 4,
                 "head_size": 64, "inner_size": 1024, "dtype": "bf16", "tokenizer": true,
                 "bos_token_id": 3071, "eos_token_ids": [3071]}"""));
    }

    @Test
    void theDocumentDescribesAFolder() throws Exception {
        Path config = Repository.copyModel(folder).resolve("config.json");
        String json = Files.readString(config)
                .replace("\"bos_token_id\": 96", "\"bos_token_id\": null")
                .replace("\"eos_token_id\": 96", "\"eos_token_id\": [9, 3]");
        Files.writeString(config, json);
        String[] arguments = {"inspect", "--json", "--model", folder.toString(), "--dtype", "bf16"};
        assertThat(Program.run(arguments).json()).isEqualTo(JsonMapper.shared().readTree("""
                {"architecture": "gpt2", "parameters": 17592, "tied": true, "parameters_saved_by_tying": 2328,
                 "vocabulary_size": 97, "context_length": 32, "hidden_size": 24, "layers": 2, "heads": 3,
                 "head_size": 8, "inner_size": 96, "dtype": "bf16", "tokenizer": false,
                 "bos_token_id": null, "eos_token_ids": [3, 9]}"""));
    }

    /** A library warning is one line too. */
    @Test
    void whatIsOddAboutAFolderIsSaidOnStandardError() throws Exception {
        Path model = Repository.root().resolve("core/src/test/resources/dev/causal4j/golden/gpt2-untied");
        Files.copy(model.resolve("model.safetensors"), folder.resolve("model.safetensors"));
        String json = Files.readString(model.resolve("config.json"));
        Files.writeString(folder.resolve("config.json"), json.replace("\"tie_word_embeddings\": false,", ""));
        Program.Run run = GERMAN.run("inspect", "--model", folder.toString());
        assertThat(run.err())
                .startsWith("WARNING: " + folder + ": tie_word_embeddings is true")
                .containsOnlyOnce("\n");
        assertThat(run.out().lines()).contains("tied                       false");
        assertThat(run.status()).isZero();
    }

    @Test
    void theTableIsForPeopleWhateverTheirLocale() throws Exception {
        Program.Run run = GERMAN.run("inspect").done();
        assertThat(run.out().lines())
                .contains(
                        "architecture               gpt2",
                        "parameters                 4,801,280",
                        "parameters saved by tying  786,432",
                        "tied                       true",
                        "bos token id               3071",
                        "eos token ids              [3071]");
    }
}
