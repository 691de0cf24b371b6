package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The page in a real browser. */
class ScorePageTest {
    private static final String HOSTILE =
            "It is a truth </div></body></style></script><script>document.body.innerHTML=''"
                    + "</script> <img src=x onerror=alert(1)> &amp; \u202ereversed\u202c \u0007\u001b[31m é日🙂\n\tEnd.";

    @TempDir
    Path folder;

    private Path page(String text) throws Exception {
        Path page = folder.resolve("page.html");
        Path file = Files.writeString(folder.resolve("text"), text);
        Program.Run run = Program.SCALAR.run("score", "--file", file.toString(), "--html", page.toString());
        assertThat(run.done().out()).matches("\\d+ tokens scored, .*\n");
        return page;
    }

    @Test
    void tokensShadesAndTheTooltipAreThere() throws Exception {
        Path page = page("It is a truth universally acknowledged, that a single man must be in want of a zebra.");
        Browser browser = Browser.find(folder);
        String address = page.toUri().toString();
        BufferedImage plain = browser.screenshot(address);
        assertThat(shades(plain)).as("shades of orange").hasSizeGreaterThan(10);
        BufferedImage pointed = browser.screenshot(address + "#t7");
        int[] box = difference(plain, pointed);
        assertThat(box[2] - box[0]).as("width of the tooltip").isBetween(250, 600);
        assertThat(box[3] - box[1]).as("height of the tooltip").isBetween(120, 400);
        int inside = 0;
        Set<Integer> colors = new HashSet<>();
        for (int y = box[1]; y < box[3]; y++) {
            for (int x = box[0]; x < box[2]; x++) {
                colors.add(pointed.getRGB(x, y));
                inside += isDark(pointed.getRGB(x, y)) ? 1 : 0;
            }
        }
        assertThat(colors).as("ink, bars and ground of the tooltip").hasSizeGreaterThan(20);
        assertThat(inside).as("pixels of its text").isGreaterThan(500);
    }

    @Test
    void inTheDarkItIsDark() throws Exception {
        String address = page("It is a truth universally acknowledged.").toUri().toString();
        BufferedImage dark = Browser.find(folder).screenshot(address, "--blink-settings=preferredColorScheme=0");
        assertThat(isDark(dark.getRGB(5, 5))).isTrue();
        assertThat(shades(dark)).hasSizeGreaterThan(5);
    }

    /** Colours in which red leads clearly. */
    private static Set<Integer> shades(BufferedImage image) {
        Set<Integer> shades = new HashSet<>();
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                int rgb = image.getRGB(x, y);
                if ((rgb >> 16 & 0xff) > (rgb & 0xff) + 30) {
                    shades.add(rgb);
                }
            }
        }
        return shades;
    }

    private static boolean isDark(int rgb) {
        return (rgb >> 16 & 0xff) + (rgb >> 8 & 0xff) + (rgb & 0xff) < 3 * 80;
    }

    /** The box around what differs: left, top, right, bottom. */
    private static int[] difference(BufferedImage a, BufferedImage b) {
        int[] box = {Integer.MAX_VALUE, Integer.MAX_VALUE, 0, 0};
        for (int y = 0; y < a.getHeight(); y++) {
            for (int x = 0; x < a.getWidth(); x++) {
                if (a.getRGB(x, y) != b.getRGB(x, y)) {
                    box[0] = Math.min(box[0], x);
                    box[1] = Math.min(box[1], y);
                    box[2] = Math.max(box[2], x + 1);
                    box[3] = Math.max(box[3], y + 1);
                }
            }
        }
        assertThat(box[2]).as("something differs").isPositive();
        return box;
    }

    @Test
    void aHostileTextIsShownAndDoesNothing() throws Exception {
        String elements = Browser.find(folder).elements(page(HOSTILE).toUri().toString());
        JsonNode score = JsonMapper.shared()
                .readTree(Program.SCALAR
                        .run("score", "--file", folder.resolve("text").toString(), "--json")
                        .done()
                        .out());
        assertThat(matches(elements, "<a class=\"t(?: first)?\" id=\"t\\d+\""))
                .hasSize(score.get("tokens").size());
        assertThat(matches(elements, "<span class=\"row"))
                .hasSize(5 * score.get("scored_tokens").intValue());
        assertThat(elements)
                .contains("U+202E", "U+0007", "U+001B", "↵", "🙂", "<svg", "Content-Security-Policy")
                .doesNotContain("<script", "<img", "\u202e", "\u0007", "\u001b");
        assertThat(matches(elements, "</body>")).hasSize(1);
    }

    private static Stream<String> matches(String text, String pattern) {
        return Pattern.compile(pattern).matcher(text).results().map(MatchResult::group);
    }

    @Test
    void itNeedsNothingFromOutside() throws Exception {
        String page = Files.readString(page(HOSTILE + " http://example.org/x.png"));
        assertThat(page).doesNotContain("url(", "@import", "src=\"", "<link", "<script");
        assertThat(matches(page, "href=\"[^#]")).isEmpty();
    }

    @Test
    void aFileIsReplacedWholeAndNothingElseIs() throws Exception {
        Files.writeString(folder.resolve("page.html"), "old");
        page("Emma was so");
        assertThat(Files.readString(folder.resolve("page.html"), StandardCharsets.UTF_8))
                .endsWith("</html>\n");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder("page.html", "text");
        }
        Path nowhere = folder.resolve("no/page.html");
        Program.SCALAR.run("score", "Emma was", "--html", nowhere.toString()).refused(1, nowhere.toString());
    }

    @Test
    void whatCannotBeWrittenIsRefusedBeforeAModelIsLoaded() throws Exception {
        String nowhere = folder.resolve("no/page.html").toString();
        Program.SCALAR
                .run("score", "Emma was", "--html", nowhere, "--model", "missing")
                .refused(1, nowhere, "no such folder");
    }

    @Test
    void theTextThatIsReadIsNotOverwritten() throws Exception {
        Path file = Files.writeString(folder.resolve("text"), "Emma was");
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        for (Path page : new Path[] {file, link}) {
            Program.SCALAR
                    .run("score", "--file", file.toString(), "--html", page.toString())
                    .refused(2, "html: expected another file than --file, got the same");
        }
        assertThat(file).hasContent("Emma was");
    }

    @Test
    void aTextThatIsTooLongForAPageIsRefused() throws IOException, InterruptedException {
        Path file = Files.writeString(folder.resolve("text"), "Emma ".repeat(25_000));
        Path page = folder.resolve("page.html");
        Program.SCALAR
                .run("score", "--file", file.toString(), "--html", page.toString())
                .refused(1, "html: expected at most 20000 tokens");
        assertThat(page).doesNotExist();
    }
}
