package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import dev.causal4j.server.Server;
import dev.causal4j.server.ServerOptions;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/**
 * The commands of README.md and of the guides that {@link ReadmeTest} does not run: what starts the program, in a line or in
 * the middle of a sentence, is taken by its parser; scripts and the modules that they name are there; and a server answers
 * what is asked of it.
 */
class CommandsTest {
    private static final Path ROOT = Repository.root();
    private static final String ADDRESS = "127.0.0.1:8080";

    /** The program, or its image, and its arguments, up to the end of the line or of the words in backticks. */
    private static final Pattern PROGRAM =
            Pattern.compile("(?:^|[ `|(=])(?:[\\w./-]*/causal4j|causal4j:VERSION) ([^`]*)");

    /** A word of a shell, perhaps with quoted parts; or an end of the command. */
    private static final Pattern WORD = Pattern.compile("(?:[^\\s\"'|;&<>]|\"[^\"]*\"|'[^']*')+|[|;&<>]");

    private static final Pattern SCRIPT =
            Pattern.compile("(?:^ {4}|`|^)(?:\\./)?(check|mvnw|scripts/[\\w.-]+|runs/[\\w.-]+)(?: ([^`]*)|`|$)");

    private static final Pattern CURL =
            Pattern.compile("curl -s http://" + ADDRESS + "(\\S+) -d '(.*?)'", Pattern.DOTALL);

    private static final CommandLine PARSER =
            Main.commands().commandLine().setExpandAtFiles(false).setCaseInsensitiveEnumValuesAllowed(true);

    /** The text of a document, in one line. */
    record Written(String document, String line) {
        @Override
        public String toString() {
            return document + ": " + line;
        }
    }

    /** The lines of a document outside of console blocks; those that end in a backslash with the next one. */
    private static List<String> lines(String document) throws IOException {
        List<String> lines = new ArrayList<>();
        boolean console = false;
        String begun = "";
        for (String line : Guides.lines(document)) {
            console = line.startsWith("```") ? line.equals("```console") : console;
            if (line.endsWith("\\")) {
                begun += line.substring(0, line.length() - 1);
            } else if (!console) {
                lines.add(begun + line);
                begun = "";
            }
        }
        return lines;
    }

    private static List<Written> matches(Pattern pattern) throws IOException {
        List<Written> found = new ArrayList<>();
        for (String document : Guides.all()) {
            for (String line : lines(document)) {
                pattern.matcher(line)
                        .results()
                        .map(match -> new Written(document, match.group().strip()))
                        .forEach(found::add);
            }
        }
        return found;
    }

    static List<Written> commands() throws IOException {
        return matches(PROGRAM).stream()
                .filter(each -> !each.line().contains("causal4j COMMAND"))
                .toList();
    }

    static List<Written> scripts() throws IOException {
        return matches(SCRIPT);
    }

    /** The arguments of the program; of alternatives such as f32|bf16 the first. */
    private static List<String> arguments(String line) {
        Matcher program = PROGRAM.matcher(line);
        assertThat(program.find()).as(line).isTrue();
        String shown = program.group(1).replaceAll("(?<=\\w)\\|[\\w|]+", "");
        return WORD.matcher(shown)
                .results()
                .map(word -> word.group())
                .takeWhile(word -> !"|;&<>".contains(word))
                .map(word -> word.replaceAll("[\"']", ""))
                .toList();
    }

    private static void parse(String line) {
        PARSER.parseArgs(arguments(line).toArray(String[]::new));
    }

    @ParameterizedTest
    @MethodSource("commands")
    void theParserTakesACommand(Written command) {
        parse(command.line());
    }

    @Test
    void theParserRefusesWhatLacksAnOptionOrHasOneThatIsNone() throws IOException {
        assertThat(commands()).hasSizeGreaterThan(25);
        assertThat(arguments("./causal4j tokenizer parse --calls \"a b\" --dtype f32|bf16 | cat"))
                .containsExactly("tokenizer", "parse", "--calls", "a b", "--dtype", "f32");
        assertThatThrownBy(() -> parse("./causal4j train --data chat.jsonl --cut documents --out TUNED"))
                .hasMessageContaining("--steps");
        assertThatThrownBy(() -> parse("`./causal4j generate Emma --temprature 1`"))
                .hasMessageContaining("--temprature");
    }

    @ParameterizedTest
    @MethodSource("scripts")
    void aScriptAndTheModulesThatItNamesAreThere(Written script) {
        Matcher named = SCRIPT.matcher(script.line());
        assertThat(named.find()).isTrue();
        assertThat(ROOT.resolve(named.group(1))).isExecutable();
        if (named.group(1).endsWith("install.sh") && named.group(2) != null) {
            Stream.of(named.group(2).split(" "))
                    .filter(module -> module.matches("[a-z]\\w*"))
                    .forEach(module ->
                            assertThat(ROOT.resolve(module).resolve("pom.xml")).exists());
        }
    }

    @Test
    void aServerAnswersWhatIsAskedOfIt() throws Exception {
        try (CausalLM model = AustenModel.load();
                Server server =
                        Server.start(model, ChatTemplate.plain(), ServerOptions.DEFAULT.withAddress("127.0.0.1", 0));
                HttpClient client = HttpClient.newHttpClient()) {
            String address = "127.0.0.1:" + server.address().getPort();
            List<String> asked = new ArrayList<>();
            for (String document : Guides.all()) {
                Matcher curl = CURL.matcher(String.join("\n", Guides.lines(document)));
                while (curl.find()) {
                    HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + address + curl.group(1)))
                            .POST(HttpRequest.BodyPublishers.ofString(curl.group(2)))
                            .build();
                    HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
                    assertThat(answer.statusCode())
                            .as(document + ": " + answer.body())
                            .isEqualTo(200);
                    asked.add(document);
                }
            }
            assertThat(asked).contains("README.md", "docs/guides/structured-output.md");
            assertThat(python(address)).isEqualTo(" not to be a very\n");
        }
    }

    /** The output of the guide's client in Python. */
    private static String python(String address) throws IOException, InterruptedException {
        assumeTrue(
                Stream.of(System.getenv("PATH").split(":")).anyMatch(each -> Files.exists(Path.of(each, "python3"))));
        String program = String.join(
                "\n", Guides.blocks("docs/guides/serving.md", "python").getFirst());
        Process process = new ProcessBuilder("python3", "-c", program.replace(ADDRESS, address))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isZero();
        return printed;
    }
}
