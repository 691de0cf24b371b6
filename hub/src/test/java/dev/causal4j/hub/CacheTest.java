package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Lists models in a cache and deletes them, also in a cache that another program made. */
class CacheTest {
    private static final String OLD = "1".repeat(40);
    private static final String NEW = "2".repeat(40);

    @TempDir
    Path folder;

    private Path cache() throws IOException {
        return Files.createDirectories(folder.resolve("cache"));
    }

    private Hub hub() throws IOException {
        return Hub.of(Map.of("HF_HUB_CACHE", cache().toString()));
    }

    /** Adds a file to a snapshot, with the content as its blob's name. */
    private void add(String model, String commit, String file, String content) throws IOException {
        Path home = cache().resolve("models--" + model);
        Path blob = Files.createDirectories(home.resolve("blobs")).resolve(content);
        Files.writeString(blob, content);
        Path link = home.resolve("snapshots/" + commit).resolve(file);
        Path folder = Files.createDirectories(link.resolveSibling(""));
        Files.createSymbolicLink(link, folder.relativize(blob));
    }

    private void refer(String model, String ref, String commit) throws IOException {
        Path file = cache().resolve("models--" + model + "/refs").resolve(ref);
        Files.createDirectories(file.resolveSibling(""));
        Files.writeString(file, commit);
    }

    private List<String> names() throws IOException {
        return hub().list().stream().map(each -> each.name().toString()).toList();
    }

    @Test
    void modelsAreListedByAllTheirNames() throws Exception {
        assertThat(names()).isEmpty();
        add("b--two", NEW, "config.json", "12345");
        add("b--two", NEW, "onnx/x.onnx", "123");
        add("b--two", OLD, "config.json", "1");
        refer("b--two", "main", NEW);
        refer("b--two", "refs/pr/1", NEW);
        add("a--one", OLD, "config.json", "1");
        refer("a--one", "v1", OLD);
        Files.createDirectories(cache().resolve("models--a--..--b/snapshots/" + OLD));
        Files.createDirectories(cache().resolve("datasets--a--b/snapshots/" + OLD));
        Files.createFile(cache().resolve("models--a--file"));
        assertThat(names()).containsExactly("a/one@v1", "b/two@" + OLD, "b/two", "b/two@refs/pr/1");
        Pulled two = hub().list().get(2);
        assertThat(two.commit()).isEqualTo(NEW);
        assertThat(two.bytes()).isEqualTo(8);
        assertThat(two.files()).containsExactly("config.json", "onnx/x.onnx");
        assertThat(two.path()).isEqualTo(cache().resolve("models--b--two/snapshots/" + NEW));
    }

    @Test
    void whatNoOtherSnapshotUsesIsFreed() throws Exception {
        add("a--b", OLD, "config.json", "shared");
        add("a--b", OLD, "model.safetensors", "of the old one");
        add("a--b", NEW, "config.json", "shared");
        add("a--b", NEW, "model.safetensors", "of the new one, longer");
        refer("a--b", "main", NEW);
        refer("a--b", "v1", OLD);
        hub().remove(ModelName.of("a/b@v1"));
        assertThat(names()).containsExactly("a/b");
        Path home = cache().resolve("models--a--b");
        assertThat(home.resolve("blobs/shared")).exists();
        assertThat(home.resolve("blobs/of the old one")).doesNotExist();
        assertThat(home.resolve("refs/v1")).doesNotExist();
        assertThat(home.resolve("snapshots/" + NEW + "/model.safetensors"))
                .content()
                .startsWith("of the new");
        hub().remove(ModelName.of("a/b@" + NEW));
        assertThat(cache()).isEmptyDirectory();
    }

    @Test
    void aCacheMayBeALink() throws Exception {
        add("a--b", NEW, "config.json", "1");
        refer("a--b", "main", NEW);
        Path link = Files.createSymbolicLink(folder.resolve("link"), cache());
        Hub hub = Hub.of(Map.of("HF_HUB_CACHE", link.toString()));
        assertThat(hub.list()).extracting(each -> each.name().toString()).containsExactly("a/b");
        hub.remove(ModelName.of("a/b"));
        assertThat(cache()).isEmptyDirectory();
    }

    @Test
    void whatAnInterruptedPullLeftIsDeleted() throws Exception {
        Path blobs = Files.createDirectories(cache().resolve("models--a--b/blobs"));
        Files.writeString(blobs.resolve("1.incomplete"), "a part");
        Files.createDirectory(cache().resolve(".causal4j-1.tmp")); // of a removal that was killed
        hub().remove(ModelName.of("a/b"));
        assertThat(cache()).isEmptyDirectory();
    }

    @Test
    void whatIsNotThereIsRefused() throws Exception {
        add("a--b", OLD, "config.json", "1");
        for (String none : List.of("a/b", "a/c", "a/b@" + NEW, "a/b@snapshots")) {
            assertThatThrownBy(() -> hub().remove(ModelName.of(none)))
                    .hasMessage(
                            none + ": expected a model in the cache, got none; see what there is with causal4j list");
        }
        assertThat(names()).containsExactly("a/b@" + OLD);
    }

    /** Somebody else's links may lead anywhere. */
    @Test
    void nothingOutsideOfTheCacheIsDeleted() throws Exception {
        Path outside = Files.createDirectories(folder.resolve("outside/blobs"));
        Path kept = Files.writeString(outside.resolve("kept"), "kept");
        add("a--b", OLD, "config.json", "1");
        add("a--b", NEW, "config.json", "2");
        Path snapshot = cache().resolve("models--a--b/snapshots/" + OLD);
        Files.createSymbolicLink(snapshot.resolve("model.safetensors"), kept);
        Files.createSymbolicLink(snapshot.resolve("folder"), outside);
        hub().remove(ModelName.of("a/b@" + OLD));
        assertThat(kept).exists();
        assertThat(snapshot).doesNotExist();

        for (String part : List.of("", "/snapshots", "/snapshots/" + OLD, "/blobs")) {
            add("c--d", OLD, "config.json", "1");
            add("c--d", NEW, "config.json", "2");
            Path link = cache().resolve("models--c--d" + part);
            Path moved = folder.resolve("moved" + part.replace("/", "-"));
            Files.move(link, moved);
            Files.createSymbolicLink(link, moved);
            assertThatThrownBy(() -> hub().remove(ModelName.of("c/d@" + OLD))).hasMessageContaining("got none");
            assertThat(moved).isNotEmptyDirectory();
            Files.delete(link);
            Files.move(moved, link);
            hub().remove(ModelName.of("c/d@" + OLD));
            hub().remove(ModelName.of("c/d@" + NEW));
            assertThat(cache().resolve("models--c--d")).doesNotExist();
        }
    }
}
