package dev.causal4j.hub;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Models by name: fetches them from the Hugging Face hub into the cache that Python's huggingface_hub uses, too, and finds
 * them there. Immutable and thread-safe; several threads and processes may pull at once, also the same model.
 */
public final class Hub {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration PAUSE = Duration.ofMillis(500);

    /** Another process may try again as often as this one does. */
    private static final int MOST_WAITS = 10;

    private final Environment environment;
    private final Duration patience;
    private final Duration pause;

    Hub(Environment environment, Duration patience, Duration pause) {
        this.environment = environment;
        this.patience = patience;
        this.pause = pause;
    }

    /**
     * The hub that the variables of the environment name: HF_ENDPOINT, HF_TOKEN, HF_HOME and others of huggingface_hub.
     *
     * @throws IOException if a variable cannot be used, or reading the file of the token fails
     */
    public static Hub fromEnvironment() throws IOException {
        return of(System.getenv());
    }

    /** The hub that these variables name, as in {@link #fromEnvironment}. */
    public static Hub of(Map<String, String> variables) throws IOException {
        return new Hub(Environment.of(variables), PATIENCE, PAUSE);
    }

    /**
     * A model in the cache, if it is whole there: its folder, or its GGUF file. Asks no network.
     *
     * @throws HubException if there are several GGUF files
     * @throws IOException if reading fails
     */
    public Optional<Path> find(ModelName name) throws IOException {
        return cache(name).find();
    }

    /**
     * Fetches what is missing of a model in safetensors. The next call resumes what was interrupted.
     *
     * @throws HubException if there is no such model or it may not be had, the hub does not answer, sends something else than
     *     it lists, or the disk is full
     * @throws IOException if reading or writing fails otherwise
     */
    public Pulled pull(ModelName name, PullListener listener) throws IOException, InterruptedException {
        return pull(name, null, listener);
    }

    /**
     * Fetches the missing GGUF files of a model, with the errors of {@link #pull(ModelName, PullListener)}.
     *
     * @param gguf a part of their names, or a pattern with {@code *} and {@code ?}, in any case; null for safetensors
     */
    public Pulled pull(ModelName name, @Nullable String gguf, PullListener listener)
            throws IOException, InterruptedException {
        if (gguf != null && gguf.isBlank()) {
            throw new HubException(name, "a pattern of GGUF files", "an empty one", "name a part of theirs: Q4_K_M");
        }
        Cache cache = cache(name);
        if (environment.offline()) {
            return cache.pulled(gguf);
        }
        try (Client client = new Client(environment, name, patience, pause)) {
            return new Pull(client, cache, listener, patience.multipliedBy(MOST_WAITS)).run(gguf);
        }
    }

    /** The folder of the cache. */
    public Path cache() {
        return environment.cache();
    }

    /**
     * The models in the cache, whole or not: one entry for each branch or tag that a model was pulled as, else one for its commit.
     *
     * @throws IOException if reading fails
     */
    public List<Pulled> list() throws IOException {
        return Cache.all(environment.cache());
    }

    /**
     * Deletes a model from the cache: its snapshot, whatever the names, and the blobs that no other snapshot uses; with the
     * last snapshot all that is left of a pull. A pull of the model meanwhile may have to be repeated.
     *
     * @throws HubException if the cache has no such model
     * @throws IOException if deleting fails
     */
    public void remove(ModelName name) throws IOException {
        cache(name).remove();
    }

    private Cache cache(ModelName name) {
        return new Cache(name, environment.cache());
    }
}
