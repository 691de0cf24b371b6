package dev.causal4j.springboot;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.compute.Compute;
import dev.causal4j.generation.Engine;
import dev.causal4j.hub.Hub;
import dev.causal4j.hub.ModelName;
import dev.causal4j.hub.ModelPath;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.springboot.Causal4jProperties.ChatSettings;
import dev.causal4j.springboot.Causal4jProperties.EmbeddingSettings;
import dev.causal4j.springboot.Causal4jProperties.Pull;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.jspecify.annotations.Nullable;
import org.springframework.util.ClassUtils;

/**
 * Owns the models of an application and their engines, and closes them: an engine before its model. Two uses with equal
 * settings share one. Thread-safe; a caller waits for the load of another.
 */
final class Causal4jModels implements AutoCloseable {
    /** The name of the model in causal4j-model-austen. */
    static final String EMBEDDED = "austen";

    private static final Log LOG = LogFactory.getLog(Causal4jModels.class);

    /** Settings that choose what is loaded: equal ones share a model. */
    private record Key(
            @Nullable String model,
            @Nullable DType dtype,
            @Nullable String adapter) {}

    /**
     * A model that is open.
     *
     * @param name differs from those of the others
     * @param templates of its files
     */
    record Loaded(Key key, String name, CausalLM model, Engine engine, ChatTemplate.Source templates) {
        String kernels() {
            return Kernels.name(model.dtype().isQuantised());
        }
    }

    /** The models that are open. */
    final List<Loaded> loaded = new CopyOnWriteArrayList<>();

    private final Causal4jProperties properties;
    private final Optional<Hub> hub;
    private final Consumer<Loaded> watcher;
    private final LoadOptions loading;
    private final Deque<Runnable> closing = new ArrayDeque<>(); // the last first; guarded by this
    private volatile boolean closed;

    /**
     * @param hub where models are by name; empty for that of the environment
     * @param watcher called with each model that was loaded
     */
    Causal4jModels(Causal4jProperties properties, Optional<Hub> hub, Consumer<Loaded> watcher) {
        this.properties = properties;
        this.hub = hub;
        this.watcher = watcher;
        loading = PropertyException.naming(Causal4jProperties.ENGINE, null, properties.engine()::loading);
        if (loading.compute() != Compute.shared()) {
            closing.push(loading.compute()::close);
        }
    }

    /** The model that answers, loaded by the first call. Errors as of {@link #load}. */
    Loaded chat() {
        ChatSettings chat = properties.chat();
        return load(Causal4jProperties.CHAT, new Key(chat.model(), chat.dtype(), chat.adapter()));
    }

    /** The model that embeds, loaded by the first call. Errors as of {@link #load}. */
    Loaded embedding() {
        EmbeddingSettings embedding = properties.embedding();
        return load(Causal4jProperties.EMBEDDING, new Key(embedding.model(), embedding.dtype(), null));
    }

    /**
     * @throws PropertyException if the model cannot be loaded
     * @throws IllegalStateException after the application was closed
     */
    private synchronized Loaded load(String prefix, Key key) {
        requireOpen();
        for (Loaded each : loaded) {
            if (each.key.equals(key)) {
                return each;
            }
        }
        int others = closing.size();
        try {
            Loaded made = PropertyException.naming(prefix + ".model", key.model, () -> open(key));
            loaded.add(made);
            watcher.accept(made);
            return made;
        } catch (RuntimeException | Error e) {
            close(others);
            throw e;
        }
    }

    private Loaded open(Key key) throws IOException, InterruptedException {
        try (Checkpoint files = files(key.model)) {
            CausalLM base = files.load(loading.withDtype(key.dtype));
            closing.push(base::close);
            CausalLM model = base;
            if (key.adapter != null) {
                Path adapter = Path.of(key.adapter);
                model = PropertyException.naming(
                        Causal4jProperties.CHAT + ".adapter", key.adapter, () -> base.withAdapter(adapter));
                closing.push(model::close);
            }
            Engine engine = new Engine(model, properties.engine().options());
            closing.push(engine::close);
            boolean isTaken = loaded.stream().anyMatch(each -> each.name.equals(base.name()));
            String name = base.name() + (isTaken ? " " + (loaded.size() + 1) : "");
            Loaded made = new Loaded(key, name, model, engine, files.templates());
            LOG.info(model + "; kernels " + made.kernels() + ", "
                    + loading.compute().threads() + " threads");
            return made;
        }
    }

    private Checkpoint files(@Nullable String model) throws IOException, InterruptedException {
        if (model == null) {
            throw new IllegalArgumentException("expected a folder, a GGUF file, a name in the hub's cache or "
                    + EMBEDDED + ", got none; set it, or spring.ai.model.chat to another provider or none");
        }
        if (model.equals(EMBEDDED)) {
            if (!ClassUtils.isPresent("dev.causal4j.austen.AustenModel", null)) {
                throw new IllegalArgumentException(
                        "expected its jar, got none; add the dependency dev.causal4j:causal4j-model-austen");
            }
            return AustenModel.open();
        }
        Path given = Path.of(model);
        Optional<ModelPath> local = ModelPath.local(given);
        if (local.isPresent()) {
            return local.get().open();
        }
        Hub from = hub.isPresent() ? hub.get() : Hub.fromEnvironment();
        Optional<ModelName> name = ModelName.find(model);
        if (properties.pull() == Pull.MISSING
                && name.isPresent()
                && from.find(name.get()).isEmpty()) {
            LOG.info("Fetching " + model + " into " + from.cache());
            from.pull(name.get(), (file, done, total) -> {
                requireOpen();
                LOG.debug(file + ": " + done + " of " + total + " bytes");
            });
        }
        String remedy = "set " + Causal4jProperties.PREFIX + ".pull=missing, or run causal4j pull ";
        return ModelPath.cached(given, from, remedy::concat).open();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("causal4j: expected an open application, got one that was closed");
        }
    }

    private void close(int others) {
        while (closing.size() > others) {
            closing.pop().run();
        }
    }

    /** Ends all sequences, then closes the models. Waits for a load that is under way; a pull ends, to be continued later. */
    @Override
    public void close() {
        closed = true;
        synchronized (this) {
            close(0);
            loaded.clear();
        }
    }
}
