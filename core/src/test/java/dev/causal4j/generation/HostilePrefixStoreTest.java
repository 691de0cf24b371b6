package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.generation.PrefixStore.Verification;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** Files and folders that somebody else may have made are misses. */
class HostilePrefixStoreTest extends PrefixStoreFixture {
    /** A change of the folder, given the file of the fifth page. */
    private interface Attack {
        void on(Path file) throws Exception;
    }

    private static Attack bytes(UnaryOperator<byte[]> change) {
        return file -> Files.write(file, change.apply(Files.readAllBytes(file)));
    }

    private static Attack flip(int offset) { // from the end if negative
        return bytes(all -> {
            all[offset < 0 ? all.length + offset : offset] ^= 16;
            return all;
        });
    }

    /** Changes the header, and its checksum as well. */
    private static Attack forged(Consumer<ByteBuffer> change) {
        return bytes(all -> {
            ByteBuffer buffer = ByteBuffer.wrap(all);
            change.accept(buffer);
            CRC32C crc = new CRC32C();
            crc.update(all, 0, 128 + 4 * 64);
            buffer.putInt(128 + 4 * 64, (int) crc.getValue());
            return all;
        });
    }

    private static Attack instead(Attack other) {
        return file -> {
            Files.delete(file);
            other.on(file);
        };
    }

    /** Moves a file or folder elsewhere and lies something else in its place. */
    private Attack away(Attack other, boolean folder) {
        return file -> {
            Path moved = folder ? file.resolveSibling("") : file;
            Files.move(moved, temporary.resolve("moved"));
            other.on(moved);
        };
    }

    private static void pipe(Path path) throws Exception {
        assertThat(new ProcessBuilder("mkfifo", path.toString()).start().waitFor())
                .isZero();
    }

    private Map<String, Attack> attacks() {
        Map<String, Attack> all = new LinkedHashMap<>();
        for (int offset :
                new int[] {0, 7, 8, 12, 16, 20, 24, 32, 64, 96, 128, 128 + 255, 128 + 4 * 64, 400, -30_000, -1}) {
            all.put("bit flipped at " + offset, flip(offset));
        }
        for (int size : new int[] {0, 1, 63, 64, 128, 388, 5000}) {
            all.put("truncated to " + size, bytes(each -> Arrays.copyOf(each, size)));
        }
        all.put("a byte less", bytes(each -> Arrays.copyOf(each, each.length - 1)));
        all.put("a byte more", bytes(each -> Arrays.copyOf(each, each.length + 1)));
        all.put("twice as long", bytes(each -> Arrays.copyOf(each, 2 * each.length)));
        all.put("zeros", bytes(each -> new byte[each.length]));
        all.put("random", bytes(each -> {
            new Random(1).nextBytes(each);
            return each;
        }));
        all.put("another version", forged(header -> header.put(7, (byte) '2')));
        all.put("another kind", forged(header -> header.putInt(8, 1)));
        all.put("another index", forged(header -> header.putInt(12, 0)));
        all.put("huge count", forged(header -> header.putInt(16, Integer.MAX_VALUE)));
        all.put("negative count", forged(header -> header.putInt(16, -1)));
        all.put("no count", forged(header -> header.putInt(16, 0)));
        all.put("huge size", forged(header -> header.putLong(24, Long.MAX_VALUE)));
        all.put("another model", forged(header -> header.put(40, (byte) 1)));
        all.put("another name", forged(header -> header.put(70, (byte) 1)));
        all.put("another page before", forged(header -> header.put(100, (byte) 1)));
        all.put("another token", forged(header -> header.putInt(132, 59 - header.getInt(132))));
        all.put(
                "another page",
                file -> Files.copy(
                        files().stream()
                                .filter(each -> !each.equals(file))
                                .findFirst()
                                .orElseThrow(),
                        file,
                        StandardCopyOption.REPLACE_EXISTING));
        all.put("gone", Files::delete);
        all.put("a link to the file", away(file -> Files.createSymbolicLink(file, temporary.resolve("moved")), false));
        all.put("a link to nothing", instead(file -> Files.createSymbolicLink(file, temporary.resolve("nothing"))));
        all.put("a link to itself", instead(file -> Files.createSymbolicLink(file, file)));
        all.put("a link to a device", instead(file -> Files.createSymbolicLink(file, Path.of("/dev/zero"))));
        all.put("a pipe", instead(HostilePrefixStoreTest::pipe));
        all.put("a folder", instead(Files::createDirectory));
        all.put("a link to its folder", away(each -> Files.createSymbolicLink(each, temporary.resolve("moved")), true));
        all.put("a link instead of its folder", away(each -> Files.createSymbolicLink(each, temporary), true));
        all.put("a file instead of its folder", away(each -> Files.writeString(each, "x"), true));
        all.put("a pipe instead of its folder", away(HostilePrefixStoreTest::pipe, true));
        return all;
    }

    /** A hostile file is a miss, and is replaced by the right one. */
    @Test
    void anyDoubtAboutAFileIsAMiss() throws Exception {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 400);
        GenerationOptions one = options().withMaxNewTokens(1);
        assertEqual(prompt, one);
        Path file =
                files().stream().filter(each -> index(each) == 4).findFirst().orElseThrow();
        byte[] right = Files.readAllBytes(file);
        Map<String, Attack> attacks = attacks();
        assertThat(attacks).hasSizeGreaterThan(40);
        for (Map.Entry<String, Attack> each : attacks.entrySet()) {
            Path moved = temporary.resolve("moved");
            each.getValue().on(file);
            assertThat(assertEqual(prompt, one)).as(each.getKey()).isLessThanOrEqualTo(256);
            assertThat(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS))
                    .as(each.getKey())
                    .isTrue();
            assertThat(Files.readAllBytes(file)).as(each.getKey()).isEqualTo(right);
            if (Files.isDirectory(moved)) {
                assertThat(files(moved)).as(each.getKey()).isNotEmpty();
                files(moved).forEach(other -> other.toFile().delete());
            }
            Files.deleteIfExists(moved);
            assertThat(assertEqual(prompt, one)).as(each.getKey()).isEqualTo(384);
        }
    }

    private static int index(Path file) {
        try {
            return ByteBuffer.wrap(Files.readAllBytes(file)).getInt(12);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A folder with something in it in place of a file stays, and what has foreign names. */
    @Test
    void whatCannotBeDeletedIsAMissToo() throws Exception {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 400);
        assertEqual(prompt);
        Path file =
                files().stream().filter(each -> index(each) == 4).findFirst().orElseThrow();
        Files.delete(file);
        Files.createDirectories(file.resolve("x"));
        List<Path> foreign = List.of(
                folder().resolve("x"),
                folder().resolve("ab").resolve("x.page"),
                folder().resolve("ab").resolve("AB".repeat(32) + ".page"),
                folder().resolve("ab").resolve("z".repeat(200)),
                folder().resolve("ab").resolve("." + "ab".repeat(32) + ".tmp"));
        for (Path each : foreign) {
            Files.createDirectories(each.getParent());
            Files.writeString(each, "foreign");
        }
        pipe(folder().resolve("ab").resolve("pipe"));
        Files.createSymbolicLink(folder().resolve("up"), folder());
        assertThat(assertEqual(prompt)).isEqualTo(256);
        PrefixStore store = PrefixStore.open(folder(), 0);
        assertThat(store.list()).hasSize(5);
        assertThat(store.verify(model, 0)).isEqualTo(new Verification(4, List.of(), 1));
        assertThat(store.prune(0)).isEqualTo(5);
        assertThat(foreign).allMatch(Files::exists);
    }

    /** A checksum finds accidents, not attackers. */
    @Test
    void verifyingFindsNumbersThatWereChangedWithTheirChecksum() throws Exception {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 400);
        assertEqual(prompt);
        Path file =
                files().stream().filter(each -> index(each) == 4).findFirst().orElseThrow();
        forged(header -> {
                    int last = header.limit() - 1;
                    header.put(last, (byte) (header.get(last) ^ 1));
                    CRC32C numbers = new CRC32C();
                    numbers.update(header.duplicate().position(128 + 4 * 64 + 4));
                    header.putInt(20, (int) numbers.getValue());
                })
                .on(file);
        assertThat(PrefixStore.open(folder(), 0).verify(model, 0)).isEqualTo(new Verification(5, List.of(file), 0));
        assertThat(assertThatIsServed(prompt)).isEqualTo(384);
    }

    /** The number of tokens is looked at before memory is taken for them. */
    @Test
    void hugeCountsAreNotAllocated() throws Exception {
        load("gpt2", DType.F32);
        for (int count : new int[] {Integer.MAX_VALUE, 1 << 30, 65}) {
            assertEqual(prompt(1, 400));
            Path file = files().stream()
                    .filter(each -> index(each) == 4)
                    .findFirst()
                    .orElseThrow();
            forged(header -> header.putInt(16, count)).on(file);
            assertThat(PrefixStore.open(folder(), 0).list()).hasSize(5);
            assertThat(file).doesNotExist();
        }
    }

    /** A page is wrong that says to be at another place, and so are those after it. */
    @Test
    void verifyingFindsPagesThatCannotFollowEachOther() throws Exception {
        load("gpt2", DType.F32);
        assertEqual(prompt(1, 400));
        Map<Integer, Path> pages = new LinkedHashMap<>();
        for (Path each : files()) {
            pages.put(index(each), each);
        }
        Path fifth = Objects.requireNonNull(pages.get(4));
        forged(header -> header.putInt(12, 0)).on(fifth);
        List<Path> wrong = List.of(fifth, Objects.requireNonNull(pages.get(5)));
        assertThat(PrefixStore.open(folder(), 0).verify(model, 0)).isEqualTo(new Verification(4, wrong, 0));
    }

    private int assertThatIsServed(int[] prompt) throws IOException {
        try (Engine engine = engine()) {
            return generate(engine, prompt, options()).timing().cachedTokens();
        }
    }

    @Test
    void aFolderThatOthersMayUseIsRefused() throws Exception {
        Path folder = Files.createDirectory(temporary.resolve("others"));
        for (String mode : List.of("rwxr-xr-x", "rwxrwx---", "rwx-----x", "rwxrwxrwx", "rwx--x---", "r-x------")) {
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString(mode));
            refused(folder, "mode " + mode);
        }
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
        assertThat(PrefixStore.open(folder, 1).list()).isEmpty();
        refused(Files.createSymbolicLink(temporary.resolve("link"), folder), "something else");
        refused(Files.createSymbolicLink(temporary.resolve("dangling"), temporary.resolve("none")), "something else");
        refused(Files.writeString(temporary.resolve("file"), "x"), "something else");
        pipe(temporary.resolve("pipe"));
        refused(temporary.resolve("pipe"), "something else");
        refused(Path.of("/"), "mode ");
    }

    private static void refused(Path folder, String got) {
        assertThatThrownBy(() -> PrefixStore.open(folder, 1))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(folder + ": expected a folder of this user alone (mode 0700), and no link, got ")
                .hasMessageContaining(got);
    }

    /** As on a disk that is full, or was mounted read-only: here the place of the folders is taken. */
    @Test
    void aFolderThatCannotBeWrittenToWarnsOnceAndFailsNothing() throws Exception {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 400);
        try (Engine engine = engine()) {
            Files.delete(folder());
            Generation made = generate(engine, prompt, options());
            assertThat(generate(engine, prompt(2, 700), options()).tokens()).hasSize(6);
            try (Engine alone = new Engine(model)) {
                assertThat(made.predictions())
                        .isEqualTo(generate(alone, prompt, options()).predictions());
            }
        }
        assertThat(folder()).doesNotExist();
    }
}
