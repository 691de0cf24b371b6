package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.PagePool;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/** A model, a folder of stored prefixes and engines that use it. */
abstract class PrefixStoreFixture {
    static final int VOCABULARY = 60;

    @TempDir
    Path temporary;

    CausalLM model = CausalLM.create(SmallModels.gpt2(2, 2, 4, 1, 1), 1, DType.F32);

    int capacity = model.decoder().pool().freePages();

    @AfterEach
    void allPagesAreFree() {
        PagePool pool = model.decoder().pool();
        assertThat(pool.reclaim()).isFalse();
        assertThat(pool.freePages()).isEqualTo(capacity);
        model.close();
    }

    /** A fixture with a longer context, or a small GPT-2. */
    CausalLM load(String name, DType cached) throws IOException {
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

    CausalLM load(Path folder, DType cached) throws IOException {
        model.close();
        model = CausalLM.load(folder, LoadOptions.DEFAULT.withDigests(true).withCached(cached));
        capacity = model.decoder().pool().freePages();
        return model;
    }

    Path folder() {
        return temporary.resolve("store");
    }

    Engine engine() throws IOException {
        return engine(PrefixStore.DEFAULT_BYTES);
    }

    Engine engine(long bytes) throws IOException {
        return new Engine(model, EngineOptions.DEFAULT.withPrefixStore(PrefixStore.open(folder(), bytes)));
    }

    static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 0, VOCABULARY).toArray();
    }

    static int[] joined(int[] begin, int[] end) {
        return IntStream.concat(IntStream.of(begin), IntStream.of(end)).toArray();
    }

    static GenerationOptions options() {
        return GenerationOptions.DEFAULT.withMaxNewTokens(6).withSeed(3).withLogProbabilities(2);
    }

    static Generation generate(Engine engine, int[] prompt, GenerationOptions options) {
        return engine.submit(new GenerationRequest(prompt, options), TokenListener.NONE)
                .join();
    }

    /** Generates by an engine of its own, and compares with one without a store. Returns the number of cached tokens. */
    int assertEqual(int[] prompt, GenerationOptions options) throws IOException {
        try (Engine alone = new Engine(model);
                Engine engine = engine()) {
            Generation expected = generate(alone, prompt, options);
            Generation actual = generate(engine, prompt, options);
            assertThat(actual.tokens()).isEqualTo(expected.tokens());
            assertThat(actual.predictions()).isEqualTo(expected.predictions());
            return actual.timing().cachedTokens();
        }
    }

    int assertEqual(int[] prompt) throws IOException {
        return assertEqual(prompt, options());
    }

    List<Path> files() throws IOException {
        return files(folder());
    }

    static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder, 2)) {
            return all.filter(Files::isRegularFile).sorted().toList();
        }
    }
}
