package dev.causal4j.cli;

import dev.causal4j.FormatException;
import dev.causal4j.json.WholeFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A file of results, one JSON object a line; after an interruption only its last line may be incomplete. Locked while
 * open, so that only one run writes to it. Not thread-safe.
 */
final class ResultFile implements AutoCloseable {
    private final Path file;
    private final FileChannel channel;

    private ResultFile(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Opens a new file, or an existing one to resume or overwrite. To overwrite, call {@link #clear}.
     *
     * @param kept receives each existing result when resuming; an incomplete last line is dropped
     */
    static ResultFile open(Path file, boolean overwrite, boolean resume, Consumer<Document> kept) throws IOException {
        boolean exists = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
        if (exists) {
            TextInput.requireRegular(file);
        }
        if (exists && !overwrite && !resume) {
            throw new IOException(file + ": expected a new file, got one that exists; go on with --resume or begin"
                    + " again with --overwrite");
        }
        StandardOpenOption access = exists ? StandardOpenOption.READ : StandardOpenOption.CREATE_NEW;
        FileChannel channel = FileChannel.open(file, access, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            requireAlone(file, channel);
            if (resume) {
                channel.truncate(keep(file, channel, kept));
            }
            channel.position(channel.size());
            return new ResultFile(file, channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Opens a file to append lines to; nothing that it has is changed. */
    static ResultFile appending(Path file) throws IOException {
        if (Files.exists(file)) {
            TextInput.requireRegular(file);
        }
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            requireAlone(file, channel);
            long size = channel.size();
            ByteBuffer last = ByteBuffer.allocate(1);
            if (size > 0 && channel.read(last, size - 1) == 1 && last.get(0) != '\n') {
                throw new IOException(
                        file + ": expected whole lines, got one without its end; end the line or name another file");
            }
            channel.position(size);
            return new ResultFile(file, channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static void requireAlone(Path file, FileChannel channel) throws IOException {
        boolean alone;
        try {
            alone = channel.tryLock() != null;
        } catch (OverlappingFileLockException _) {
            alone = false;
        }
        if (!alone) {
            throw new IOException(file + ": expected to be the only one who writes to it, got another; wait for it");
        }
    }

    /** Bytes of the complete lines. */
    private static long keep(Path file, FileChannel channel, Consumer<Document> kept) throws IOException {
        LineReader lines = new LineReader(Channels.newInputStream(channel.position(0)), Integer.MAX_VALUE);
        long complete = 0;
        Optional<byte[]> line = lines.next();
        try {
            for (; line.isPresent() && lines.complete(); line = lines.next()) {
                kept.accept(Document.parse("result", line.get()));
                complete = lines.consumed();
            }
        } catch (FormatException e) {
            throw new IOException(
                    file + " line " + lines.number() + ": expected a result of an earlier run, got something else; move"
                            + " it away, or begin again with --overwrite",
                    e);
        }
        return complete;
    }

    /** Empties the file. */
    void clear() throws IOException {
        channel.truncate(0);
    }

    /** Appends whole lines at once. */
    void append(String lines) throws IOException {
        WholeFile.append(file, StandardCharsets.UTF_8.encode(lines), channel);
    }

    /** Whether results in {@code other} would be read from an input: it is the same file, or lies in its folder. */
    static boolean same(Path input, @Nullable Path other) throws IOException {
        return other != null
                && (Files.isDirectory(input)
                        ? other.toAbsolutePath()
                                .normalize()
                                .startsWith(input.toAbsolutePath().normalize())
                        : Files.exists(input) && Files.exists(other) && Files.isSameFile(input, other));
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
