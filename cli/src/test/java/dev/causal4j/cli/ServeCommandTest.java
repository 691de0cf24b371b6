package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.server.ServerOptions.Answered;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The server as users start and stop it, and what the README shows of it. */
class ServeCommandTest {
    private static final String SHOWN = "http://127.0.0.1:8080";

    @TempDir
    Path folder;

    @Test
    void whatTheReadmeAsksIsAnsweredUntilSigterm() throws Exception {
        Process serving = Launcher.BRIEF.start("serve", "--port", "0");
        try (HttpClient client = HttpClient.newHttpClient();
                BufferedReader out =
                        new BufferedReader(new InputStreamReader(serving.getInputStream(), StandardCharsets.UTF_8))) {
            String ready = out.readLine();
            assertThat(ready).matches("Serving causal4j-austen at http://127\\.0\\.0\\.1:\\d+");
            String url = ready.substring(ready.lastIndexOf(' ') + 1);
            String readme = Files.readString(Repository.root().resolve("README.md"));
            assertThat(printed("bash", "-c", block(readme, "sh").replace(SHOWN, url)))
                    .contains("\"text\":\" not to be a very\"");
            if (printed("bash", "-c", "command -v python3 || true").isEmpty()) {
                assumeTrue(false, "there is no python3");
            }
            String guide = Files.readString(Repository.root().resolve("docs/guides/serving.md"));
            assertThat(printed("python3", "-c", block(guide, "python").replace(SHOWN, url)))
                    .isEqualTo(" not to be a very\n");
            HttpRequest page = HttpRequest.newBuilder(URI.create(url + "/")).build();
            assertThat(client.send(page, HttpResponse.BodyHandlers.ofString())
                            .headers()
                            .map())
                    .containsKey("content-security-policy");
            serving.destroy(); // SIGTERM
            assertThat(serving.waitFor(30, TimeUnit.SECONDS)).isTrue();
        } finally {
            serving.destroyForcibly();
        }
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aSecondSigtermEndsWhatTheFirstLetEnd() throws Exception {
        Process serving = Launcher.BRIEF.start("serve", "--port", "0", "--shutdown-timeout", "3600");
        try (HttpClient client = HttpClient.newHttpClient();
                BufferedReader out =
                        new BufferedReader(new InputStreamReader(serving.getInputStream(), StandardCharsets.UTF_8))) {
            String ready = out.readLine();
            String url = ready.substring(ready.lastIndexOf(' ') + 1);
            String body = "{\"prompt\": \"Emma\", \"max_tokens\": 250, \"n\": 128, \"ignore_eos\": true}";
            CompletableFuture<HttpResponse<String>> asked = client.sendAsync(
                    HttpRequest.newBuilder(URI.create(url + "/v1/completions"))
                            .POST(HttpRequest.BodyPublishers.ofString(body))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            HttpRequest metrics =
                    HttpRequest.newBuilder(URI.create(url + "/metrics")).build();
            HttpRequest health =
                    HttpRequest.newBuilder(URI.create(url + "/health")).build();
            while (!client.send(metrics, HttpResponse.BodyHandlers.ofString())
                    .body()
                    .contains("running 16.0")) {}
            serving.destroy();
            while (client.send(health, HttpResponse.BodyHandlers.discarding()).statusCode() == 200) {}
            serving.destroy();
            assertThat(serving.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(serving.exitValue()).isEqualTo(143);
            assertThat(asked).failsWithin(30, TimeUnit.SECONDS);
        } finally {
            serving.destroyForcibly();
        }
    }

    private static String block(String document, String language) {
        Matcher block = Pattern.compile("```" + language + "\n(.*?8080.*?)```", Pattern.DOTALL)
                .matcher(document);
        assertThat(block.find()).as(language).isTrue();
        return block.group(1);
    }

    private static String printed(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        return printed;
    }

    @Test
    void aPortInUseAndAModelThatIsNotThereAreNamedInOneLine() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Program.Run run = Program.run("serve", "--port", Integer.toString(taken.getLocalPort()));
            run.refused(1, "127.0.0.1:" + taken.getLocalPort() + ": expected a free address of this machine");
        }
        Program.run("serve", "--model", "nowhere")
                .refused(1, "nowhere: expected a folder, a GGUF file, or a model that is whole in the cache");
    }

    @Test
    void withoutKeysItListensToThisMachineAlone() throws IOException {
        Program.run("serve", "--host", "0.0.0.0").refused(2, "host: expected one of this machine alone, or keys");
        Program.run("serve", "--api-key-file", folder.resolve("none").toString())
                .refused(1, "none: expected a file, got no such file");
        Path empty = Files.createFile(folder.resolve("empty"));
        Program.run("serve", "--api-key-file", empty.toString()).refused(1, "empty: expected keys, one a line");
        Program.run("serve", "--port", "70000").refused(2, "port: expected 0 to 65535, got 70000");
    }

    @Test
    void aLineOfTheLogHasTimeTokensAndReason() {
        Instant time = Instant.parse("2026-12-01T10:00:00.123Z");
        Answered done =
                new Answered("req_1", "POST", "/v1/completions", "", 200, 0.5, 9, 40, OptionalDouble.of(0.0625), "");
        assertThat(ServeCommand.line(done, time, false))
                .isEqualTo(
                        "2026-12-01T10:00:00.123Z req_1 POST \"/v1/completions\" 200 0.500 s, 9 tokens in, 40 out, first after 0.063 s");
        assertThat(ServeCommand.line(done, time, true))
                .isEqualTo("{\"time\":\"2026-12-01T10:00:00.123Z\",\"id\":\"req_1\",\"method\":\"POST\","
                        + "\"path\":\"/v1/completions\",\"status\":200,\"seconds\":0.5,\"prompt_tokens\":9,"
                        + "\"new_tokens\":40,\"first_token_seconds\":0.0625,\"reason\":null}");
        Answered refused = new Answered(
                "req_2", "GET", "/a\nb", "", 404, 0.001, 0, 0, OptionalDouble.empty(), "path: expected x,\n got y");
        assertThat(ServeCommand.line(refused, time, false))
                .isEqualTo("2026-12-01T10:00:00.123Z req_2 GET \"/a\\nb\" 404 0.001 s, \"path: expected x,\\n got y\"");
        assertThat(ServeCommand.line(refused, time, true))
                .contains("\"first_token_seconds\":null,\"reason\":\"path: expected x,\\n got y\"}");
    }

    @Test
    void aLineOfTheLogNamesTheModelIfThereAreSeveral() {
        Instant time = Instant.parse("2026-12-01T10:00:00.123Z");
        Answered done = new Answered("req_1", "POST", "/tokenize", "small", 200, 0.5, 0, 0, OptionalDouble.empty(), "");
        assertThat(ServeCommand.line(done, time, false))
                .isEqualTo("2026-12-01T10:00:00.123Z req_1 POST \"/tokenize\" 200 0.500 s, model \"small\"");
        assertThat(ServeCommand.line(done, time, true))
                .contains("\"path\":\"/tokenize\",\"model\":\"small\",\"status\"");
    }

    private static final long MB = 1 << 20;

    private static Map<String, Long> divided(Map<String, Long> contexts, Map<String, Long> wanted, long free) {
        return new ServedModels().divide(contexts, wanted, free);
    }

    /** In megabytes: what each has does not depend on the order of the models. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "none",
            value = {
                "none | 900 | 300, 300, 300",
                "none | 30 | 10, 10, 40",
                "all 600 | 9000 | 200, 200, 200",
                "all 600 b 100 | 9000 | 250, 100, 250",
                "a 500 | 900 | 500, 200, 200",
                "a 500 b 70 c 90 | 0 | 500, 70, 90",
                "all 0 | 900 | 300, 300, 300",
            })
    void memoryIsDividedInEqualPartsUnlessAModelHasItsOwn(String wanted, long free, String told) {
        Map<String, Long> named = new HashMap<>();
        String[] words = wanted == null ? new String[0] : wanted.split(" ", -1);
        for (int i = 0; i < words.length; i += 2) {
            named.put(words[i].equals("all") ? "" : words[i], MB * Long.parseLong(words[i + 1]));
        }
        List<String> names = List.of("a", "b", "c");
        for (List<String> order : List.of(names, names.reversed())) {
            Map<String, Long> contexts = new LinkedHashMap<>();
            order.forEach(name -> contexts.put(name, (name.equals("c") ? 40 : 10) * MB));
            Map<String, Long> parts = divided(contexts, named, free * MB);
            assertThat(names.stream()
                            .map(name -> "" + parts.getOrDefault(name, 0L) / MB)
                            .collect(Collectors.joining(", ")))
                    .isEqualTo(told);
        }
    }

    @Test
    void whatSeveralModelsCannotHaveIsRefusedBeforeOneIsLoaded() throws IOException {
        Path model = folder.resolve("model");
        Program.run("convert", "--to", "hf", "--out", model.toString()).done();
        String two = "second=" + model;
        Program.run("serve", "--model", model.toString(), "--model", model.toString())
                .refused(
                        2,
                        "model: expected different names, got model, model; give one another with --model NAME=PATH");
        Program.run("serve", "--model", model.toString(), "--model", two, "--cache-memory", "4")
                .refused(2, "cache-memory: expected at least 3 MB for model, a full context, got 2");
        Program.run("serve", "--model", model.toString(), "--model", two, "--cache-memory", "third=4")
                .refused(2, "cache-memory: expected one of model, second, got third");
        Program.run("serve", "--model", model.toString(), "--model", two, "--cache-memory", "second=4000000")
                .refused(1, "memory: expected at most ");
        Program.run("serve", "--model", model.toString(), "--model", "second=nowhere")
                .refused(1, "nowhere: expected a folder");
        Program.run("serve", "--adapter", "tuned").refused(2, "adapter: expected NAME=DIR, got tuned");
        Program.run("serve", "--adapter", "tuned=" + model, "--model", two)
                .refused(2, "adapter: expected --model before it, got none");
        Program.run("serve", "--adapter", "tuned=nowhere").refused(1, "nowhere");
        Program.run("serve", "--alias", "a=b")
                .refused(2, "alias: expected a new name and one of causal4j-austen, got a=b");
        Program.run("serve", "--model", two, "--cache-memory", "x")
                .refused(2, "cache-memory: expected a whole number of at most 2147483647, got \"x\"");
        Program.run("generate", "a", "--model", "b", "--model", "c")
                .refused(2, "model: expected to be given once, got it twice");
    }

    @ParameterizedTest
    @CsvSource({
        "--parallel, 0, 'parallel: expected at least 1, got 0'",
        "--queue, -1, 'queue: expected at least 0, got -1'",
        "--shutdown-timeout, -1, 'shutdown-timeout: expected at least 0 seconds, got -1'",
        "--alias, '', 'alias: expected a name, got an empty one'",
        "--cors-origin, example.com, 'cors-origin: expected * or scheme://host, as https://example.com, in lower case, got \"example.com\"'"
    })
    void aWrongValueIsNamedByItsOption(String option, String value, String told) {
        Program.run("serve", option + "=" + value).refused(2, told, "; see causal4j serve --help");
    }
}
