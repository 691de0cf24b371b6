package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The documented rules of the cache that is shared with Python, checked on every file; apart from the code that writes it. */
final class CacheRules {
    private static final String COMMIT = "[0-9a-f]{40}";
    private static final String HASH = "[0-9a-f]{40}|[0-9a-f]{64}";

    private CacheRules() {}

    static void check(Path cache) throws IOException {
        for (Path model : children(cache)) {
            if (model.getFileName().toString().equals(".locks")) {
                for (Path locks : children(model)) {
                    assertThat(children(locks)).allMatch(lock -> name(lock).matches("(" + HASH + ")\\.lock"));
                }
            } else {
                assertThat(name(model)).matches("models--[^/]+--[^/]+");
                assertThat(children(model))
                        .allMatch(each -> List.of("blobs", "refs", "snapshots").contains(name(each)));
                checkBlobs(model.resolve("blobs"));
                checkSnapshots(model);
                checkRefs(model);
            }
        }
    }

    private static void checkBlobs(Path blobs) throws IOException {
        for (Path blob : children(blobs)) {
            assertThat(Files.isRegularFile(blob, LinkOption.NOFOLLOW_LINKS))
                    .as(blob.toString())
                    .isTrue();
            if (!name(blob).matches("(" + HASH + ")\\.incomplete")) {
                assertThat(name(blob)).matches(HASH);
                String kind = name(blob).length() == 64 ? "large.bin" : "small";
                assertThat(LoopbackHub.hash(kind, Files.readAllBytes(blob))).isEqualTo(name(blob));
            }
        }
    }

    private static void checkSnapshots(Path model) throws IOException {
        for (Path snapshot : children(model.resolve("snapshots"))) {
            assertThat(name(snapshot)).matches(COMMIT);
            try (Stream<Path> files = Files.walk(snapshot)) {
                for (Path file : files.filter(each -> !Files.isDirectory(each)).toList()) {
                    assertThat(file).isSymbolicLink();
                    String up = "../".repeat(snapshot.relativize(file).getNameCount() + 1);
                    assertThat(Files.readSymbolicLink(file).toString()).matches(up + "blobs/(" + HASH + ")");
                    assertThat(file.toRealPath().getParent())
                            .isEqualTo(model.resolve("blobs").toRealPath());
                }
            }
        }
    }

    private static void checkRefs(Path model) throws IOException {
        if (Files.exists(model.resolve("refs"))) {
            try (Stream<Path> refs = Files.walk(model.resolve("refs"))) {
                for (Path ref : refs.filter(each -> !Files.isDirectory(each)).toList()) {
                    assertThat(Files.readString(ref)).matches(COMMIT);
                    assertThat(model.resolve("snapshots").resolve(Files.readString(ref)))
                            .isDirectory();
                }
            }
        }
    }

    private static String name(Path path) {
        return path.getFileName().toString();
    }

    private static List<Path> children(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return List.of();
        }
        try (Stream<Path> children = Files.list(folder)) {
            return children.toList();
        }
    }
}
