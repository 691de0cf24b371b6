package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.kernel.choice.Kernels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

class MainTest {
    @TempDir
    Path folder;

    @Test
    void everyCommandHasHelp() throws Exception {
        assertThat(Program.run("--help").done().out())
                .startsWith("Usage: causal4j ")
                .contains("generate", "inspect");
        assertThat(Program.run("generate", "--help").done().out())
                .startsWith("Usage: causal4j generate ")
                .contains("--temperature", "--model", "--threads", "--dtype", "--json");
        assertThat(Program.run("help").done().out())
                .isEqualTo(Program.run("--help").out());
        assertThat(Program.run("help", "tokenizer", "encode").done().out())
                .isEqualTo(Program.run("tokenizer", "encode", "--help").out());
        assertThat(Program.run("inspect", "-h").done().out())
                .startsWith("Usage: causal4j inspect ")
                .contains("--model", "--json");
    }

    @Test
    void theVersionNamesTheJdkAndTheKernelsInUse() throws Exception {
        List<String> lines = Program.run("--version").done().out().lines().toList();
        assertThat(lines).hasSize(3);
        assertThat(lines.get(0)).startsWith("causal4j ");
        assertThat(lines.get(1)).isEqualTo("JDK " + Runtime.version());
        assertThat(lines.get(2)).matches("kernels " + Kernels.name() + ", [1-9][0-9]* threads");
    }

    @Test
    void withoutACommandTheUsageIsWrong() throws Exception {
        Program.run()
                .refused(
                        2,
                        "expected generate, chat, run, score, embed, eval, verify, train, serve, detect, inspect, bench, convert, pull, list, rm, tokenizer, constraint or snapshot, got none",
                        "; see causal4j --help");
        Program.run("translate").refused(2, "translate", "; see causal4j --help");
        Program.run("--json").refused(2, "--json");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "genrate            | or snapshot, got \"genrate\"; did you mean generate?",
                "translate          | or snapshot, got \"translate\"; see causal4j --help",
                "--debg             | option: expected an option of causal4j, got \"--debg\"; did you mean --debug?",
                "tokenizer encdoe   | got \"encdoe\"; did you mean encode?",
                "generate --mdoel x | option: expected an option of causal4j generate, got \"--mdoel\"; did you mean --model?",
                "generate --temp=1  | got \"--temp\"; did you mean --temperature?",
                "generate --quiet x | got \"--quiet\"; see causal4j generate --help",
                "generate a b       | arguments: expected [PROMPT] alone, got \"b\"; give PROMPT as one argument, in quotes; see",
                "score a b          | arguments: expected [TEXT] alone, got \"b\"; give TEXT as one argument, in quotes; see",
                "generate --prompt x | got \"--prompt\"; give PROMPT as one argument, in quotes; see causal4j generate --help",
                "generate -n 5 x    | got \"-n\"; did you mean --max-new-tokens?",
                "inspect -n         | got \"-n\"; see causal4j inspect --help",
                "-v                 | got \"-v\"; did you mean --version?",
                "inspect x          | arguments: expected options alone, got \"x\"",
                "generate --top-k x | top-k: expected a whole number of at most 2147483647, got \"x\"",
                "generate --top-k 99999999999    | top-k: expected a whole number of at most 2147483647, got \"9999",
                "generate --top-p x              | top-p: expected a number, got \"x\"",
                "generate --top-k                | generate: expected --top-k=K, got none",
                "generate --top-k --json         | generate: expected --top-k=K, got none",
                "generate --json=x               | json: expected no value, got \"x\"",
                "generate --seed 1 --seed 2      | seed: expected to be given once, got it twice",
                "generate --logit-bias x         | logit-bias: expected ID=BIAS, got \"x\"",
                "generate --logit-bias 1=x       | logit-bias: expected ID=BIAS, got \"x\"",
                "train                           | train: expected --out=DIR, --steps=N, --data=FILE",
                "train --data x --out y --steps 1 --head-only --lora-rank 2"
                        + " | train: expected --head-only, --last-layers=N or --lora-rank=R, got several",
                "convert --out x --to y          | to: expected panels, hf or gguf, got y",
                "pull                            | pull: expected NAME, got none; see causal4j pull --help",
                "pull gpt2                       | got \"gpt2\"; did you mean openai-community/gpt2?",
                "run qwen3:0.6b                 | expected org/name or org/name@revision, got \"qwen3:0.6b\"; did you mean Qwen/Qwen3-0.6B?",
                "run a/b --model .              | model: expected NAME or --model, got both",
                "rm ../x                         | model: expected org/name or org/name@revision, got \"../x\"",
            })
    void theParserSpeaksLikeTheRest(String arguments, String told) throws Exception {
        Program.run(arguments.split(" ", -1)).refused(2, told);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "score --file DIR            | DIR: expected files of text, got a folder without; name another",
                "score --jsonl DIR           | DIR: expected files of text, got a folder without",
                "score --jsonl FILE --out DIR| DIR: expected a file, got a folder",
                "score --jsonl FILE --out DIR/no/file | no such file; check the path",
                "train --data FILE --out FILE --steps 1 | FILE: expected a folder, got a file",
                "train --data DIR/no --out DIR/new --steps 1 | DIR/no: expected a file or folder of text, got no such",
                "inspect --config DIR        | DIR: expected a JSON file, got a folder",
                "inspect --model DIR         | DIR/config.json: expected a JSON file, got no such file",
                "generate x --model qwen3:0.6b | qwen3:0.6b: expected a folder, a GGUF file, or a model that is whole in the cache, got none; fetch it with causal4j pull Qwen/Qwen3-0.6B",
                "rm no/such-model           | no/such-model: expected a model in the cache, got none; see what there is",
                "inspect --model nowhere     | in the cache, got none; fetch it with causal4j pull org/name",
                "convert --out FILE          | FILE: expected a new or empty folder, got a file",
                "convert --to gguf --out DIR | DIR: expected the name of a file that ends in .gguf",
                "chat --template DIR         | DIR: expected a file, got a folder",
                "tokenizer encode x --tokenizer DIR | DIR: expected tokenizer.json",
                "generate x --adapter DIR    | DIR/adapter_config.json: expected a JSON file, got no such file",
                "serve --host no.invalid --no-api-key | host: expected a name or an address of this machine, got no.invalid",
            })
    void whatIsWrongWithAFileIsSaidWithoutNamesOfJava(String arguments, String told) throws Exception {
        String file = Files.writeString(folder.resolve("file"), "x").toString();
        String empty = Files.createDirectory(folder.resolve("empty")).toString();
        Program.Run run = Program.run(
                arguments.replace("FILE", file).replace("DIR", empty).split(" +", -1));
        run.refused(1, told.replace("FILE", file).replace("DIR", empty));
        assertThat(run.err()).doesNotContain("java", "Error", "NoSuch", "Denied");
    }

    @Test
    void everyHelpHasLinesOf80ColumnsWithWholeNamesAndGroupsInOneOrder() {
        List<String> order = List.of(
                "Options:", "Texts:", "Data:", "Training:", "Sampling:", "Chat template:", "Model:", "General:");
        for (CommandLine command :
                new CommandLine(Main.commands()).getSubcommands().values()) {
            CommandSpec spec = command.getCommandSpec();
            List<String> lines = Help.of(spec).lines().toList();
            assertThat(lines).allMatch(line -> line.length() <= 80);
            assertThat(lines.stream().filter(order::contains))
                    .isSortedAccordingTo(Comparator.comparingInt(order::indexOf))
                    .endsWith("General:");
            spec.optionsMap().keySet().forEach(name -> assertThat(lines).anyMatch(line -> line.contains(name)));
            List<String> words = lines.stream()
                    .flatMap(line -> Stream.of(line.split(" ", -1)))
                    .toList();
            spec.options()
                    .forEach(option -> assertThat(words)
                            .containsAll(List.of(
                                    String.join(" ", option.description()).split(" ", -1))));
        }
    }

    @Test
    void aStackTraceIsShownWhenItIsAskedFor() throws Exception {
        String missing = folder.resolve("missing").toString();
        Program.run("inspect", "--model", missing).refused(1, missing, "no such folder");
        for (String[] arguments :
                new String[][] {{"--debug", "inspect", "--model", missing}, {"inspect", "--model", missing, "--debug"}
                }) {
            Program.Run run = Program.run(arguments);
            assertThat(run.status()).isEqualTo(1);
            assertThat(run.out()).isEmpty();
            assertThat(run.err()).contains(missing, "no such folder", "\tat dev.causal4j.");
        }
    }

    @Test
    void onATerminalAnErrorBreaksNoWord() {
        System.setProperty(Streaming.ERRORS, "true");
        try {
            for (String[] wrong :
                    new String[][] {{"translate"}, {"inspect", "--model", "no/such/" + "folder ".repeat(9) + "x"}}) {
                assertThat(Program.run(wrong).err().lines())
                        .hasSizeGreaterThan(1)
                        .allMatch(line -> line.length() <= 80);
            }
            assertThat(Program.run("generate", "--temperatur=" + "9".repeat(90)).err())
                    .isEqualTo(
                            "option: expected an option of causal4j generate, got \"--temperatur\"; did you\nmean --temperature?\n");
        } finally {
            System.clearProperty(Streaming.ERRORS);
        }
    }

    @Test
    void aMessageCannotSteerTheTerminal() {
        assertThat(Main.message(new IllegalArgumentException("a:\033[2J b \u009b2J\n c")))
                .isEqualTo("a: [2J b 2J c");
    }

    @Test
    void memoryThatIsShortHasItsFlag() {
        assertThat(Main.message(new MemoryLimitException(7L << 30, 1 << 20, 8L << 30)))
                .isEqualTo(
                        "memory: expected at most 7168 MB for weights and caches, got 8192 MB more with 1 MB in use;"
                                + " choose a smaller dtype, or raise the limit with -Dcausal4j.memory=BYTES in CAUSAL4J_JAVA_OPTS");
        assertThat(Main.message(new OutOfMemoryError("Java heap space")))
                .endsWith("(Java heap space); give Java more (CAUSAL4J_JAVA_OPTS=-Xmx8g) or ask for less");
    }
}
