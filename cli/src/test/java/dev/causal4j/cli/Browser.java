package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** A Chromium without a window, which shows pages as people see them. */
record Browser(Path program, Path folder) {
    /** The one of the path. Without one the test is skipped, or fails where CI is set. */
    static Browser find(Path folder) {
        for (String name : List.of("chromium", "chromium-browser", "google-chrome")) {
            for (String part : System.getenv("PATH").split(File.pathSeparator, -1)) {
                Path program = Path.of(part, name);
                if (Files.isExecutable(program)) {
                    return new Browser(program, folder);
                }
            }
        }
        String message = "browser: expected chromium, chromium-browser or google-chrome in PATH, got none; install one";
        if (System.getenv("CI") != null) {
            throw new AssertionError(message);
        }
        return abort(message);
    }

    /** What the page looks like, 1000 pixels wide. */
    BufferedImage screenshot(String address, String... flags) throws IOException, InterruptedException {
        Path picture = folder.resolve("screenshot.png");
        Files.deleteIfExists(picture);
        List<String> all = new ArrayList<>(List.of(
                "--hide-scrollbars",
                "--force-device-scale-factor=1",
                "--window-size=1000,900",
                "--screenshot=" + picture));
        all.addAll(List.of(flags));
        run(address, all);
        return ImageIO.read(picture.toFile());
    }

    /** The page's elements as the browser understood them. */
    String elements(String address) throws IOException, InterruptedException {
        return run(address, List.of("--dump-dom"));
    }

    private String run(String address, List<String> flags) throws IOException, InterruptedException {
        Path profile = Files.createTempDirectory(folder, "profile");
        Path out = folder.resolve("browser.out");
        List<String> command = new ArrayList<>(List.of(
                program.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--user-data-dir=" + profile));
        command.addAll(flags);
        command.add(address);
        Process process = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        boolean ended = process.waitFor(60, TimeUnit.SECONDS);
        try (Stream<ProcessHandle> children = process.descendants()) {
            children.forEach(ProcessHandle::destroyForcibly);
        }
        process.destroyForcibly();
        assertThat(ended).as("the browser ended within a minute").isTrue();
        return Files.readString(out);
    }
}
