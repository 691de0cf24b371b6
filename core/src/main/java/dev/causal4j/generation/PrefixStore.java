package dev.causal4j.generation;

import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A folder with the keys and values of prompts, which engines of one or several processes share: a prompt that begins
 * like an earlier one is read and not computed, with the same bits. Whoever can write to the folder decides what a
 * model says, so it must be its owner's alone. A file that is not as it should be is deleted and its page computed.
 * Thread-safe.
 */
public final class PrefixStore {
    /** The size of a store unless another is chosen. */
    public static final long DEFAULT_BYTES = 10_000_000_000L;

    private static final String ALONE = "rwx------";
    private static final Duration RENEWED = Duration.ofMinutes(1);
    private static final Duration ABANDONED = Duration.ofHours(1); // a file that was never finished

    final Path folder;
    private final long most;
    private long bytes = -1; // of its files, as far as known; -1 at first. Guarded by this, like the next
    private boolean hasFailed;

    /**
     * A file of a store.
     *
     * @param file its path
     * @param model a name for the model and its dtypes: 16 digits
     * @param isState whether it is a state of recurrent layers, or else a page of keys and values
     * @param tokens of its page
     * @param bytes of the file
     * @param used when it was last read or written, to a minute
     */
    public record Entry(Path file, String model, boolean isState, int tokens, long bytes, Instant used) {}

    /**
     * The result of {@link #verify}.
     *
     * @param verified files whose numbers have the bits that the model computes
     * @param wrong files with other numbers
     * @param others files of other models and dtypes, or whose first pages are gone
     */
    public record Verification(int verified, List<Path> wrong, int others) {}

    record Found(Path file, StoredPage page, Instant used) {
        private Entry entry() {
            String model = HexFormat.of().formatHex(page.model, 0, 8);
            return new Entry(file, model, page.isState, page.tokens.limit(), page.size(), used);
        }
    }

    private PrefixStore(Path folder, long most) {
        this.folder = folder;
        this.most = most;
    }

    /**
     * Opens a folder, or makes it.
     *
     * @param bytes the most bytes; the files that were least recently used are deleted first
     * @throws IOException if it is a link or no folder, or somebody else owns it or may use it
     */
    public static PrefixStore open(Path folder, long bytes) throws IOException {
        Path absolute = folder.toAbsolutePath();
        Path ours = Files.createTempFile("causal4j", null); // the portable way to learn who we are
        try {
            if (!Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)) {
                Files.createDirectories(absolute.resolveSibling(""));
                try {
                    Files.createDirectory(
                            absolute, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(ALONE)));
                } catch (FileAlreadyExistsException e) {
                    // another process has made it
                }
            }
            PosixFileAttributes is =
                    Files.readAttributes(absolute, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            String mode = PosixFilePermissions.toString(is.permissions());
            if (!is.isDirectory() || !is.owner().equals(Files.getOwner(ours)) || !mode.equals(ALONE)) {
                String got =
                        is.isDirectory() ? "mode " + mode + " of " + is.owner().getName() : "something else";
                throw new IOException(folder + ": expected a folder of this user alone (mode 0700), and no link, got "
                        + got + "; chmod 700 it if all in it is yours, or name another");
            }
        } catch (UnsupportedOperationException e) {
            throw new IOException(folder + ": expected a file system with owners and modes, got another", e);
        } finally {
            Files.delete(ours);
        }
        return new PrefixStore(absolute, bytes);
    }

    /** Runs an access of a file; the first failure of all is logged, and each is a miss. */
    boolean attempt(Callable<Boolean> access) {
        try {
            return access.call();
        } catch (NoSuchFileException e) {
            return false;
        } catch (Exception e) {
            warn(e);
            return false;
        }
    }

    private synchronized void warn(Exception e) {
        if (!hasFailed) {
            String message = "{0}: expected to be able to use this store of prefixes, got {1}; prompts are computed";
            System.getLogger(PrefixStore.class.getName()).log(Level.WARNING, message, folder, e.toString());
        }
        hasFailed = true;
    }

    /** Writes a file, and deletes old ones if they are too many. */
    synchronized void write(StoredPage page, List<MemorySegment> numbers) throws IOException {
        page.write(folder, numbers);
        bytes = bytes < 0 ? found().stream().mapToLong(each -> each.page.size()).sum() : bytes + page.size();
        if (bytes > most) {
            prune(most - most / 16); // not at each new file
        }
    }

    /** Notes that a file was used. */
    boolean renew(StoredPage page) throws IOException {
        Path file = page.file(folder);
        Instant now = Instant.now();
        if (StoredPage.attributes(file).lastModifiedTime().toInstant().isBefore(now.minus(RENEWED))) {
            Files.setLastModifiedTime(file, FileTime.from(now));
        }
        return true;
    }

    /** The valid files, as far as that can be said without their numbers, the last used first. Deletes the others. */
    List<Found> found() throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.list(folder)) {
            files = all.filter(each -> each.getFileName().toString().matches("[0-9a-f]{2}"))
                    .flatMap(PrefixStore::inside)
                    .toList();
        }
        List<Found> found = new ArrayList<>();
        for (Path file : files) {
            String name = file.getFileName().toString();
            try {
                Instant used = StoredPage.attributes(file).lastModifiedTime().toInstant();
                Optional<StoredPage> page = StoredPage.parse(folder, file);
                page.ifPresent(each -> found.add(new Found(file, each, used)));
                boolean isOurs = name.matches("[0-9a-f]{64}\\.(page|state)")
                        || (name.matches("\\.\\d+\\.tmp")
                                && used.isBefore(Instant.now().minus(ABANDONED)));
                if (page.isEmpty() && isOurs) {
                    StoredPage.delete(file);
                }
            } catch (IOException e) {
                // another process has deleted it, or nobody may read it
            }
        }
        found.sort(Comparator.comparing(Found::used).reversed());
        return found;
    }

    /** The files of a folder, if it is one of ours. */
    private static Stream<Path> inside(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList().stream();
        } catch (IOException e) {
            return Stream.empty();
        }
    }

    /** Its files, those that were used last first. A file that cannot be one is deleted. */
    public List<Entry> list() throws IOException {
        return found().stream().map(Found::entry).toList();
    }

    /**
     * Deletes files until they have at most this many bytes: those that were least recently used, and pages after those
     * that follow them.
     *
     * @return how many were deleted
     */
    public synchronized int prune(long most) throws IOException {
        List<Found> all = found();
        Map<ByteBuffer, Found> named = named(all);
        SequencedSet<Found> ordered = new LinkedHashSet<>(); // each after the one that it follows
        all.forEach(each -> ordered.addAll(chain(each, named, ordered)));
        List<Found> dropped = new ArrayList<>();
        bytes = 0;
        for (Found each : ordered) {
            if (!dropped.isEmpty() || bytes + each.page.size() > most) {
                dropped.add(each);
            } else {
                bytes += each.page.size();
            }
        }
        dropped.reversed().forEach(each -> StoredPage.delete(each.file));
        return dropped.size();
    }

    static Map<ByteBuffer, Found> named(List<Found> all) {
        return all.stream().collect(Collectors.toMap(each -> ByteBuffer.wrap(each.page.name), each -> each));
    }

    /** The files from the beginning to this one, as far as they are there; only those after the last known one. */
    static List<Found> chain(Found last, Map<ByteBuffer, Found> named, Set<Found> known) {
        List<Found> chain = new ArrayList<>();
        for (Found at = last; at != null && !known.contains(at); at = named.get(ByteBuffer.wrap(at.page.before))) {
            chain.addFirst(at);
        }
        return chain;
    }

    /**
     * Computes pages and states again, and compares their bits with those of the files, which no checksum does.
     *
     * @param sample how many files to choose; those before them are compared, too. 0 for all
     * @throws IllegalStateException if it is not known what the model was loaded from
     */
    public Verification verify(CausalLM model, int sample) throws IOException {
        return StoredPrefixes.verify(this, model, sample);
    }
}
