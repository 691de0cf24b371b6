package dev.causal4j.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.causal4j.format.WholeFile;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32;

/**
 * A tokenizer of the native library, encoding only. Thread-safe: the library encodes through a shared reference, and
 * its cache of words has a lock of its own. Freed when no longer reachable.
 *
 * <p>The first one unpacks the library from DJL's jar and loads it. The library is kept in {@code causal4j/PLATFORM}
 * under {@code DJL_CACHE_DIR} (environment or system property), else under {@code .djl.ai} in the home folder. If that
 * fails, it is a new temporary folder that only this user can write, deleted after loading.
 */
final class NativeTokenizer {
    private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;
    private static final Cleaner CLEANER = Cleaner.create();
    private static boolean loaded;

    private final long handle;

    /**
     * Loads the native library if this is the first one.
     *
     * @param json written by {@link BytePairVocabulary#nativeJson} only: unexpected input makes the library end the
     *     process
     * @throws IOException if the library cannot be unpacked or loaded, or refuses the tokenizer
     */
    NativeTokenizer(String json) throws IOException {
        load();
        long created;
        try {
            created = LIBRARY.createTokenizerFromString(json);
        } catch (RuntimeException | UnsatisfiedLinkError e) {
            throw new IOException(
                    "tokenizer library: expected to take the tokenizer, got " + oneLine(e)
                            + "; report it to the project",
                    e);
        }
        handle = created;
        CLEANER.register(this, () -> LIBRARY.deleteTokenizer(created));
    }

    /** The ids of {@code text}, with no special token added and never truncated. */
    long[] encode(String text) {
        try {
            long encoding = LIBRARY.encode(handle, text, false);
            try {
                return LIBRARY.getTokenIds(encoding);
            } finally {
                LIBRARY.deleteEncoding(encoding);
            }
        } finally {
            // The library gets only a number: without this the cleaner could free it during the call.
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Does nothing after the first success.
     *
     * @throws IOException if there is no library for this platform, or it cannot be unpacked or loaded anywhere
     */
    private static synchronized void load() throws IOException {
        if (loaded) {
            return;
        }
        String platform = platform(System.getProperty("os.name"), System.getProperty("os.arch"));
        List<URL> files = files(platform);
        try {
            load(files, cacheRoot().resolve("causal4j", platform));
        } catch (IOException | InvalidPathException | UnsatisfiedLinkError cacheFailure) {
            try {
                loadFromTemporaryFolder(files);
            } catch (IOException | UnsatisfiedLinkError temporaryFailure) {
                temporaryFailure.addSuppressed(cacheFailure);
                throw new IOException(
                        "tokenizer library: expected a folder to unpack it in and load it from, got "
                                + oneLine(cacheFailure) + " and " + oneLine(temporaryFailure)
                                + "; set DJL_CACHE_DIR to a folder that may be written and hold programs",
                        temporaryFailure);
            }
        }
        loaded = true;
    }

    private static void loadFromTemporaryFolder(List<URL> files) throws IOException {
        Path folder = Files.createTempDirectory("causal4j-tokenizers-");
        try {
            load(files, folder);
        } finally {
            // Unix keeps a loaded library without its file; Windows refuses to delete it.
            try {
                WholeFile.delete(folder);
            } catch (IOException stays) {
                folder.toFile().deleteOnExit();
            }
        }
    }

    private static void load(List<URL> files, Path folder) throws IOException {
        for (URL file : files) {
            System.load(unpack(file, folder).toString());
        }
    }

    /** DJL's name of a platform, for example {@code linux-x86_64}. */
    static String platform(String osName, String osArch) {
        String os = osName.startsWith("Windows") ? "win" : osName.startsWith("Mac") ? "osx" : "linux";
        return os + "-" + (osArch.equals("amd64") ? "x86_64" : osArch);
    }

    /** The library of a platform in the order of loading; on Windows the libraries it needs come first. */
    static List<URL> files(String platform) throws IOException {
        List<String> names = platform.startsWith("win-")
                ? List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", "tokenizers.dll")
                : List.of(platform.startsWith("osx-") ? "libtokenizers.dylib" : "libtokenizers.so");
        List<URL> files = new ArrayList<>();
        for (String name : names) {
            URL file = TokenizersLibrary.class.getResource("/native/lib/" + platform + "/cpu/" + name);
            if (file == null) {
                throw new FileNotFoundException("tokenizer library: expected linux-x86_64, linux-aarch64, osx-aarch64"
                        + " or win-x86_64, got " + platform + "; give token ids instead of text");
            }
            files.add(file);
        }
        return files;
    }

    private static Path cacheRoot() throws IOException {
        String folder =
                Optional.ofNullable(System.getenv("DJL_CACHE_DIR")).orElse(System.getProperty("DJL_CACHE_DIR", ""));
        if (!folder.isEmpty()) {
            return Path.of(folder).toAbsolutePath();
        }
        // The JDK says "?" for a user without an entry in the password file.
        Path home = Path.of(System.getProperty("user.home"));
        if (!Files.isDirectory(home)) {
            throw new FileNotFoundException(home + ": no such home folder");
        }
        return home.resolve(".djl.ai");
    }

    /**
     * Copies a library into {@code folder} unless it is there undamaged. Processes may do it at the same time, since it
     * is written whole. The checksum cannot protect against others who may write to the folder: they could also write
     * after the check.
     *
     * @return the copy
     */
    static Path unpack(URL file, Path folder) throws IOException {
        JarURLConnection connection = (JarURLConnection) file.openConnection();
        connection.setUseCaches(false);
        Path target = folder.resolve(file.getPath().substring(file.getPath().lastIndexOf('/') + 1));
        try (InputStream in = connection.getInputStream()) {
            CRC32 checksum = new CRC32();
            if (Files.isReadable(target)) {
                checksum.update(Files.readAllBytes(target));
            }
            if (checksum.getValue() != connection.getJarEntry().getCrc()) {
                Files.createDirectories(folder);
                WholeFile.write(target, channel -> in.transferTo(Channels.newOutputStream(channel)));
            }
            return target;
        }
    }

    /** An exception's message on one line, cut, with its type, since the message may be only a path. */
    static String oneLine(Throwable cause) {
        String line = String.valueOf(cause.getMessage()).replaceAll("[\\p{Cntrl}\\p{Zl}\\p{Zp}\\p{Cs}]+", " ");
        return "%.200s (%s)".formatted(line.strip(), cause.getClass().getSimpleName());
    }
}
