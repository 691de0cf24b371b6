package dev.causal4j.hub;

import dev.causal4j.format.WholeFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

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

    /** The part of a blob that is there. */
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

    /** Refuses files for which there is no room. */
    void requireRoom(List<RemoteFile> files) throws IOException {
        long wanted = 0;
        for (RemoteFile file : files) {
            wanted += has(file) ? 0 : file.size() - Math.max(0, size(incomplete(file)));
        }
        long room = Files.getFileStore(Files.createDirectories(in("blobs"))).getUsableSpace();
        if (wanted > room) {
            String remedy = "make room, or set HF_HOME to a folder on another disk";
            throw new HubException(root, "room for " + wanted + " bytes", room + " bytes", remedy);
        }
    }

    /**
     * Waits until no other process fetches the blob, but not for one that brings nothing.
     *
     * @return the lock, until it is closed
     */
    FileChannel lock(RemoteFile file, Duration patience) throws IOException, InterruptedException {
        Path lock = root.resolve(".locks").resolve(folder()).resolve(file.hash() + ".lock");
        Files.createDirectories(lock.resolveSibling(""));
        FileChannel channel = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        long before = 0;
        for (Duration waited = Duration.ZERO; !isLocked(channel); waited = waited.plus(POLL)) {
            long size = size(incomplete(file));
            waited = size == before ? waited : Duration.ZERO;
            before = size;
            if (waited.compareTo(patience) > 0) {
                channel.close();
                String got = "another program that holds it and brings nothing";
                throw new HubException(lock, "to be able to lock this file", got, "end the other one");
            }
            Thread.sleep(POLL);
        }
        return channel;
    }

    private static boolean isLocked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) { // of this process
            return false;
        }
    }

    /** Puts a file, whose blob is there, into a snapshot. */
    void link(String commit, RemoteFile file) throws IOException {
        Path at = snapshot(commit).resolve(file.path());
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

    /** Says which commit the revision is. */
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
