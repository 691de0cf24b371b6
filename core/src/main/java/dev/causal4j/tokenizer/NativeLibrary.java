package dev.causal4j.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * Unpacks the native library from DJL's jar and loads it, once for the process. Thread-safe.
 *
 * <p>The folder is the one DJL itself uses: {@code tokenizers/VERSION-cpu-PLATFORM} under {@code ENGINE_CACHE_DIR},
 * else {@code DJL_CACHE_DIR} (environment or system property), else {@code .djl.ai} in the home folder. If that fails,
 * it is a new temporary folder that only this user can write, deleted after loading. (DJL would use a fixed folder
 * under /tmp, where another user could plant a library.)
 */
final class NativeLibrary {
    private static final String RESOURCES = "/native/lib/";
    private static boolean loaded;

    private NativeLibrary() {}

    /**
     * Does nothing after the first success.
     *
     * @throws IOException if there is no library for this platform, or it cannot be unpacked or loaded anywhere
     */
    static synchronized void load() throws IOException {
        if (loaded) {
            return;
        }
        String platform = platform(System.getProperty("os.name"), System.getProperty("os.arch"));
        List<URL> files = files(platform);
        try {
            load(unpack(files, cacheFolder(platform)), files);
        } catch (IOException | InvalidPathException cacheFailure) {
            try {
                loadFromTemporaryFolder(files);
            } catch (IOException temporaryFailure) {
                temporaryFailure.addSuppressed(cacheFailure);
                throw new IOException(
                        "tokenizer library: expected a folder to unpack it in and load it from, got "
                                + Messages.oneLine(cacheFailure) + " and " + Messages.oneLine(temporaryFailure)
                                + "; set DJL_CACHE_DIR to a folder that may be written and hold programs",
                        temporaryFailure);
            }
        }
        loaded = true;
    }

    private static void loadFromTemporaryFolder(List<URL> files) throws IOException {
        Path folder = Files.createTempDirectory("causal4j-tokenizers-");
        try {
            load(unpack(files, folder), files);
        } finally {
            // Unix keeps a loaded library without its file; Windows locks the file.
            try {
                for (URL file : files) {
                    Files.deleteIfExists(folder.resolve(name(file)));
                }
                Files.delete(folder);
            } catch (IOException stays) {
                folder.toFile().deleteOnExit();
            }
        }
    }

    private static void load(Path folder, List<URL> files) throws IOException {
        for (URL file : files) {
            try {
                System.load(folder.resolve(name(file)).toString());
            } catch (UnsatisfiedLinkError e) {
                throw new IOException(e.getMessage(), e);
            }
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
            URL file = TokenizersLibrary.class.getResource(RESOURCES + platform + "/cpu/" + name);
            if (file == null) {
                throw new FileNotFoundException("tokenizer library: expected linux-x86_64, linux-aarch64, osx-aarch64"
                        + " or win-x86_64, got " + Messages.oneLine(platform) + "; give token ids instead of text");
            }
            files.add(file);
        }
        return files;
    }

    private static Path cacheFolder(String platform) throws IOException {
        Properties properties = new Properties();
        try (InputStream in = TokenizersLibrary.class.getResourceAsStream(RESOURCES + "tokenizers.properties")) {
            if (in == null) {
                throw new FileNotFoundException("no tokenizers.properties in the jar of the tokenizers");
            }
            properties.load(in);
        }
        return cacheRoot().resolve("tokenizers", properties.getProperty("version") + "-cpu-" + platform);
    }

    private static Path cacheRoot() throws IOException {
        for (String name : List.of("ENGINE_CACHE_DIR", "DJL_CACHE_DIR")) {
            String folder = System.getenv(name) != null ? System.getenv(name) : System.getProperty(name);
            if (folder != null && !folder.isEmpty()) {
                return Path.of(folder).toAbsolutePath();
            }
        }
        // The JDK says "?" for a user without an entry in the password file.
        Path home = Path.of(System.getProperty("user.home"));
        if (!Files.isDirectory(home)) {
            throw new FileNotFoundException(home + ": no such home folder");
        }
        return home.resolve(".djl.ai");
    }

    /**
     * Copies missing files to {@code folder}. Processes may do it at the same time: each writes a temporary file and
     * renames it, so a library under its own name is always complete.
     *
     * @return {@code folder}
     */
    static Path unpack(List<URL> files, Path folder) throws IOException {
        for (URL file : files) {
            URLConnection connection = file.openConnection();
            connection.setUseCaches(false);
            Path target = folder.resolve(name(file));
            try (InputStream in = connection.getInputStream()) {
                if (Files.isReadable(target) && Files.size(target) == connection.getContentLengthLong()) {
                    continue;
                }
                Files.createDirectories(folder);
                Path whole = Files.createTempFile(folder, name(file), ".part");
                try {
                    Files.copy(in, whole, StandardCopyOption.REPLACE_EXISTING);
                    Files.move(whole, target, StandardCopyOption.ATOMIC_MOVE);
                } finally {
                    Files.deleteIfExists(whole);
                }
            }
        }
        return folder;
    }

    private static String name(URL file) {
        return file.getPath().substring(file.getPath().lastIndexOf('/') + 1);
    }
}
