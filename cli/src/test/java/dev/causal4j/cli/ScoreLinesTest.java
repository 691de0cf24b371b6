package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ScoreLinesTest {
    private static final String[] WORDS = "Emma was not to be so very much obliged by Mr. Knightley".split(" ", -1);

    /** Some that a small model scores in dozens of groups. */
    private static final int LINES = 2000;

    @TempDir
    Path folder;

    private Path in;
    private Path out;

    @BeforeEach
    void files() {
        in = folder.resolve("in.jsonl");
        out = folder.resolve("out.jsonl");
    }

    private Program.Run score(String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("score", "--jsonl", in.toString(), "--out", out.toString()));
        all.addAll(List.of(arguments));
        return Program.run(all.toArray(String[]::new));
    }

    private List<JsonNode> results() throws IOException {
        return Files.readAllLines(out).stream()
                .map(JsonMapper.shared()::readTree)
                .toList();
    }

    private void texts(int count) throws IOException {
        Random random = new Random(3);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            StringBuilder text = new StringBuilder("She");
            for (int w = random.nextInt(1, 30); w > 0; w--) {
                text.append(' ').append(WORDS[random.nextInt(WORDS.length)]);
            }
            lines.add("{\"id\": " + i + ", \"text\": \"" + text + "\"}");
        }
        Files.write(in, lines);
    }

    @Test
    void eachLineHasTheScoreOfItsTextAloneAndItsOtherFields() throws Exception {
        Files.writeString(in, """
                {"id": 1.50, "text": "Emma was not to be so much", "tags": ["a", {"b": null}], "nll": "old"}

                {"text": "Oh! 🙂"}
                {"text": "%s"}
                """.formatted("Emma was very kind. ".repeat(80)));
        Program.Run run = score();
        assertThat(run.status()).isZero();
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).matches("3 texts, 0 failed; \\d+ tokens scored, nll .*, perplexity .* bits per byte\n");
        List<JsonNode> results = results();
        assertThat(results).hasSize(3);
        assertThat(Files.readString(out)).startsWith("{\"id\":1.50,\"tags\":[\"a\",{\"b\":null}],\"nll\":");
        JsonNode alone =
                Program.run("score", "Emma was not to be so much", "--json").json();
        assertThat(alone.properties())
                .allSatisfy(field ->
                        assertThat(results.getFirst().get(field.getKey())).isEqualTo(field.getValue()));
        assertThat(results.get(2).get("scored_tokens").intValue()).isGreaterThan(256);
    }

    @Test
    void theDigestOfAllTextsIsThatOfTheirDigestsAlsoAfterAResumedRun() throws Exception {
        texts(40);
        JsonNode whole =
                JsonMapper.shared().readTree(score("--json", "--totals").out());
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        for (JsonNode result : results()) {
            sha.update(HexFormat.of().parseHex(result.get("bits").stringValue().substring(7)));
        }
        String bits = "sha256:" + HexFormat.of().formatHex(sha.digest());
        assertThat(whole.get("bits").stringValue()).isEqualTo(bits);
        List<String> lines = Files.readAllLines(out);
        Files.write(out, lines.subList(0, 13));
        assertThat(JsonMapper.shared()
                        .readTree(score("--json", "--totals", "--resume").out()))
                .isEqualTo(whole);
        Files.write(
                out,
                lines.subList(0, 13).stream()
                        .map(line -> line.replaceAll(",\"bits\":\"[^\"]*\"", ""))
                        .toList());
        JsonNode older = JsonMapper.shared()
                .readTree(score("--json", "--totals", "--resume").out());
        assertThat(older.get("bits").isNull())
                .as("results of a version without digests")
                .isTrue();
        assertThat(older.get("nll")).isEqualTo(whole.get("nll"));
    }

    @Test
    void theFilesOfAFolderAreTexts() throws Exception {
        Path texts = Files.createDirectories(folder.resolve("texts/sub"));
        Files.writeString(texts.resolve("b.txt"), "Emma was\nvery kind.\n");
        Files.writeString(texts.resolve("../c.jsonl"), "{\"id\": 7, \"text\": \"Emma was\"}\n{\"text\": \"Emma\"}");
        Files.writeString(texts.resolve("../a.txt"), "\ufeffEmma was \"kind\".");
        Files.writeString(texts.resolve("../.hidden"), "Emma was");
        String from = folder.resolve("texts").toString();
        Program.Run run = Program.run("score", "--file", from, "--totals", "--out", out.toString());
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("texts line 3: text: expected at least two tokens", "4 texts, 1 failed; ");
        List<JsonNode> results = results();
        assertThat(results)
                .extracting(result -> result.path("file").asString(""))
                .containsExactly("a.txt", "", "", "sub/b.txt");
        assertThat(results.get(3).get("nll"))
                .isEqualTo(Program.run("score", "--file", texts.resolve("b.txt").toString(), "--json")
                        .json()
                        .get("nll"));
        assertThat(results.get(1).get("id").intValue()).isEqualTo(7);
        Program.run(
                        "score",
                        "--file",
                        from,
                        "--out",
                        texts.resolve("scores.jsonl").toString())
                .refused(1, from + ": expected another place than OUT, got the same");
        Program.run("score", "--file", from, "--choices", "x").refused(2, "choices: expected a prompt as TEXT");
        Files.write(texts.resolve("bad"), new byte[] {(byte) 0xff});
        Program.run("score", "--file", from, "--out", out.toString(), "--overwrite")
                .refused(1, "bad: expected text in UTF-8, got bytes that are not");
    }

    @Test
    void standardInputAndStandardOutputDoToo() throws Exception {
        Program.Run run = Program.runWithInput("{\"text\": \"Emma was\"}", "score", "--jsonl", "-", "--totals");
        assertThat(run.status()).isZero();
        assertThat(run.out()).startsWith("{\"nll\":").containsOnlyOnce("\n");
        assertThat(run.err()).startsWith("1 text, 0 failed; 1 token scored");
    }

    @Test
    void aLineThatCannotBeScoredIsReportedAndTheOthersAreScored() throws Exception {
        Files.write(
                in,
                "{\"id\":1,\"text\":\"Emma was\"}\n{\"id\":2,\"text\":\"\"}\nno json\n[1]\n{\"id\":5}\n"
                        .getBytes(StandardCharsets.UTF_8));
        Files.write(in, new byte[] {'{', (byte) 0xff, '}', '\n'}, StandardOpenOption.APPEND);
        Files.writeString(in, "{\"id\":7,\"id\":8,\"text\":\"Emma was\"}\n", StandardOpenOption.APPEND);
        Files.writeString(in, "{\"id\":9,\"text\":\"Emma was\"}", StandardOpenOption.APPEND);
        Program.Run run = score("--json");
        assertThat(run.status()).isEqualTo(1);
        JsonNode totals = JsonMapper.shared().readTree(run.out());
        assertThat(totals.get("texts").intValue()).isEqualTo(8);
        assertThat(totals.get("failed").intValue()).isEqualTo(6);
        assertThat(totals.get("scored_tokens").intValue()).isEqualTo(2);
        assertThat(run.err().lines()).hasSize(6).allMatch(line -> line.startsWith(in + " line "));
        assertThat(run.err())
                .contains("line 2: text: expected at least two tokens", "line 6: text: expected text in UTF-8");
        List<JsonNode> results = results();
        assertThat(results.stream().map(each -> each.has("error")))
                .containsExactly(false, true, true, true, true, true, true, false);
        assertThat(results.get(1).get("id").intValue()).isEqualTo(2);
        assertThat(results.get(2).get("line").intValue()).isEqualTo(3);
        assertThat(results.get(0).get("perplexity")).isEqualTo(totals.get("perplexity"));
    }

    @Test
    void failFastStopsAfterTheLinesBefore() throws Exception {
        Files.writeString(in, "{\"text\":\"Emma was\"}\n{\"text\":3}\n{\"text\":\"Emma was\"}\n");
        Program.Run run = score("--fail-fast");
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("line 2: expected a string in the field").containsOnlyOnce("\n");
        assertThat(results()).hasSize(1);
        Files.writeString(in, "{\"text\":\"Emma was\"}\n{\"text\":\"Oh well\"}\n{\"text\":\"Emma was\"}\n");
        assertThat(score("--resume").status()).isZero();
        assertThat(results()).hasSize(3);
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void afterAKillARunGoesOnAndEndsWithTheSameFile() throws Exception {
        texts(LINES);
        String small = smallModel();
        int status = statusOfKilled(small);
        for (int i = 0; i < 4 && Files.readAllLines(out).size() == LINES; i++) { // it had them before the signal came
            Files.delete(out);
            status = statusOfKilled(small);
        }
        assertThat(status).as("killed").isEqualTo(137);
        int finished = Files.readAllLines(out).size();
        assertThat(finished).isBetween(1, LINES - 1);
        String written = Files.readString(out);
        List<String> kept = // the signal may come within a line
                written.substring(0, written.lastIndexOf('\n') + 1).lines().toList();
        Files.writeString(out, "{\"id\":1,\"nl", StandardOpenOption.APPEND); // as a system may leave it

        score("--model", small, "--totals").refused(1, "expected a new file, got one that exists");
        Program.Run resumed = score("--model", small, "--totals", "--resume");
        assertThat(resumed.status()).isZero();
        assertThat(Files.readAllLines(out)).hasSize(LINES).startsWith(kept.toArray(String[]::new));
        byte[] bytes = Files.readAllBytes(out);
        Program.Run whole = score("--model", small, "--totals", "--overwrite");
        assertThat(Files.readAllBytes(out)).isEqualTo(bytes);
        assertThat(resumed.err()).isEqualTo(whole.err()).startsWith("%,d texts, 0 failed;".formatted(LINES));
        assertThat(score("--model", small, "--totals", "--resume").err())
                .as("nothing left")
                .isEqualTo(whole.err());
    }

    /** A model with a tokenizer, of a few kilobytes. */
    private String smallModel() throws IOException {
        Path data = Files.writeString(folder.resolve("data.txt"), (String.join(" ", WORDS) + "\n").repeat(20));
        String tokenizer = folder.resolve("tokenizer").toString();
        String model = folder.resolve("model").toString();
        Path config = Files.writeString(
                folder.resolve("config.json"),
                "{\"model_type\": \"gpt2\", \"vocab_size\": 300, \"n_positions\": 64, \"n_embd\": 16,"
                        + " \"n_layer\": 1, \"n_head\": 2}");
        String text = data.toString();
        Program.run("tokenizer", "train", "--data", text, "--vocabulary-size", "300", "--out", tokenizer);
        String train = "train --steps 1 --batch-size 1 --context-length 16 --held-out 0 --data";
        String[] paths = {text, "--config", config.toString(), "--tokenizer", tokenizer, "--out", model};
        Program.run(Stream.of(train.split(" ", -1), paths).flatMap(Stream::of).toArray(String[]::new))
                .done();
        return model;
    }

    /** Kills a run once it has written results. */
    private int statusOfKilled(String small) throws IOException, InterruptedException {
        String[] files = {"--jsonl", in.toString(), "--out", out.toString(), "--model", small};
        String[] all = Stream.of(new String[] {"score", "--totals", "--threads", "1"}, files)
                .flatMap(Stream::of)
                .toArray(String[]::new);
        Process process = Launcher.BRIEF.start(all);
        try {
            while (process.isAlive() && !(Files.exists(out) && Files.size(out) > 0)) {
                Thread.sleep(5);
            }
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }

    @Test
    void filesThatDoNotBelongTogetherAreRefusedAndStayAsTheyAre() throws Exception {
        texts(3);
        assertThat(score().status()).isZero();
        String results = Files.readString(out);
        Files.writeString(in, Files.readString(in).replace("\"id\": 2", "\"id\": 7"));
        score("--resume").refused(1, "another \"id\" in result 3");
        texts(2);
        score("--resume").refused(1, "more than it has lines");
        assertThat(Files.readString(out)).isEqualTo(results);
        Files.writeString(out, "a text of mine\n");
        score("--resume").refused(1, out + " line 1: expected a result of an earlier run");
        assertThat(Files.readString(out)).isEqualTo("a text of mine\n");
        out = in;
        score("--overwrite").refused(1, "got the same");
        assertThat(Files.readAllLines(in)).hasSize(2);
        out = folder;
        score("--overwrite").refused(1, "expected a file, got a folder");
        out = folder.resolve("no/such");
        score().refused(1, "no/such");
        in = folder.resolve("nowhere");
        score().refused(1, "got no such file");
        Program.run("score", "--jsonl", "x", "--json").refused(2, "out: expected --out with");
        Program.run("score", "--jsonl", "x", "--out", "y", "--resume", "--overwrite")
                .refused(2, "got both");
    }

    @Test
    void aLineLongerThanTheBoundFailsAlone() throws Exception {
        try (var writer = Files.newBufferedWriter(in)) {
            writer.write("{\"text\":\"");
            for (int i = 0; i < 17; i++) {
                writer.write("x".repeat(1 << 20));
            }
            writer.write("\"}\n{\"text\":\"Emma was\"}\n");
        }
        assertThat(score("--totals").status()).isEqualTo(1);
        List<JsonNode> results = results();
        assertThat(results.get(0).get("error").stringValue()).contains("line 1: text: expected at most 16777216 bytes");
        assertThat(results.get(1).has("nll")).isTrue();
        assertThat(Stream.of(results.get(0).has("nll"))).containsExactly(false);
    }

    /** Position 20 of the position embedding is not a number: texts that reach it have no score, the others do. */
    @Test
    void damagedWeightsFailTheLinesTheyTouch() throws Exception {
        Path model = Files.createDirectory(folder.resolve("model"));
        Path embedded = Repository.root().resolve("model-austen/src/main/resources/dev/causal4j/austen");
        Files.copy(embedded.resolve("config.json"), model.resolve("config.json"));
        Files.copy(embedded.resolve("tokenizer.json"), model.resolve("tokenizer.json"));
        byte[] weights = Files.readAllBytes(embedded.resolve("model.safetensors"));
        ByteBuffer file = ByteBuffer.wrap(weights).order(ByteOrder.LITTLE_ENDIAN);
        int header = (int) file.getLong(0);
        JsonNode tensors =
                JsonMapper.shared().readTree(new String(weights, Long.BYTES, header, StandardCharsets.UTF_8));
        JsonNode positions =
                tensors.has("wpe.weight") ? tensors.get("wpe.weight") : tensors.get("transformer.wpe.weight");
        int start = Long.BYTES + header + positions.at("/data_offsets/0").intValue();
        file.putShort(start + 20 * 256 * Short.BYTES, (short) 0x7fc0); // NaN in bf16
        Files.write(model.resolve("model.safetensors"), weights);

        String longText = "Emma was not to be so much. ".repeat(4);
        Files.writeString(
                in, "{\"text\":\"Emma was\"}\n{\"text\":\"%s\"}\n{\"text\":\"Oh well\"}\n".formatted(longText));
        Program.Run run = score("--totals", "--model", model.toString());
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err())
                .startsWith(in + " line 2: logits: expected finite numbers, got a hidden vector with NaN at"
                        + " position 20");
        assertThat(results().stream().map(each -> each.has("nll"))).containsExactly(true, false, true);
        assertThat(score("--overwrite", "--fail-fast", "--model", model.toString())
                        .status())
                .isEqualTo(1);
        assertThat(results()).hasSize(1);
    }

    @Test
    void aByteOrderMarkIsNoPartOfTheFirstLine() throws Exception {
        Files.writeString(in, "\ufeff{\"text\": \"Emma was\"}\n{\"text\": \"Emma was\"}\n");
        assertThat(score().err()).startsWith("2 texts, 0 failed;");
        assertThat(results().getFirst().get("tokens"))
                .isEqualTo(results().getLast().get("tokens"));
        Files.delete(out);
        Files.writeString(in, "\ufeff");
        assertThat(score().err()).startsWith("0 texts, 0 failed;");
    }
}
