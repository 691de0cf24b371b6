package dev.causal4j.hub;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.LongConsumer;

/** Downloads one file, from where an earlier download stopped. Confined to one thread, which holds the lock of the blob. */
final class Download implements AutoCloseable {
    private final RemoteFile file;
    private final Path part;
    private final LongConsumer progress;
    private final FileChannel channel;
    private MessageDigest digest; // up to the position
    private long position;
    private long received;

    /**
     * Opens the part of the file that is there.
     *
     * @param progress receives the number of bytes that are there
     */
    Download(RemoteFile file, Path part, LongConsumer progress) throws IOException {
        this.file = file;
        this.part = part;
        this.progress = progress;
        digest = file.digest();
        channel = FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** Fetches the rest and checks the hash of the whole, which is emptied if it is wrong. Returns the number of bytes received. */
    long run(Client client, String commit) throws IOException, InterruptedException {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        for (int read;
                position < file.size() && (read = channel.read(buffer.clear(), position)) > 0;
                position += read) {
            digest.update(buffer.flip());
        }
        if (channel.size() > file.size()) {
            restart();
        }
        boolean resumed = position > 0;
        while (!isRight(client, commit)) {
            restart();
            if (!resumed) {
                throw new HubException(file.path(), "content with the hash " + file.hash(), "another", "try again");
            }
            resumed = false; // the existing bytes were not of this file
        }
        channel.force(true);
        return received;
    }

    private boolean isRight(Client client, String commit) throws IOException, InterruptedException {
        client.persist(() -> receive(client, commit), () -> position);
        return HexFormat.of().formatHex(digest.digest()).equals(file.hash());
    }

    private void restart() throws IOException {
        channel.truncate(0);
        digest = file.digest();
        position = 0;
    }

    /** Fetches the rest; returns the position after it. */
    private long receive(Client client, String commit) throws IOException, InterruptedException {
        if (position >= file.size()) {
            return position;
        }
        HttpResponse<InputStream> response = client.open(commit, file, position);
        int status = response.statusCode();
        String range = response.headers().firstValue("Content-Range").orElse("");
        if (status == 416 || (status == 206 && !range.startsWith("bytes " + position + "-"))) {
            response.body().close();
            restart();
            throw new IOException("status " + status + " for the rest of " + file.path());
        }
        if (status == 200) {
            restart();
        }
        long rest = file.size() - position;
        String length = response.headers().firstValue("Content-Length").orElse(Long.toString(rest));
        if (!length.equals(Long.toString(rest))) {
            response.body().close();
            throw new HubException(file.path(), rest + " bytes", length + " bytes", "does a proxy answer instead?");
        }
        client.read(response, rest, this::write);
        if (position < file.size()) {
            throw new EOFException("only " + position + " of " + file.size() + " bytes of " + file.path());
        }
        return position;
    }

    void write(byte[] bytes, int from, int count) throws IOException {
        try {
            for (ByteBuffer buffer = ByteBuffer.wrap(bytes, from, count); buffer.hasRemaining(); ) {
                position += channel.write(buffer, position);
            }
        } catch (ClosedByInterruptException e) {
            throw e;
        } catch (IOException e) {
            String remedy = "make room, or set HF_HOME to a folder on another disk";
            throw new HubException(part, "to be able to write this file", String.valueOf(e.getMessage()), remedy);
        }
        digest.update(bytes, from, count);
        received += count;
        progress.accept(position);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
