package dev.causal4j.hub;

import dev.causal4j.format.TensorStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One model on its way into the cache. For one thread. */
final class Pull {
    private final Client client;
    private final Cache cache;
    private final PullListener listener;
    private final Duration patience;
    private final String commit;
    private final Map<String, RemoteFile> all;
    private long done;
    private long total;
    private long received;

    /** Asks what there is. */
    Pull(Client client, Cache cache, PullListener listener, Duration patience)
            throws IOException, InterruptedException {
        this.client = client;
        this.cache = cache;
        this.listener = listener;
        this.patience = patience;
        commit = client.commit();
        all = client.files(commit);
    }

    /** @param gguf null for safetensors */
    Pulled run(@Nullable String gguf) throws IOException, InterruptedException {
        Set<String> needed = gguf == null ? safetensors() : Set.copyOf(Needed.gguf(cache.name(), all.keySet(), gguf));
        List<RemoteFile> files = all.values().stream()
                .filter(file -> needed.contains(file.path()) || (gguf == null && Needed.isBesideWeights(file.path())))
                .toList();
        for (RemoteFile file : files) {
            cache.file(commit, file.path()); // fails before anything is fetched
        }
        fetch(files);
        // A snapshot without its configuration or a first part is not taken for whole, so these come last.
        Comparator<RemoteFile> order =
                Comparator.comparing(file -> file.path().equals(Needed.CONFIG) || Needed.isModel(file.path()));
        for (RemoteFile file : files.stream().sorted(order).toList()) {
            cache.link(commit, file);
        }
        cache.refer(commit);
        return cache.pulled(commit, files.stream().map(RemoteFile::path).toList(), total, received);
    }

    /** The paths of the weights. */
    private Set<String> safetensors() throws IOException, InterruptedException {
        RemoteFile weights = Needed.weights(cache.name(), all);
        Set<String> paths = new HashSet<>(Set.of(weights.path()));
        if (weights.path().equals(TensorStore.INDEX)) {
            fetch(List.of(weights));
            Set<String> shards = Needed.shards(cache.blob(weights));
            if (shards.isEmpty() || !all.keySet().containsAll(shards)) {
                throw new HubException(
                        cache.name(), "an index of files in the repository", "one of others", "name another model");
            }
            paths.addAll(shards);
        }
        return paths;
    }

    private void fetch(List<RemoteFile> files) throws IOException, InterruptedException {
        done = 0;
        total = files.stream().mapToLong(RemoteFile::size).sum();
        cache.requireRoom(files);
        for (RemoteFile file : files) {
            if (!cache.has(file)) {
                try (Cache.Lock _ = cache.lock(file, patience)) {
                    fetch(file);
                }
            }
            done += file.size();
            listener.progress(file.path(), done, total);
        }
    }

    private void fetch(RemoteFile file) throws IOException, InterruptedException {
        if (cache.has(file)) {
            return; // somebody else has fetched it meanwhile
        }
        Path part = cache.incomplete(file);
        try (Download download =
                new Download(file, part, bytes -> listener.progress(file.path(), done + bytes, total))) {
            received += download.run(client, commit);
        } catch (HubException e) {
            if (Files.size(part) == 0) {
                Files.delete(part);
            }
            throw e;
        }
        Files.move(part, cache.blob(file), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
