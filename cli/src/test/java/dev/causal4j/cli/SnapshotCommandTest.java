package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Commands with {@code --prefix-store}, and the one that looks after its folder. */
class SnapshotCommandTest {
    private static final String PROMPT = "Emma was very kind, and so was her father. ".repeat(40);

    @TempDir
    Path folder;

    private String model = "";
    private String store = "";

    @BeforeEach
    void save() throws IOException {
        model = Files.createDirectory(folder.resolve("model")).toString();
        store = folder.resolve("store").toString();
        try (CausalLM austen = AustenModel.load();
                CausalLM made = CausalLM.create(
                        ModelConfig.parse(
                                """
                                {"model_type": "gpt2", "vocab_size": %d, "n_positions": 1024, "n_embd": 16,
                                 "n_layer": 2, "n_head": 2}
                                """.formatted(austen.requireTokenizer().vocabularySize())),
                        5,
                        DType.F32,
                        austen.requireTokenizer())) {
            made.save(Path.of(model), DType.F32);
        }
    }

    private Program.Run run(String command, String... arguments) {
        return Program.run(all(command, arguments));
    }

    private String[] all(String command, String... arguments) {
        List<String> all = new ArrayList<>(List.of(command.split(" ")));
        all.addAll(List.of("--model", model));
        all.addAll(List.of(arguments));
        return all.toArray(String[]::new);
    }

    private JsonNode list() {
        return run("snapshot list " + store, "--json").json().get("files");
    }

    @Test
    void runsThatFollowReadWhatTheFirstHasWritten() throws Exception {
        String[] options = {PROMPT, "--seed", "1", "--max-new-tokens", "20"};
        String[] stored = Stream.concat(Stream.of(options), Stream.of("--prefix-store", store))
                .toArray(String[]::new);
        String expected = run("generate", options).done().out();
        assertThat(run("generate", stored).done().out()).isEqualTo(expected);
        int files = list().size();
        assertThat(files).isGreaterThan(5);
        assertThat(run("generate", stored).done().out()).isEqualTo(expected);
        assertThat(list()).hasSize(files);
        JsonNode file = list().get(0);
        assertThat(file.propertyNames()).containsExactly("file", "model", "kind", "tokens", "bytes", "used");
        assertThat(file.get("kind").stringValue()).isEqualTo("page");
        assertThat(file.get("tokens").intValue()).isEqualTo(64);

        Path choices = Files.writeString(folder.resolve("choices"), " One.\n Another.\n");
        String[] ranking = {PROMPT, "--choices", choices.toString(), "--json"};
        String ranked = run("score", ranking).done().out();
        for (int i = 0; i < 2; i++) {
            String[] all = Stream.concat(Stream.of(ranking), Stream.of("--prefix-store", store))
                    .toArray(String[]::new);
            assertThat(run("score", all).done().out()).isEqualTo(ranked);
        }
        assertThat(list()).as("the same pages").hasSize(files);

        List<Integer> cached = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            String[] chat = all("chat", "--json", "--seed", "2", "--prefix-store", store, "--max-new-tokens", "4");
            String out = Program.runWithInput(PROMPT, chat).out();
            cached.add(JsonMapper.shared()
                    .readTree(out)
                    .at("/timing/cached_tokens")
                    .intValue());
        }
        assertThat(cached.get(0)).isZero();
        assertThat(cached.get(1)).isGreaterThan(255);
    }

    @Test
    void theFolderIsListedVerifiedAndPruned() throws Exception {
        run("generate", PROMPT, "--prefix-store", store, "--max-new-tokens", "1")
                .done();
        int files = list().size();
        assertThat(run("snapshot list " + store).done().out())
                .matches("%d files, \\d+\\.\\d MB, 1 models in %s\\R".formatted(files, store));
        assertThat(run("snapshot verify " + store).done().out())
                .isEqualTo(files + " files verified, 0 wrong, 0 of other models\n");
        assertThat(run("snapshot verify " + store, "--sample", "1", "--json")
                        .json()
                        .get("verified")
                        .intValue())
                .isBetween(1, files);
        JsonNode others =
                run("snapshot verify " + store, "--json", "--kv-dtype", "bf16").json();
        assertThat(others.get("others").intValue()).isEqualTo(files);
        Path wrong = Path.of(list().get(2).get("file").stringValue());
        byte[] bytes = Files.readAllBytes(wrong);
        bytes[bytes.length - 1] ^= 1;
        Files.write(wrong, bytes);
        Program.Run found = run("snapshot verify " + store);
        assertThat(found.status()).isEqualTo(1);
        assertThat(found.err())
                .startsWith(wrong + ": expected the bits that the model computes")
                .containsOnlyOnce("\n");
        assertThat(run("snapshot prune " + store, "--size", "0.000001").done().out())
                .endsWith(" files deleted\n");
        assertThat(list()).isEmpty();
    }

    @Test
    void wrongUsageAndFoldersOfOthersAreRefused() throws Exception {
        run("snapshot list " + folder.resolve("none"))
                .refused(1, "none: expected to be able to use this file, got no such file");
        run("snapshot look " + store).refused(2, "ACTION: expected list, verify or prune, got");
        run("snapshot verify " + store, "--sample", "-1").refused(2, "sample: expected at least 1 file");
        run("snapshot prune " + store, "--size", "-1").refused(2, "size: expected at least 0 GB, got -1");
        run("generate", "x", "--prefix-store", store, "--prefix-store-size", "-1")
                .refused(2, "prefix-store-size: expected at least 0 GB, got -1");
        Path open = Files.createDirectory(folder.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxr-xr-x"));
        for (String command : List.of("generate", "score", "serve")) {
            String[] text = command.equals("serve") ? new String[] {"--port", "0"} : new String[] {"Emma was"};
            String[] all = Stream.concat(Stream.of(text), Stream.of("--prefix-store", open.toString()))
                    .toArray(String[]::new);
            run(command, all)
                    .refused(1, "open: expected a folder of this user alone (mode 0700)", "got mode rwxr-xr-x");
        }
    }
}
