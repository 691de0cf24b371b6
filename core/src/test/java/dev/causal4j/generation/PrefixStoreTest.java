package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.Whole;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.PrefixStore.Entry;
import dev.causal4j.generation.PrefixStore.Verification;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Prefixes that were written to a folder are read by another engine, with the same bits. */
class PrefixStoreTest {
    private static final int VOCABULARY = 60;

    @TempDir
    Path temporary;

    private CausalLM model = CausalLM.create(SmallModels.gpt2(2, 2, 4, 1, 1), 1, DType.F32);

    private int capacity = model.decoder().pool().freePages();

    @AfterEach
    void allPagesAreFree() {
        PagePool pool = model.decoder().pool();
        assertThat(pool.reclaim()).isFalse();
        assertThat(pool.freePages()).isEqualTo(capacity);
        model.close();
    }

    /** A fixture with a longer context, or a small GPT-2. */
    private CausalLM load(String name, DType cached) throws IOException {
        Path folder = Files.createDirectories(temporary.resolve("models").resolve(name));
        if (name.equals("gpt2")) {
            try (CausalLM made = CausalLM.create(SmallModels.gpt2(VOCABULARY, 2048, 40, 2, 4), 5, DType.F32)) {
                made.save(folder, DType.F32);
            }
        } else {
            Path golden = Path.of(Objects.requireNonNull(getClass().getResource("/dev/causal4j/golden/" + name))
                    .getPath());
            String config = Files.readString(golden.resolve("config.json"))
                    .replaceAll("(\"max_position_embeddings\": )\\d+", "$12048");
            Files.writeString(folder.resolve("config.json"), config);
            Files.copy(golden.resolve("model.safetensors"), folder.resolve("model.safetensors"));
        }
        return load(folder, cached);
    }

    private CausalLM load(Path folder, DType cached) throws IOException {
        model.close();
        model = CausalLM.load(folder, LoadOptions.DEFAULT.withDigests(true).withCached(cached));
        capacity = model.decoder().pool().freePages();
        return model;
    }

    private Path folder() {
        return temporary.resolve("store");
    }

    private Engine engine() throws IOException {
        return engine(PrefixStore.DEFAULT_BYTES);
    }

    private Engine engine(long bytes) throws IOException {
        return new Engine(model, EngineOptions.DEFAULT.withPrefixStore(PrefixStore.open(folder(), bytes)));
    }

    static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 0, VOCABULARY).toArray();
    }

    private static int[] joined(int[] begin, int[] end) {
        return IntStream.concat(IntStream.of(begin), IntStream.of(end)).toArray();
    }

    static GenerationOptions options() {
        return GenerationOptions.DEFAULT.withMaxNewTokens(6).withSeed(3).withLogProbabilities(2);
    }

    private static Generation generate(Engine engine, int[] prompt, GenerationOptions options) {
        return engine.submit(new GenerationRequest(prompt, options), TokenListener.NONE)
                .join();
    }

    /** Generates by an engine of its own, and compares with one without a store. Returns the number of cached tokens. */
    private int assertEqual(int[] prompt, GenerationOptions options) throws IOException {
        try (Engine alone = new Engine(model);
                Engine engine = engine()) {
            Generation expected = generate(alone, prompt, options);
            Generation actual = generate(engine, prompt, options);
            assertThat(actual.tokens()).isEqualTo(expected.tokens());
            assertThat(actual.predictions()).isEqualTo(expected.predictions());
            return actual.timing().cachedTokens();
        }
    }

    private int assertEqual(int[] prompt) throws IOException {
        return assertEqual(prompt, options());
    }

    private List<Path> files() throws IOException {
        return files(folder());
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder, 2)) {
            return all.filter(Files::isRegularFile).sorted().toList();
        }
    }

    /** With states a prompt continues from its last full page, without any from all of its tokens but the last. */
    @ParameterizedTest
    @CsvSource({
        "gpt2, F32, 640, 640",
        "gpt2, BF16, 640, 640",
        "qwen3-tied, BF16, 640, 640",
        "llama-llama3, F32, 640, 640",
        "gemma3, F32, 640, 640",
        "gemma2, BF16, 640, 640",
        "qwen3_5, F32, 640, 1024",
        "lfm2, F32, 640, 1024",
        "granite4-h, BF16, 640, 1024"
    })
    void aPromptContinuesFromItsPagesInTheFolder(String name, DType cached, int second, int third) throws IOException {
        load(name, cached);
        int[] prompt = prompt(1, 700);
        assertThat(assertEqual(prompt)).isZero();
        assertThat(assertEqual(prompt)).isEqualTo(second);
        int[] longer = joined(prompt, prompt(2, 500));
        assertThat(assertEqual(longer)).as("or from the end of the first text").isBetween(second, 705);
        assertThat(assertEqual(joined(IntStream.of(longer).limit(1150).toArray(), prompt(3, 20))))
                .isEqualTo(third == 640 ? 1088 : third);
        Verification all = PrefixStore.open(folder(), 0).verify(model, 0);
        assertThat(all.wrong()).isEmpty();
        assertThat(all.others()).isZero();
        assertThat(all.verified()).isEqualTo(files().size()).isGreaterThan(17);
    }

    /** Pages of a finished conversation, of which the last is a part, continue in another process's engine. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void aConversationContinuesFromTheEndOfItsAnswer(String name) throws IOException {
        load(name, DType.F32);
        int[] prompt = prompt(1, 300);
        Generation answer;
        try (Engine engine = engine()) {
            answer = generate(engine, prompt, options().withMaxNewTokens(40).withMinNewTokens(40));
        }
        assertThat(answer.tokens()).hasSize(40);
        int[] next = joined(joined(prompt, answer.tokens()), prompt(2, 30));
        assertThat(assertEqual(next)).isEqualTo(name.equals("gpt2") ? 320 : 339);
        assertThat(PrefixStore.open(folder(), 0).verify(model, 0).wrong()).isEmpty();
    }

    @Test
    void shortPrefixesAreComputed() throws IOException {
        load("gpt2", DType.F32);
        GenerationOptions one = options().withMaxNewTokens(1);
        assertThat(assertEqual(prompt(1, 255), one)).isZero();
        assertThat(files()).isEmpty();
        assertThat(assertEqual(prompt(1, 256), one)).isZero();
        assertThat(files()).hasSize(4);
        assertThat(assertEqual(prompt(1, 257))).isEqualTo(256);
    }

    /** Sequences without a salt share nothing, and of others only those with the same. */
    @Test
    void saltsTellTenantsApart() throws IOException {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 400);
        assertEqual(prompt, options().uncached());
        assertThat(files()).isEmpty();
        assertEqual(prompt, options().withCacheSalt("one"));
        assertThat(files()).hasSize(6);
        for (GenerationOptions other :
                List.of(options(), options().uncached(), options().withCacheSalt("two"))) {
            assertThat(assertEqual(prompt, other)).isZero();
        }
        assertThat(files()).hasSize(18);
        assertThat(assertEqual(prompt, options().withCacheSalt("one"))).isEqualTo(384);
    }

    @Test
    void otherModelsAndDtypesHaveOtherNames() throws IOException {
        int[] prompt = prompt(1, 400);
        for (DType cached : List.of(DType.F32, DType.BF16)) {
            load("gpt2", cached);
            assertThat(assertEqual(prompt)).isZero();
            assertThat(assertEqual(prompt)).isEqualTo(384);
            deleteModel();
        }
        assertThat(PrefixStore.open(folder(), 0).list().stream()
                        .map(Entry::model)
                        .distinct())
                .hasSize(2);
        Verification some = PrefixStore.open(folder(), 0).verify(model, 0);
        assertThat(some).isEqualTo(new Verification(6, List.of(), 6));
        try (CausalLM plain = CausalLM.create(SmallModels.gpt2(VOCABULARY, 300, 40, 2, 4), 5, DType.F32)) {
            EngineOptions options = EngineOptions.DEFAULT.withPrefixStore(PrefixStore.open(folder(), 0));
            assertThatThrownBy(() -> new Engine(plain, options))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("withDigests(true)");
        }
    }

    private void deleteModel() throws IOException {
        Path models = temporary.resolve("models/gpt2");
        for (Path file : List.of(models.resolve("config.json"), models.resolve("model.safetensors"))) {
            Files.delete(file);
        }
    }

    /** Many sequences at once, little memory, and a bound that deletes files while they are read. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void sequencesTogetherHaveTheBitsOfEachAlone(String name) throws IOException {
        load(name, DType.F32);
        long page =
                model.decoder().pool().pageBytes() + 2 * model.decoder().pool().stateBytes();
        List<int[]> texts = IntStream.range(0, 24)
                .mapToObj(i -> joined(
                        IntStream.of(prompt(i % 3, 1500)).limit(300 + 40 * i).toArray(), prompt(20 + i, i)))
                .toList();
        for (long bytes : List.of(40 * page, PrefixStore.DEFAULT_BYTES, PrefixStore.DEFAULT_BYTES)) {
            try (Engine alone = new Engine(model);
                    Engine engine = engine(bytes)) {
                List<CompletableFuture<Generation>> all = texts.stream()
                        .map(text -> engine.submit(new GenerationRequest(text, options()), TokenListener.NONE))
                        .toList();
                for (int i = 0; i < texts.size(); i++) {
                    assertThat(all.get(i).join().predictions())
                            .as("text %d", i)
                            .isEqualTo(generate(alone, texts.get(i), options()).predictions());
                }
            }
        }
        assertThat(PrefixStore.open(folder(), 0).verify(model, 5).wrong()).isEmpty();
    }

    /** More prompts than memory keeps: pages that were read go before those that they follow, and each once. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void pagesThatWereReadAreEvictedFromTheirEnd(String name) throws IOException, InterruptedException {
        load(name, DType.F32);
        List<int[]> prompts =
                IntStream.range(0, 9).mapToObj(i -> prompt(i, 900)).toList();
        for (int round = 0; round < 2; round++) {
            try (Engine engine = engine()) {
                for (int[] each : prompts) {
                    Generation made = generate(engine, each, options().withMaxNewTokens(1));
                    assertThat(made.timing().cachedTokens()).isEqualTo(896 * round);
                }
                for (int i = 0; i < 3; i++) {
                    generate(engine, prompt(20 + i, 1900), options().uncached());
                    generate(engine, prompt(20 + i, 1900), options());
                }
                PagePool pool = model.decoder().pool();
                await(() -> !pool.reclaim() && pool.freePages() == capacity); // the store holds a page for a moment
            }
        }
    }

    private static void await(BooleanSupplier holds) throws InterruptedException {
        for (int i = 0; i < 2000 && !holds.getAsBoolean(); i++) {
            Thread.sleep(5);
        }
        assertThat(holds.getAsBoolean()).isTrue();
    }

    /** Pages that an engine computed are known by their names, too. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void whatIsInMemoryIsNotReadAgain(String name) throws IOException, InterruptedException {
        load(name, DType.F32);
        int[] prompt = prompt(1, 900);
        PagePool pool = model.decoder().pool();
        try (Engine engine = engine()) {
            Generation first = generate(engine, prompt, options());
            await(() -> storedFiles() >= 14);
            Thread.sleep(200); // after the last file
            int free = pool.freePages();
            for (int i = 0; i < 3; i++) {
                Generation again = generate(engine, prompt, options());
                assertThat(again.tokens()).isEqualTo(first.tokens());
                assertThat(again.timing().cachedTokens()).isEqualTo(896);
                await(() -> pool.freePages() == free);
            }
        }
    }

    private long storedFiles() {
        try {
            return PrefixStore.open(folder(), 0).list().size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Other caches hold all but few pages: reading takes none of a sequence, and no sequence fails. */
    @Test
    void withoutFreePagesPromptsAreComputed() throws IOException {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 700);
        assertEqual(prompt);
        for (int free : new int[] {13, 14, 20, 30}) {
            var others = EngineFixture.fill(model, free);
            try {
                try (Engine engine = engine()) {
                    List<CompletableFuture<Generation>> all = IntStream.range(0, 4)
                            .mapToObj(i -> engine.submit(
                                    new GenerationRequest(i < 3 ? prompt : prompt(9, 700), options()),
                                    TokenListener.NONE))
                            .toList();
                    all.forEach(each -> assertThat(each.join().tokens()).hasSize(6));
                }
            } finally {
                others.forEach(each -> each.close());
            }
        }
        assertThat(assertEqual(prompt)).isEqualTo(640);
    }

    /** The page that was used last stays, and the pages before it. */
    @Test
    void theOldestFilesGoFirstAndPagesAfterThoseThatFollowThem() throws IOException {
        load("gpt2", DType.F32);
        int[] one = prompt(1, 600);
        int[] two = joined(IntStream.of(one).limit(320).toArray(), prompt(2, 280));
        int[] three = prompt(3, 600);
        for (int[] each : List.of(one, two, three)) {
            assertEqual(each);
            Instant past = Instant.now().minus(Duration.ofHours(1));
            for (Path file : files()) {
                FileTime used = Files.getLastModifiedTime(file);
                Files.setLastModifiedTime(
                        file, FileTime.from(used.toInstant().isBefore(past) ? past.minusSeconds(9) : past));
            }
        }
        assertThat(files()).hasSize(9 + 4 + 9);
        assertThat(assertEqual(one)).as("renews one time stamp").isEqualTo(576);
        PrefixStore store = PrefixStore.open(folder(), 0);
        long size = store.list().getFirst().bytes();
        assertThat(store.list().getFirst().used()).isAfter(Instant.now().minusSeconds(60));
        assertThat(store.prune(9 * size)).isEqualTo(13);
        assertThat(assertEqual(one)).isEqualTo(576);
        assertThat(store.prune(7 * size + size / 2)).isEqualTo(2);
        assertThat(assertEqual(one, options().withMaxNewTokens(1))).isEqualTo(448);
        int all = files().size();
        assertThat(store.prune(0)).isEqualTo(all);
        assertThat(files()).isEmpty();
    }

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
        all.put("a pipe", instead(PrefixStoreTest::pipe));
        all.put("a folder", instead(Files::createDirectory));
        all.put("a link to its folder", away(each -> Files.createSymbolicLink(each, temporary.resolve("moved")), true));
        all.put("a link instead of its folder", away(each -> Files.createSymbolicLink(each, temporary), true));
        all.put("a file instead of its folder", away(each -> Files.writeString(each, "x"), true));
        all.put("a pipe instead of its folder", away(PrefixStoreTest::pipe, true));
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

    /** Killed while it writes, also while another process writes and reads, in the first prompts or later. */
    @Test
    void afterAKillTheFolderOpensAndAnswersHaveTheirBits() throws Exception {
        Path files = Files.createDirectories(temporary.resolve("models/killed"));
        try (CausalLM made = CausalLM.create(SmallModels.gpt2(VOCABULARY, 2048, 64, 32, 4), 5, DType.F32)) {
            made.save(files, DType.F32);
        }
        load(files, DType.F32);
        List<Generation> expected;
        try (Engine alone = new Engine(model)) {
            expected = EngineFixture.all(
                    alone,
                    IntStream.range(0, StoringProcess.PROMPTS)
                            .mapToObj(StoringProcess::request)
                            .toList());
        }
        assertThat(PrefixStore.open(folder(), 0).list()).isEmpty();
        Random random = new Random(1);
        int read = 0;
        for (int round = 0; round < (Whole.RUN ? 50 : 3); round++) {
            Process process = StoringProcess.begin(files, folder(), round);
            try (BufferedReader lines = process.inputReader()) {
                for (int prompts = random.nextInt(3); prompts > 0; prompts--) {
                    assertThat(lines.readLine()).as("a prompt").isNotNull();
                }
                int before = files().size();
                for (int i = 0; i < 1000 && files().size() <= before; i++) {} // the next are being written
            } finally {
                process.destroyForcibly().waitFor();
            }
            try (Engine engine = engine(30_000_000)) {
                for (int i = 0; i < expected.size(); i++) {
                    Generation actual = engine.submit(StoringProcess.request(i), TokenListener.NONE)
                            .join();
                    assertThat(actual.predictions()).isEqualTo(expected.get(i).predictions());
                    read += actual.timing().cachedTokens();
                }
            }
        }
        assertThat(read).as("tokens").isPositive();
        assertThat(PrefixStore.open(folder(), 0).verify(model, 20).wrong()).isEmpty();
    }
}
