package dev.causal4j.hub;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.json.WholeFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The folder of one model in the cache; the package's description has the layout. Several processes may use it at once. */
record Cache(ModelName name, Path root) {
    static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    private static final int LONGEST_REF = 100;
    private static final Duration POLL = Duration.ofMillis(50);

    private String folder() {
        return "models--" + name.repository().replace("/", "--");
    }

    private Path in(String part) {
        return root.resolve(folder()).resolve(part);
    }

    Path blob(RemoteFile file) {
        return in("blobs").resolve(file.hash());
    }

    /** The file of an unfinished blob. */
    Path incomplete(RemoteFile file) {
        return in("blobs").resolve(file.hash() + ".incomplete");
    }

    boolean has(RemoteFile file) throws IOException {
        return size(blob(file)) == file.size();
    }

    private static long size(Path file) throws IOException {
        return Files.isRegularFile(file) ? Files.size(file) : -1;
    }

    Path snapshot(String commit) {
        return in("snapshots").resolve(commit);
    }

    /** The commit that the revision is, as far as the cache knows. */
    Optional<String> commit() throws IOException {
        Path ref = in("refs").resolve(name.revision());
        boolean known = Files.isRegularFile(ref) && Files.size(ref) <= LONGEST_REF;
        String commit = known ? Files.readString(ref).strip() : name.revision();
        return Optional.of(commit).filter(text -> COMMIT.matcher(text).matches());
    }

    /** The model, if the cache knows its revision and it is there. */
    Optional<Path> find() throws IOException {
        Optional<String> commit = commit();
        return commit.isEmpty() ? Optional.empty() : Needed.model(name, snapshot(commit.get()));
    }

    /** All snapshots, each once for every name that it has. */
    static List<Pulled> all(Path root) throws IOException {
        List<Pulled> all = new ArrayList<>();
        for (Path folder : folders(Files.exists(root) ? root.toRealPath() : root)) {
            String name = folder.getFileName().toString().replaceFirst("^models--(.*?)--", "$1/");
            Optional<Cache> cache = ModelName.find(name).map(model -> new Cache(model, root));
            for (Path snapshot : cache.isPresent() ? folders(cache.get().in("snapshots")) : List.<Path>of()) {
                String commit = snapshot.getFileName().toString();
                Map<String, Path> files = Needed.files(snapshot);
                for (ModelName each : cache.get().names(commit)) {
                    all.add(new Pulled(each, commit, snapshot, List.copyOf(files.keySet()), bytes(files), 0));
                }
            }
        }
        return all;
    }

    /** The references to a commit, or else the commit itself. */
    private List<ModelName> names(String commit) throws IOException {
        List<ModelName> names = new ArrayList<>();
        for (String ref : Needed.files(in("refs")).keySet()) {
            Optional<ModelName> named = ModelName.find(name.repository() + "@" + ref);
            if (named.isPresent() && new Cache(named.get(), root).commit().equals(Optional.of(commit))) {
                names.add(named.get());
            }
        }
        if (names.isEmpty() && COMMIT.matcher(commit).matches()) {
            names.add(new ModelName(name.repository(), commit));
        }
        return names;
    }

    private static long bytes(Map<String, Path> files) throws IOException {
        long bytes = 0;
        for (Path file : files.values()) {
            bytes += Files.size(file);
        }
        return bytes;
    }

    /** The folders in a folder in their order; links do not count, since they may lead elsewhere. */
    private static List<Path> folders(Path folder) throws IOException {
        if (!isFolder(folder)) {
            return List.of();
        }
        try (Stream<Path> inside = Files.list(folder)) {
            return inside.filter(Cache::isFolder).sorted().toList();
        }
    }

    private static boolean isFolder(Path path) {
        return Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
    }

    /** Deletes the snapshot of the revision and what no other needs, or the parts of a pull that has no snapshot yet. */
    void remove() throws IOException {
        Path home = root.resolve(folder());
        String commit = commit().orElse("");
        boolean isOurs = isFolder(home) && isFolder(in("blobs"));
        List<Path> others = new ArrayList<>(isOurs ? folders(in("snapshots")) : List.of());
        boolean isInterrupted = isOurs && Files.notExists(in("snapshots"), LinkOption.NOFOLLOW_LINKS);
        if (!others.remove(snapshot(commit)) && !isInterrupted) {
            throw new HubException(name, "a model in the cache", "none", "see what there is with causal4j list");
        }
        WholeFile.deleteUnfinished(root);
        if (others.isEmpty()) {
            WholeFile.delete(home);
            return;
        }
        Set<Path> unused = blobs(snapshot(commit));
        for (Path other : others) {
            unused.removeAll(blobs(other));
        }
        for (ModelName each : names(commit)) {
            Files.deleteIfExists(in("refs").resolve(each.revision()));
        }
        WholeFile.delete(snapshot(commit));
        for (Path blob : unused) {
            Files.delete(blob);
        }
    }

    /** The blobs to which the links of a snapshot lead. */
    private Set<Path> blobs(Path snapshot) throws IOException {
        Path blobs = in("blobs").toRealPath();
        Set<Path> linked = new HashSet<>();
        for (Path file : Needed.files(snapshot).values()) {
            Path real = file.toRealPath();
            if (blobs.equals(real.getParent())) {
                linked.add(real);
            }
        }
        return linked;
    }

    /** The result of a pull of these files. */
    Pulled pulled(String commit, List<String> paths, long bytes, long fetched) throws HubException {
        List<String> models = paths.stream().filter(Needed::isModel).toList();
        Path path = models.size() == 1 ? file(commit, models.getFirst()) : snapshot(commit);
        return new Pulled(name, commit, path, paths, bytes, fetched);
    }

    /**
     * The result of a pull without a network.
     *
     * @param gguf null for safetensors
     */
    Pulled pulled(@Nullable String gguf) throws IOException {
        String commit = commit().orElse("");
        Map<String, Path> files = commit.isEmpty() ? Map.of() : Needed.files(snapshot(commit));
        List<String> paths =
                gguf == null || files.isEmpty() ? Needed.safetensors(files) : Needed.gguf(name, files.keySet(), gguf);
        if (paths.isEmpty() || !paths.stream().allMatch(path -> Needed.hasParts(path, files.keySet()))) {
            String got = "none that is whole, and HF_HUB_OFFLINE is set";
            throw new HubException(name, "a model in the cache", got, "unset it to fetch one");
        }
        files.keySet().retainAll(paths);
        return pulled(commit, paths, bytes(files), 0);
    }

    /** Refuses files for which there is no room. */
    void requireRoom(List<RemoteFile> files) throws IOException {
        long room = Files.getFileStore(Files.createDirectories(in("blobs"))).getUsableSpace();
        long wanted = 0;
        for (RemoteFile file : files) {
            // The sum of all sizes may be larger than a long.
            wanted += has(file) || wanted > room ? 0 : file.size() - Math.max(0, size(incomplete(file)));
        }
        if (wanted > room) {
            String remedy = "make room, or set HF_HOME to a folder on another disk";
            throw new HubException(root, "room for " + wanted + " bytes", room + " bytes", remedy);
        }
    }

    /** Waits while another process or thread fetches the blob, as long as its file grows. */
    Lock lock(RemoteFile file, Duration patience) throws IOException, InterruptedException {
        Path locks = Files.createDirectories(root.resolve(".locks").resolve(folder()));
        Path path = locks.toRealPath().resolve(file.hash() + ".lock");
        long before = 0;
        Lock lock;
        for (Duration waited = Duration.ZERO; (lock = Lock.take(path)) == null; waited = waited.plus(POLL)) {
            long size = size(incomplete(file));
            waited = size == before ? waited : Duration.ZERO;
            before = size;
            if (waited.compareTo(patience) > 0) {
                String got = "another program that holds it and brings nothing";
                throw new HubException(path, "to be able to lock this file", got, "end the other one");
            }
            Thread.sleep(POLL);
        }
        return lock;
    }

    /**
     * A file that is locked against other threads and processes until it is closed. Closing any channel of a file may give up
     * all locks that this process has on it, so a thread opens one only if it is alone in the process.
     */
    record Lock(Path path, FileChannel channel) implements Closeable {
        private static final Set<Path> TAKEN = ConcurrentHashMap.newKeySet();

        /** The lock, or null if another thread or process has it. */
        private static @Nullable Lock take(Path path) throws IOException {
            if (!TAKEN.add(path)) {
                return null;
            }
            Lock lock = null;
            boolean locked = false;
            try {
                lock = new Lock(path, FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE));
                locked = lock.channel.tryLock() != null;
            } catch (OverlappingFileLockException e) {
                // A second copy of this class in the process has it.
            } finally {
                if (lock == null) {
                    TAKEN.remove(path);
                } else if (!locked) {
                    lock.close();
                }
            }
            return locked ? lock : null;
        }

        @Override
        public void close() throws IOException {
            try {
                channel.close();
            } finally {
                TAKEN.remove(path); // last: the next one opens a channel at once
            }
        }
    }

    /** The path of a file in the snapshot of a commit. */
    Path file(String commit, String path) throws HubException {
        try {
            return snapshot(commit).resolve(path);
        } catch (InvalidPathException e) {
            String expected = "files whose names this system can write";
            throw new HubException(name, expected, quote(path), "set LC_ALL=C.UTF-8");
        }
    }

    /** Puts a file, whose blob is there, into a snapshot. */
    void link(String commit, RemoteFile file) throws IOException {
        Path at = file(commit, file.path());
        if (size(at) != file.size()) {
            Path folder = Files.createDirectories(at.resolveSibling(""));
            Files.deleteIfExists(at);
            try {
                Files.createSymbolicLink(at, folder.relativize(blob(file)));
            } catch (FileAlreadyExistsException e) {
                // Another pull was as fast.
            } catch (UnsupportedOperationException | FileSystemException e) { // Windows without the right to
                WholeFile.link(blob(file), at);
            }
        }
    }

    /** Records the commit of the revision. */
    void refer(String commit) throws IOException {
        if (!commit().equals(Optional.of(commit))) {
            Path ref = in("refs").resolve(name.revision());
            Path fresh = in(UUID.randomUUID() + ".tmp"); // not among the refs, all of which Python reads
            Files.createDirectories(ref.resolveSibling(""));
            Files.writeString(fresh, commit);
            Files.move(fresh, ref, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
