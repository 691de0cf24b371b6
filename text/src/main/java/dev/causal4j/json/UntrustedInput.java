package dev.causal4j.json;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads untrusted files, bounded in size. Stateless and thread-safe. */
public final class UntrustedInput {
    private UntrustedInput() {}

    /**
     * Refuses pipes and devices, on which reading could block without end.
     *
     * @param what the expected kind, for instance "a JSON file"
     * @throws FormatException unless this is a file that exists
     */
    public static void requireFile(Path file, String what) throws FormatException {
        if (!Files.isRegularFile(file)) {
            String got = Files.isDirectory(file) ? "a folder" : Files.exists(file) ? "a special file" : "no such file";
            throw new FormatException(file.toString(), what, got, "check the path");
        }
    }

    /**
     * All bytes of a file.
     *
     * @param what the file should be, for instance "a JSON file"
     * @param limit the most bytes it may have
     * @throws FormatException if there is no such file, or it is longer
     * @throws IOException if reading fails
     */
    public static byte[] readFile(Path file, String what, int limit) throws IOException {
        requireFile(file, what);
        long size = Files.size(file);
        requireLength(file.toString(), what, size, limit);
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes((int) size); // not what is added meanwhile
        }
    }

    static void requireLength(String subject, String what, long length, int limit) throws FormatException {
        if (length > limit) {
            throw new FormatException(
                    subject, what + " of at most " + limit + " bytes", length + " bytes", "is this the right file?");
        }
    }
}
