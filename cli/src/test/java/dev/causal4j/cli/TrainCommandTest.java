package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class TrainCommandTest {
    private static final String TEXT = "It is a truth universally acknowledged, that a single man in possession of a"
            + " good fortune, must be in want of a wife. However little known the feelings of such a man may be.\n";

    @TempDir
    Path folder;

    private Path data;
    private Path config;
    private Path out;

    @BeforeEach
    void write() throws Exception {
        data = Files.writeString(folder.resolve("data.txt"), TEXT.repeat(12));
        out = folder.resolve("out");
        Program.run(
                "tokenizer", "train", "--data", data.toString(), "--vocabulary-size", "300", "--out", folder + "/new");
        config = Files.writeString(folder.resolve("new/config.json"), config(300, 16));
    }

    private static String config(int vocabularySize, int hiddenSize) {
        return "{\"model_type\": \"gpt2\", \"vocab_size\": " + vocabularySize + ", \"n_positions\": 32, \"n_embd\": "
                + hiddenSize + ", \"n_layer\": 1, \"n_head\": 2}";
    }

    private String[] arguments(Path into, String... more) {
        return Stream.concat(
                        Stream.of("train", "--data", data.toString(), "--out", into.toString(), "--batch-size", "4"),
                        Stream.of(more))
                .toArray(String[]::new);
    }

    private Program.Run scratch(Path into, String... more) throws Exception {
        List<String> all = new ArrayList<>(List.of("--config", config.toString(), "--learning-rate", "3e-3"));
        all.addAll(List.of(more));
        return Program.run(arguments(into, all.toArray(String[]::new)));
    }

    private static List<JsonNode> lines(String text) {
        return text.lines().map(JsonMapper.shared()::readTree).toList();
    }

    @Test
    void aNewModelLearnsAndIsWrittenWithAllThatBelongsToIt() throws Exception {
        Program.Run run = scratch(out, "--steps", "40", "--evaluation-interval", "20", "--json")
                .done();

        List<JsonNode> all = lines(run.out());
        assertThat(all).hasSize(42);
        JsonNode begin = all.getFirst();
        assertThat(begin.get("step").longValue()).isZero();
        assertThat(begin.get("loss").isNull()).isTrue();
        assertThat(begin.get("validation_loss").doubleValue()).isCloseTo(StrictMath.log(300), within(0.2));
        List<JsonNode> lines = all.subList(1, 42);
        assertThat(lines.get(39).get("loss").doubleValue())
                .isLessThan(0.8 * lines.getFirst().get("loss").doubleValue());
        assertThat(lines.get(18).get("validation_loss").isNull()).isTrue();
        double validation = lines.get(39).get("validation_loss").doubleValue();
        assertThat(validation).isBetween(1.0, 5.5);
        JsonNode summary = lines.getLast();
        assertThat(summary.get("finish").stringValue()).isEqualTo("steps");
        assertThat(summary.get("validation_loss").doubleValue()).isEqualTo(validation);
        assertThat(lines(Files.readString(out.resolve("loss.jsonl")))).isEqualTo(all.subList(0, 41));
        assertThat(out.resolve("loss.csv")).content().matches("(?s)step,[a-z_,]+\n0,0,[^,]+,,[0-9.]+\n1,.*");
        assertThat(out.resolve("loss.svg")).content().doesNotContain("NaN");
        assertThat(lines.get(39).get("tokens").longValue()).isEqualTo(40 * 4 * 32);
        assertThat(lines.get(39).get("seconds").doubleValue())
                .isGreaterThan(lines.get(38).get("seconds").doubleValue());
        assertThat(lines.get(39).get("sample").stringValue()).isNotBlank();
        assertThat(lines.get(38).has("sample")).isFalse();
        Program.run("generate", "It is", "--model", out.toString(), "--max-new-tokens", "3")
                .done();
    }

    @Test
    void aBranchHasTheBytesOfARunThatBeganWithItsOptions() throws Exception {
        String[] same = {
            "--steps", "6", "--evaluation-interval", "0", "--checkpoint-interval", "2", "--head-report", "4"
        };
        String[] unties = Stream.concat(Stream.of(same), Stream.of("--untie-at", "4", "--input-gradient-scale", "2"))
                .toArray(String[]::new);
        String[] scaled = Stream.concat(
                        Stream.of(same), Stream.of("--keep-interval", "2", "--input-gradient-scale", "2"))
                .toArray(String[]::new);
        scratch(out, scaled).done();
        Path whole = folder.resolve("whole");
        scratch(whole, unties).done();
        Path branch = folder.resolve("branch");
        String[] from = Stream.concat(
                        Stream.of(unties),
                        Stream.of("--from", out.resolve("checkpoint-4").toString(), "--resume"))
                .toArray(String[]::new);
        scratch(branch, from).done();
        scratch(branch, from).done(); // has nothing left
        for (String file : List.of("model.safetensors", "training/optimizer.safetensors")) {
            assertThat(branch.resolve("checkpoint-6").resolve(file))
                    .hasSameBinaryContentAs(whole.resolve("checkpoint-6").resolve(file));
        }
        assertThat(branch.resolve("config.json")).content().contains("\"tie_word_embeddings\":false");
        List<JsonNode> steps = lines(Files.readString(whole.resolve("loss.jsonl")));
        assertThat(lines(Files.readString(branch.resolve("loss.jsonl"))))
                .extracting(step -> step.get("loss"))
                .isEqualTo(steps.subList(4, 6).stream()
                        .map(step -> step.get("loss"))
                        .toList());
        assertThat(steps).extracting(step -> step.has("head")).containsExactly(true, false, false, true, false, false);
        JsonNode report = steps.getFirst().get("head");
        assertThat(report.get("kept_share").doubleValue()).isBetween(0.0, 1.0);
        assertThat(report.get("input_share").doubleValue()).isBetween(0.0, 1.0);
        assertThat(report.get("log_normalizer").doubleValue()).isCloseTo(StrictMath.log(300), within(0.2));
        scratch(folder.resolve("other"), "--steps", "6", "--seed", "1", "--from", out + "/checkpoint-4")
                .refused(1, "a seed of 0");
        assertThat(folder.resolve("other")).doesNotExist();
    }

    @Test
    void aSummaryForPeopleNamesWhatWasTrained() throws Exception {
        Program.Run run =
                scratch(out, "--steps", "2", "--evaluation-interval", "1").done();
        assertThat(run.out())
                .matches(
                        "(?s)step 0: held out [\\d.]+\n  sample: \".*\"\nstep 1: loss [\\d.]+, held out [\\d.]+, [\\d,]+ tokens/s\n  sample: \".*\"\nstep 2: .*\ndone after step 2 and"
                                + " \\d+ s: 8,624 parameters, 8,624 of them trained, written to .*\nheld out: loss .*\n");
    }

    @Test
    void anInterruptedRunEndsWithACheckpointAndResumesToTheSameBytes() throws Exception {
        String[] options = {"--steps", "160", "--evaluation-interval", "60", "--dropout", "0.1", "--json"};
        scratch(folder.resolve("whole"), options).done();

        List<String> all = new ArrayList<>(List.of("--config", config.toString(), "--learning-rate", "3e-3"));
        all.addAll(List.of(options));
        JsonNode last = JsonMapper.shared().createObjectNode();
        for (int run = 0; run < 5 && !last.path("finish").asString("").equals("cancelled"); run++) {
            out = folder.resolve("out" + run); // a new one if the last was done before the signal came
            Process process = Launcher.BRIEF.start(arguments(out, all.toArray(String[]::new)));
            try (BufferedReader lines = process.inputReader()) {
                for (int i = 0; i < 30; i++) {
                    last = JsonMapper.shared().readTree(lines.readLine());
                }
                process.toHandle().destroy(); // SIGTERM ends it as Ctrl-C does
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    last = JsonMapper.shared().readTree(line);
                }
            }
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(last.get("finish").stringValue()).isEqualTo("cancelled");
        assertThat(out.resolve("checkpoint-" + last.get("step"))).exists();

        Program.Run resumed =
                scratch(out, "--steps", "160", "--evaluation-interval", "60", "--dropout", "0.1", "--resume");
        assertThat(resumed.done().out()).contains("done after step 160");
        for (String file : List.of("model.safetensors", "checkpoint-160/training/optimizer.safetensors")) {
            assertThat(out.resolve(file))
                    .hasSameBinaryContentAs(folder.resolve("whole").resolve(file));
        }
        List<String> whole = Files.readAllLines(folder.resolve("whole/loss.csv"));
        List<String> parts = Files.readAllLines(out.resolve("loss.csv"));
        assertThat(parts.stream().map(TrainCommandTest::withoutSeconds))
                .containsExactlyElementsOf(
                        whole.stream().map(TrainCommandTest::withoutSeconds).toList());
        assertThat(parts.stream().skip(1).map(line -> Double.valueOf(line.replaceFirst("\\d+,\\d+,([^,]+),.*", "$1"))))
                .isSorted();
        assertThat(out.resolve("loss.svg")).content().contains(">training, last ", ">held out, last ", ">160</text>");
    }

    private static String withoutSeconds(String line) {
        return line.replaceFirst("^(\\d+,\\d+),[^,]+,", "$1,");
    }

    @Test
    void anEvaluationReadsNoMoreTokensThanWereAskedFor() throws Exception {
        String[] options = {"--steps", "1", "--held-out", "0.5", "--json"};
        double all = heldOut(scratch(out, options));
        assertThat(heldOut(scratch(out, with(options, "--overwrite", "--eval-tokens", "0"))))
                .isEqualTo(all);
        double some = heldOut(scratch(out, with(options, "--overwrite", "--eval-tokens", "64")));
        assertThat(some).isNotEqualTo(all).isCloseTo(all, within(1.0));
        assertThat(heldOut(scratch(out, with(options, "--overwrite", "--eval-tokens", "33"))))
                .as("whole examples")
                .isEqualTo(some);
    }

    private static double heldOut(Program.Run run) {
        return lines(run.done().out()).get(1).get("validation_loss").doubleValue();
    }

    private static String[] with(String[] options, String... more) {
        return Stream.concat(Stream.of(options), Stream.of(more)).toArray(String[]::new);
    }

    /** A pseudo-terminal as people have it, with the launcher; the second command's output goes elsewhere. */
    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void barsHaveTheWidthOfTheTerminalAndEvaluationsStayAboveThem() throws Exception {
        assumeThat(Files.isExecutable(Path.of("/usr/bin/script"))).isTrue();
        String train = String.join(
                " ", arguments(out, "--config", config.toString(), "--steps", "3", "--evaluation-interval", "2"));
        String tokenizer = "tokenizer train --vocabulary-size 270 --data " + data + " --out " + folder + "/other";
        String command = "stty cols 66; ./causal4j " + train + "; ./causal4j " + tokenizer + " > /dev/null";
        Process process =
                Launcher.BRIEF.startInShell("TERM=xterm exec script -qefc \"" + command + "\" /dev/null < /dev/null");
        String seen = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(seen).isZero();
        Matcher bars = Pattern.compile("\r\033\\[J(\\w+ +\\d+% .*?)\r").matcher(seen);
        assertThat(bars.results().map(bar -> bar.group(1)))
                .as(seen)
                .allMatch(bar -> bar.length() == 65)
                .anyMatch(bar -> bar.matches("training 100% \\[=+] 3/3 steps, 0:.*"))
                .anyMatch(bar -> bar.matches("reading 100% \\[=+] 2.1/2.1 kB, 0:.*"));
        assertThat(seen).containsPattern("\rstep 3: loss .*\r\n  sample: \".*\"\r\n\r");
    }

    @Test
    void aResultInBf16TakesHalfTheRoomAndLoads() throws Exception {
        scratch(out, "--steps", "1", "--held-out", "0").done();
        long whole = Files.size(out.resolve("model.safetensors"));
        scratch(out, "--steps", "1", "--held-out", "0", "--dtype", "bf16", "--overwrite")
                .done();
        assertThat(Files.size(out.resolve("model.safetensors"))).isLessThan(whole * 6 / 10);
        assertThat(Program.run("inspect", "--model", out.toString(), "--json")
                        .json()
                        .get("dtype")
                        .stringValue())
                .isEqualTo("bf16");
    }

    @ParameterizedTest
    @CsvSource({
        "--head-only, '4,800'", // 300 tokens of 16, tied
        "--last-layers 1, '3,312'", // all but both embeddings
        "--lora-rank 2, '512'", // 2 (in + out) for [48, 16], [16, 16], [64, 16] and [16, 64]
    })
    void aPartOfAModelIsTrained(String part, String trained) throws Exception {
        List<String> options = new ArrayList<>(List.of("--steps", "1"));
        options.addAll(List.of(part.split(" ")));
        assertThat(scratch(out, options.toArray(String[]::new)).done().out())
                .contains(" parameters, " + trained + " of them trained");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--learning-rate 0          | learning-rate: expected a finite number above 0, got 0.0",
                "--steps 0                  | training steps: expected at least 1, got 0",
                "--held-out 1               | held-out: expected a fraction from 0 to below 1, got 1.0",
                "--dropout 1                | dropout: expected a rate from 0 to below 1, got 1.0",
                "--dtype int8               | dtype: expected f32 or bf16, got int8",
                "--model x                  | model: expected --model or --config, got both",
                "--shape llama-5m           | model: expected --config or --shape, got both",
                "--resume --overwrite       | out: expected --resume or --overwrite, got both",
                "--lora-alpha 2             | lora-alpha: expected --lora-rank with it, got none",
                "--head-only --lora-rank 2  | train: expected --head-only, --last-layers=N or --lora-rank=R, got several",
                "--warmup-steps 9           | warm-up: expected 0 to 5 steps",
                "--context-length 0         | context-length: expected at least 1, got 0",
                "--eval-tokens -1           | eval-tokens: expected at least 0, got -1",
                "--threads 0                | threads: expected ",
                "--minimum-learning-rate 1  | minimum learning rate: expected at most the peak of 1.0E-4, got 1.0",
                "--patience 2 --held-out 0  | patience: expected evaluations on held-out text, got none",
                "--patience 2 --evaluation-interval 0 | patience: expected evaluations on held-out text, got none",
            })
    void whatCannotBeMeantIsWrongUsage(String option, String told) throws Exception {
        List<String> options = new ArrayList<>(List.of("--config", config.toString()));
        if (!option.contains("--steps")) {
            options.addAll(List.of("--steps", "5"));
        }
        options.addAll(List.of(option.split(" ")));
        Program.run(arguments(out, options.toArray(String[]::new))).refused(2, told);
        assertThat(out).doesNotExist();
    }

    @Test
    void marksThatAreNoTokensOfTheModelAreNamed() throws Exception {
        data = Files.writeString(folder.resolve("marked.txt"), "<|im_start|>Emma was<|im_end|>\n".repeat(60));
        Program.Run run = scratch(out, "--steps", "1");
        assertThat(run.status()).isZero();
        assertThat(run.err())
                .isEqualTo(
                        "data: expected control tokens of the model, got <|im_end|> and <|im_start|>, which it would learn"
                                + " letter by letter; give another template, or a model that has them\n");
    }

    @Test
    void whatIsThereIsNotOverwrittenUnasked() throws Exception {
        Files.createDirectory(out);
        Files.writeString(out.resolve("mine.txt"), "mine");
        scratch(out, "--steps", "1").refused(1, out.toString(), "got one with files");
        scratch(out, "--steps", "1", "--resume").refused(1, out.toString(), "got one with files");
        assertThat(out.resolve("mine.txt")).hasContent("mine");
        Path run = folder.resolve("run");
        scratch(run, "--steps", "1").done();
        scratch(run, "--steps", "1").refused(1, run.toString(), "got one with a run; go on with --resume, begin again");
    }

    @Test
    void aRunWithoutCheckpointStartsWhenItIsResumed() throws Exception {
        assertThat(scratch(out, "--steps", "1", "--resume").done().out()).contains("done after step 1");
        Path killed = Files.createDirectory(folder.resolve("killed"));
        Files.writeString(killed.resolve("loss.jsonl"), "{\"step\": 1, \"lo");
        Path checkpoint = killed.resolve(".causal4j-" + UUID.randomUUID() + "-1-" + UUID.randomUUID() + ".tmp");
        Files.createDirectories(checkpoint.resolve("training")); // of a process that was killed in its first one
        assertThat(scratch(killed, "--steps", "1", "--resume").done().out()).contains("done after step 1");
        assertThat(killed.resolve("model.safetensors")).hasSameBinaryContentAs(out.resolve("model.safetensors"));
        assertThat(lines(Files.readString(killed.resolve("loss.jsonl")))).hasSize(2);
        assertThat(checkpoint).doesNotExist();
    }

    @Test
    void aRunThatGoesOnIsTheRunThatBegan() throws Exception {
        scratch(out, "--steps", "2").done();
        Files.writeString(config, config(300, 32));
        scratch(out, "--steps", "4", "--resume")
                .refused(
                        1,
                        "gpt2 with 1 layers of 32 with 2 heads, ",
                        ", 32 positions, 300 tokens, tied, got gpt2 with 1 layers of 16");
        Files.writeString(config, config(300, 16));
        scratch(out, "--steps", "4", "--resume", "--seed", "9").refused(1, "expected a seed of 0, got 9");
        Files.writeString(data, TEXT.repeat(13));
        scratch(out, "--steps", "4", "--resume")
                .refused(1, "expected the data that the run began with, got other data");
    }

    @Test
    void aRunThatIsRefusedLeavesTheOneThatIsThere() throws Exception {
        scratch(out, "--steps", "2").done();
        String log = Files.readString(out.resolve("loss.jsonl"));
        String text = Files.readString(data);
        Files.writeString(data, "It is");
        scratch(out, "--steps", "1", "--overwrite").refused(1, "training data: expected at least 33 tokens");
        assertThat(out.resolve("loss.jsonl")).hasContent(log);
        Files.writeString(data, text);
        String checkpoint = out + "/checkpoint-2";
        scratch(out, "--steps", "4", "--overwrite", "--untie-at", "4")
                .refused(1, "untie-at 4: expected a step below 4");
        scratch(out, "--steps", "4", "--overwrite", "--mu-loss", "1", "--last-layers", "1")
                .refused(1, "mu-loss: ");
        scratch(out, "--steps", "4", "--overwrite", "--from", checkpoint).refused(1, "expected a folder without");
        Path other = folder.resolve("other");
        scratch(other, "--steps", "2").done();
        scratch(other, "--steps", "4", "--overwrite", "--from", checkpoint, "--untie-at", "1")
                .refused(1, "untie-at 1: expected an untied head, got a tied one at step 2");
        scratch(other, "--steps", "2", "--resume").done();
        scratch(other, "--steps", "4", "--overwrite", "--from", checkpoint).done();
        assertThat(out.resolve("loss.jsonl")).hasContent(log);
        scratch(out, "--steps", "2", "--resume").done();
        scratch(out, "--steps", "2", "--resume", "--held-out", "0.2").refused(1, "got other data");
        scratch(out, "--steps", "2", "--resume", "--cut", "documents").refused(1, "got other data");
        scratch(out, "--steps", "2", "--resume", "--head-only").refused(1, "expected to train All[], got Head[]");
    }

    /** A limit on the size of files is like a full disk; the log reaches it before there is a checkpoint. */
    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aFullDiskNamesTheFileThatCouldNotGrow() throws Exception {
        String limited = "ulimit -f 48; exec \"$@\"";
        String options = "--steps 2000 --held-out 0 --checkpoint-interval 0 --context-length 3 --config " + config;
        Launcher.BRIEF
                .runInShell(limited, arguments(out, options.split(" ")))
                .refused(1, out.resolve("loss.jsonl").toString(), "expected to be able to write", "make room");
    }

    @Test
    void theFolderOfARunIsNotInItsData() throws Exception {
        List<String> options = List.of("--config", config.toString(), "--steps", "1");
        String[] arguments = Stream.concat(
                        Stream.of("train", "--data", folder.toString(), "--out", out.toString()), options.stream())
                .toArray(String[]::new);
        Program.run(arguments).refused(1, out.toString(), "expected a folder outside the data");
    }

    @Test
    void lowRankAdditionsGoOnWithTheModelTheyBeganFrom() throws Exception {
        scratch(folder.resolve("base"), "--steps", "1").done();
        scratch(folder.resolve("other"), "--steps", "2").done();
        addTo("base").done();
        addTo("other", "--resume").refused(1, "expected the sum of the model the run began from and what was added");
        addTo("base", "--resume").done();
    }

    @Test
    void lowRankAdditionsAreAlsoWrittenAloneAndAddedToTheirModel() throws Exception {
        scratch(folder.resolve("base"), "--steps", "1").done();
        addTo("base", "--learning-rate", "1e-2").done();
        String base = folder.resolve("base").toString();
        String adapter = out.resolve("adapter").toString();
        String[] whole = {"score", "It is a truth", "--model", out.toString(), "--json"};
        String[] added = {"score", "It is a truth", "--model", base, "--adapter", adapter, "--json"};
        String[] without = {"score", "It is a truth", "--model", base, "--json"};
        double expected = Program.run(whole).json().get("nll").doubleValue();
        assertThat(Program.run(added).json().get("nll").doubleValue()).isCloseTo(expected, within(1e-6 * expected));
        assertThat(Program.run(without).json().get("nll").doubleValue())
                .isNotCloseTo(expected, within(1e-4 * expected));
        String[] text = {"generate", "It is", "--model", base, "--adapter", adapter, "--temperature", "0"};
        assertThat(Program.run(text).done().out()).isNotBlank();
        String merged = folder.resolve("merged").toString();
        String[] convert = {"convert", "--model", base, "--adapter", adapter, "--out", merged};
        Program.run(convert).done();
        assertThat(Program.run("score", "It is a truth", "--model", merged, "--json")
                        .json())
                .as("the bits of the model that train writes")
                .isEqualTo(Program.run(whole).json());
        Program.run("generate", "It is", "--adapter", adapter).refused(1, adapter, "expected ", "shape [");
        Program.run("generate", "It is", "--adapter", base).refused(1, "adapter_config.json", "no such file");

        scratch(out, "--steps", "1", "--overwrite").done();
        assertThat(out.resolve("adapter")).as("of the run that was replaced").doesNotExist();
    }

    private Program.Run addTo(String base, String... more) throws Exception {
        List<String> options =
                new ArrayList<>(List.of("--model", folder.resolve(base).toString()));
        options.addAll(List.of("--steps", "2", "--lora-rank", "2", "--held-out", "0"));
        options.addAll(List.of(more));
        return Program.run(arguments(out, options.toArray(String[]::new)));
    }

    @Test
    void dataAndTokenizerMustFitTheModel() throws Exception {
        scratch(out, "--steps", "1", "--context-length", "33").refused(1, "expected at most the model's 32 positions");
        Files.writeString(data, "It is");
        scratch(out, "--steps", "1").refused(1, "training data: expected at least 33 tokens");
        Files.write(data, new byte[] {'a', (byte) 0xff});
        scratch(out, "--steps", "1").refused(1, "data.txt: expected text in UTF-8, got byte 0xff at offset 1");
        Files.writeString(config, config(298, 16));
        scratch(out, "--steps", "1").refused(1, "tokenizer: expected at most the head's 298 entries, got 300");
        scratch(out, "--steps", "1", "--tokenizer", folder.toString())
                .refused(1, folder.toString(), "expected tokenizer.json, or vocab.json and merges.txt");
        assertThat(out).as("what was refused leaves nothing that is in the way").doesNotExist();
    }

    @Test
    void aRunThatDivergesStopsAndKeepsItsLastGoodCheckpoint() throws Exception {
        scratch(out, "--steps", "2").done();
        byte[] good = Files.readAllBytes(out.resolve("model.safetensors"));
        for (String interval : List.of("1", "50")) {
            String options = "--resume --steps 50 --learning-rate 1e30 --clip-norm 0 --evaluation-interval 3"
                    + " --checkpoint-interval " + interval;
            Program.Run run = Program.run(arguments(out, options.split(" ")));
            assertThat(run.status()).isEqualTo(1);
            assertThat(run.err()).matches("step [34], .*; lower the learning rate; the last checkpoint is as it was\n");
            try (Stream<Path> files = Files.list(out)) {
                assertThat(files.map(file -> file.getFileName().toString())
                                .filter(name -> name.startsWith("checkpoint-")))
                        .containsExactly("checkpoint-2");
            }
            assertThat(out.resolve("model.safetensors")).hasBinaryContent(good);
        }
        scratch(out, "--resume", "--steps", "4").done();
    }

    @Test
    void aFullDiskIsOneLineAndNoHalfModel() throws IOException, InterruptedException {
        Program.Run run = Launcher.BRIEF.runInShell(
                "ulimit -f 40; trap '' XFSZ; exec \"$@\"",
                arguments(out, "--config", config.toString(), "--steps", "1", "--held-out", "0"));
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err())
                .matches("\\S+: expected to be able to write this file, got File too large; make room, .*\n");
        assertThat(out.resolve("model.safetensors")).doesNotExist();
        assertThat(out).isDirectoryNotContaining("glob:**/.causal4j-*");
    }
}
