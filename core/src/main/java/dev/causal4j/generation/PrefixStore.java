package dev.causal4j.generation;

import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
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
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
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

    private static final Pattern OURS = Pattern.compile("[0-9a-f]{64}\\.(page|state)|\\.\\d+\\.tmp");
    private static final String ALONE = "rwx------";
    private static final Duration RENEWED = Duration.ofMinutes(1);
    private static final Duration ABANDONED = Duration.ofHours(1); // a file that was never finished

    private static final Duration PATIENCE = Duration.ofSeconds(10);

    final Path folder;
    final Duration patience; // with a disk that does not answer
    private final long most;
    private final AtomicBoolean hasFailed = new AtomicBoolean();
    private long bytes = -1; // of its files, as far as known; -1 at first. Guarded by this

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
            String model = page.model().substring(0, 16);
            return new Entry(file, model, page.isState(), page.tokens().limit(), page.size(), used);
        }
    }

    PrefixStore(Path folder, long most, Duration patience) {
        this.folder = folder;
        this.most = most;
        this.patience = patience;
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
        return new PrefixStore(absolute, bytes, PATIENCE);
    }

    /** Runs an access of a file; the first failure of all is logged, and each is a miss. */
    private boolean attempt(Callable<Boolean> access) {
        try {
            return access.call();
        } catch (NoSuchFileException e) {
            return false;
        } catch (Exception e) {
            if (!hasFailed.getAndSet(true)) {
                String message =
                        "{0}: expected to be able to use this store of prefixes, got {1}; prompts are computed";
                System.getLogger(PrefixStore.class.getName()).log(Level.WARNING, message, folder, e.toString());
            }
            return false;
        }
    }

    /** See {@link StoredPage#read}. */
    boolean read(StoredPage page, List<MemorySegment> into) {
        return attempt(() -> page.read(folder, into));
    }

    /** Writes a file that is not there, and deletes old ones if they are too many. */
    void write(StoredPage page, List<MemorySegment> numbers) {
        attempt(() -> page.isThere(folder) || add(page, numbers));
    }

    private synchronized boolean add(StoredPage page, List<MemorySegment> numbers) throws IOException {
        page.write(folder, numbers);
        bytes = bytes < 0 ? found().stream().mapToLong(each -> each.page.size()).sum() : bytes + page.size();
        return bytes <= most || prune(most - most / 16) > 0; // not at each new file
    }

    /** Notes that a file was used. */
    void renew(StoredPage page) {
        attempt(() -> {
            Path file = page.file(folder);
            Instant now = Instant.now();
            if (StoredPage.attributes(file).lastModifiedTime().toInstant().isBefore(now.minus(RENEWED))) {
                Files.setLastModifiedTime(file, FileTime.from(now));
            }
            return true;
        });
    }

    /** The valid files, as far as that can be said without their numbers, the last used first. Deletes the others. */
    List<Found> found() throws IOException {
        List<Found> found = new ArrayList<>();
        for (Path file : files()) {
            try {
                Instant used = StoredPage.attributes(file).lastModifiedTime().toInstant();
                Optional<StoredPage> page = StoredPage.parse(folder, file);
                page.ifPresent(each -> found.add(new Found(file, each, used)));
                boolean isBeingWritten = file.toString().endsWith(".tmp")
                        && !used.isBefore(Instant.now().minus(ABANDONED));
                if (page.isEmpty() && !isBeingWritten) {
                    StoredPage.delete(file);
                }
            } catch (IOException e) {
                // another process has deleted it, or nobody may read it
            }
        }
        found.sort(Comparator.comparing(Found::used).reversed());
        return found;
    }

    /** The files with names as ours. */
    private List<Path> files() throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(each -> each.getFileName().toString().matches("[0-9a-f]{2}"))
                    .flatMap(PrefixStore::inside)
                    .filter(each -> OURS.matcher(each.getFileName().toString()).matches())
                    .toList();
        }
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
        Map<String, Found> named = named(all);
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

    static Map<String, Found> named(List<Found> all) {
        return all.stream().collect(Collectors.toMap(each -> each.page.name(), each -> each));
    }

    /** The files from the beginning to this one, as far as they are there; only those after the last known one. */
    static List<Found> chain(Found last, Map<String, Found> named, Set<Found> known) {
        List<Found> chain = new ArrayList<>();
        for (Found at = last; at != null && !known.contains(at); at = named.get(at.page.before())) {
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
