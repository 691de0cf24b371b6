package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pulls models and finds them in the cache. */
class HubTest {
    private static final ModelName TINY = ModelName.of("austen/tiny");
    private static final PullListener NONE = (_, _, _) -> {};

    @TempDir
    Path cache;

    private LoopbackHub server;

    @BeforeEach
    void open() throws IOException {
        server = new LoopbackHub();
    }

    @AfterEach
    void close() throws IOException {
        server.close();
        CacheRules.check(cache);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void aModelIsPulledWithTheFilesThatItNeedsAndNoOthersAndRuns() throws Exception {
        server.addAusten("austen/tiny");
        Pulled pulled = server.client(cache, LoopbackHub.TOKEN).pull(TINY, NONE);
        assertThat(pulled.files())
                .containsExactly(
                        "config.json",
                        "model.safetensors",
                        "tokenizer.json",
                        "chat_template.jinja",
                        "additional_chat_templates/tool_use.jinja");
        assertThat(pulled.path()).isEqualTo(cache.resolve("models--austen--tiny/snapshots/" + LoopbackHub.COMMIT));
        assertThat(pulled.fetchedBytes()).isEqualTo(pulled.bytes()).isGreaterThan(9_000_000);
        assertThat(pulled.commit()).isEqualTo(LoopbackHub.COMMIT);
        assertThat(ChatTemplate.read(pulled.path())).isPresent();
        GenerationOptions greedy = GenerationOptions.DEFAULT.withTemperature(0).withMaxNewTokens(5);
        try (Checkpoint checkpoint =
                        Checkpoint.open(pulled.path(), pulled.name().repository());
                CausalLM model = checkpoint.load(LoadOptions.DEFAULT);
                CausalLM embedded = AustenModel.load()) {
            assertThat(model.name()).isEqualTo("austen/tiny");
            assertThat(new Generator(model).generate("Emma was", greedy).tokens())
                    .isEqualTo(
                            new Generator(embedded).generate("Emma was", greedy).tokens());
        }
    }

    @Test
    void theTokenGoesToTheHubAndToNoOtherHost() throws Exception {
        server.addAusten("austen/tiny");
        server.client(cache, LoopbackHub.TOKEN).pull(TINY, NONE);
        assertThat(server.asked).anyMatch(each -> each.host().equals("other"));
        assertThat(server.asked)
                .allMatch(each -> (each.authorization() == null) == each.host().equals("other"));
    }

    @Test
    void aSecondPullTransfersNothing() throws Exception {
        server.addAusten("austen/tiny");
        Pulled first = server.client(cache).pull(TINY, NONE);
        server.asked.clear();
        Pulled second = server.client(cache).pull(TINY, NONE);
        assertThat(server.files()).isZero();
        assertThat(second).isEqualTo(new Pulled(TINY, first.commit(), first.path(), first.files(), first.bytes(), 0));
    }

    @Test
    void progressEndsWithAllBytes() throws Exception {
        server.addAusten("austen/tiny");
        List<Long> seen = new ArrayList<>();
        Pulled pulled = server.client(cache).pull(TINY, (_, done, total) -> {
            assertThat(done).isBetween(0L, total);
            seen.add(done);
        });
        assertThat(seen).isSorted().endsWith(pulled.bytes());
    }

    @Test
    void aRevisionIsABranchATagACommitOrHasSlashes() throws Exception {
        server.addAusten("austen/tiny");
        for (String revision : List.of(LoopbackHub.COMMIT, "main", "v1.0", "refs/pr/1")) {
            ModelName name = ModelName.of("austen/tiny@" + revision);
            assertThat(server.client(cache).find(name)).isEmpty();
            Path path = server.client(cache).pull(name, NONE).path();
            assertThat(server.client(cache).find(name)).contains(path);
            Path ref = cache.resolve("models--austen--tiny/refs").resolve(revision);
            if (revision.equals(LoopbackHub.COMMIT)) {
                assertThat(ref).doesNotExist();
            } else {
                assertThat(ref).hasContent(LoopbackHub.COMMIT);
            }
        }
    }

    @Test
    void aRenamedRepositoryIsFollowedAndKeepsTheNameThatWasGiven() throws Exception {
        server.addAusten("austen/tiny");
        ModelName old = ModelName.of("old/tiny");
        Path path = server.client(cache, LoopbackHub.TOKEN).pull(old, NONE).path();
        assertThat(path).startsWith(cache.resolve("models--old--tiny"));
        assertThat(server.client(cache).find(old)).contains(path);
        assertThat(server.client(cache).find(TINY)).isEmpty();
    }

    @Test
    void ofShardsThoseOfTheIndexArePulled() throws Exception {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("config.json", utf8("{}"));
        files.put(
                "model.safetensors.index.json",
                utf8("{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\"}}"));
        for (int i = 1; i <= 3; i++) {
            files.put("model-" + i + ".safetensors", LoopbackHub.bytes(i));
        }
        server.add("austen/tiny", files);
        Pulled pulled = server.client(cache).pull(TINY, NONE);
        assertThat(pulled.files())
                .containsExactly(
                        "config.json", "model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors");
        assertThat(server.client(cache).find(TINY)).contains(pulled.path());
        Path link = pulled.path().resolve("model-2.safetensors");
        Files.delete(link);
        assertThat(server.client(cache).find(TINY)).isEmpty();
        assertThatThrownBy(() -> offline().pull(TINY, NONE)).hasMessageContaining("got none that is whole");
        assertThat(server.client(cache).pull(TINY, NONE).fetchedBytes()).isZero();
        assertThat(offline().pull(TINY, NONE).files()).containsExactlyInAnyOrderElementsOf(pulled.files());
        assertThat(link).hasBinaryContent(LoopbackHub.bytes(2));
    }

    @Test
    void anIndexOfOtherFilesIsRefused() throws Exception {
        pullIsRefused("../../model.safetensors", "expected the plain name of a .safetensors file");
        pullIsRefused("absent.safetensors", "austen/tiny: expected an index of files in the repository");
    }

    private void pullIsRefused(String named, String said) throws Exception {
        byte[] index = utf8("{\"weight_map\": {\"a\": \"" + named + "\"}}");
        server.add("austen/tiny", Map.of("config.json", utf8("{}"), "model.safetensors.index.json", index));
        assertThatThrownBy(() -> server.client(cache).pull(TINY, NONE)).hasMessageContaining(said);
        assertThat(cache.resolve("models--austen--tiny/snapshots")).doesNotExist();
    }

    @Test
    void ofGgufFilesThoseThatMatchArePulled() throws Exception {
        Map<String, byte[]> files = new LinkedHashMap<>();
        for (String path : List.of(
                "tiny-Q4_K_M.gguf",
                "tiny-Q8_0.gguf",
                "Q6_K/tiny-Q6_K-00001-of-00002.gguf",
                "Q6_K/tiny-Q6_K-00002-of-00002.gguf",
                "config.json")) {
            files.put(path, utf8(path));
        }
        server.add("austen/tiny", files);
        assertThatThrownBy(() -> server.client(cache).pull(TINY, NONE))
                .hasMessageContaining("got GGUF files; run causal4j pull ");
        assertThatThrownBy(() -> server.client(cache).pull(TINY, "IQ2", NONE))
                .hasMessageContaining(
                        "expected GGUF files that match IQ2, got [tiny-Q4_K_M.gguf, tiny-Q8_0.gguf, Q6_K/");
        assertThatThrownBy(() -> server.client(cache).pull(TINY, "[", NONE))
                .hasMessageContaining("expected GGUF files that match [, got [tiny");

        Pulled one = server.client(cache).pull(TINY, "q4_k_m", NONE);
        assertThat(one.files()).containsExactly("tiny-Q4_K_M.gguf");
        assertThat(one.path()).hasFileName("tiny-Q4_K_M.gguf").hasContent("tiny-Q4_K_M.gguf");
        assertThat(server.client(cache).find(TINY)).contains(one.path());

        Pulled parts = server.client(cache).pull(TINY, "Q6_K/*", NONE);
        assertThat(parts.files()).hasSize(2);
        assertThat(parts.path()).hasFileName("tiny-Q6_K-00001-of-00002.gguf");
        assertThat(offline().pull(TINY, "q4", NONE))
                .isEqualTo(new Pulled(TINY, one.commit(), one.path(), one.files(), one.bytes(), 0));
        assertThat(offline().pull(TINY, "Q6", NONE))
                .isEqualTo(new Pulled(TINY, one.commit(), parts.path(), parts.files(), parts.bytes(), 0));
        assertThatThrownBy(() -> offline().pull(TINY, "Q8", NONE))
                .hasMessageContaining("expected GGUF files that match Q8, got [Q6_K/tiny-Q6_K-00001-of-00002.gguf, ");
        assertThatThrownBy(() -> offline().pull(TINY, NONE)).hasMessageContaining("got none that is whole");
        assertThatThrownBy(() -> offline().pull(TINY, "", NONE))
                .hasMessage(
                        "austen/tiny: expected a pattern of GGUF files, got an empty one; name a part of theirs: Q4_K_M");
        assertThatThrownBy(() -> server.client(cache).find(TINY))
                .hasMessageContaining("austen/tiny: expected one GGUF file in the cache, got ");
        Files.delete(one.path());
        assertThat(server.client(cache).find(TINY)).contains(parts.path());
        Files.delete(parts.path().resolveSibling("tiny-Q6_K-00002-of-00002.gguf"));
        assertThat(server.client(cache).find(TINY)).isEmpty();
        assertThatThrownBy(() -> offline().pull(TINY, "Q6", NONE)).hasMessageContaining("got none that is whole");
    }

    @Test
    void whatAnotherProgramHasBegunIsNotTakenForWhole() throws Exception {
        Path model = cache.resolve("models--austen--tiny");
        Path snapshot = Files.createDirectories(model.resolve("snapshots/" + LoopbackHub.COMMIT));
        Files.createDirectories(model.resolve("blobs"));
        Files.writeString(Files.createDirectories(model.resolve("refs")).resolve("main"), LoopbackHub.COMMIT);
        byte[] config = utf8("{}");
        String hash = LoopbackHub.hash("config.json", config);
        Files.write(model.resolve("blobs").resolve(hash), config);
        Files.createSymbolicLink(snapshot.resolve("config.json"), Path.of("../../blobs/" + hash));
        assertThat(server.client(cache).find(TINY)).isEmpty();
        server.addAusten("austen/tiny");
        assertThat(server.client(cache).pull(TINY, NONE).path()).isEqualTo(snapshot);
        assertThat(server.client(cache).find(TINY)).contains(snapshot);
        assertThat(CausalLM.load(snapshot).head().vocabularySize()).isEqualTo(3072);
    }

    @Test
    void offlineTheCacheAloneIsAsked() throws Exception {
        server.addAusten("austen/tiny");
        assertThatThrownBy(() -> offline().pull(TINY, NONE))
                .hasMessage("austen/tiny: expected a model in the cache, got none that is whole, and HF_HUB_OFFLINE is"
                        + " set; unset it to fetch one");
        assertThat(server.asked).isEmpty();
        Pulled pulled = server.client(cache).pull(TINY, NONE);
        server.asked.clear();
        Pulled again = offline().pull(TINY, NONE);
        assertThat(again.path()).isEqualTo(pulled.path());
        assertThat(again.files()).containsExactlyInAnyOrderElementsOf(pulled.files());
        assertThat(again.bytes()).isEqualTo(pulled.bytes());
        assertThat(offline().find(TINY)).contains(pulled.path());
        assertThat(server.asked).isEmpty();
    }

    private Hub offline() throws IOException {
        return Hub.of(Map.of("HF_ENDPOINT", server.url(), "HF_HUB_CACHE", cache.toString(), "HF_HUB_OFFLINE", "1"));
    }
}
