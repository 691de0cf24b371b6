package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Requests that cannot be met: one line, status 2 for wrong usage and 1 for what the model cannot do. */
class GenerateRefusalTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "--no-such-option, 1, --no-such-option",
        "--temperature, hot, 'temperature: expected a number, got \"hot\"'",
        "--temperature, -0.5, 'temperature: expected a finite number >= 0, got -0.5'",
        "--temperature, NaN, 'temperature: expected a finite number >= 0, got NaN'",
        "--top-p, 0, 'top-p: expected a number in (0, 1], got 0.0'",
        "--top-p, 1.01, 'top-p: expected a number in (0, 1], got 1.01'",
        "--max-new-tokens, -1, 'max-new-tokens: expected a whole number >= 0, got -1'",
        "--seed, 1.5, 'seed: expected a whole number, got \"1.5\"'",
        "--tokens, '1,2', 'expected PROMPT or --tokens, got both'",
        "--eos, '1,x', 'expected token ids such as 1,2,3, got \"x\"'",
        "--stop, '', 'stop: expected a non-empty string'",
        "--threads, 0, 'threads: expected 1 to 1024, got 0'",
        "--dtype, int3, 'expected f32, f16, bf16, int8 or int4, got int3'",
        "second, third, second"
    })
    void wrongUsage(String option, String value, String told) throws Exception {
        Program.run("generate", "prompt", option, value).refused(2, told, "; see causal4j generate --help");
    }

    @Test
    void aTokenIdOutsideTheVocabulary() throws Exception {
        Program.run("generate", "--tokens", "7,3072").refused(1, "position 1", "expected 0 to 3071, got 3072");
        Program.run("generate", "--tokens", "7", "--logit-bias", "3072=1").refused(1, "logit-bias", "3072");
    }

    @Test
    void aPromptLongerThanTheContext() throws Exception {
        String tokens = IntStream.range(0, 257).mapToObj(Integer::toString).collect(Collectors.joining(","));
        Program.run("generate", "--tokens", tokens).refused(1, "expected at most 256 tokens", "got 257");
    }

    @Test
    void anEmptyPromptForAModelWithoutBos() throws Exception {
        Path config = Repository.copyModel(folder).resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("\"bos_token_id\": 96", "\"bos_token_id\": null"));
        Program.run("generate", "--model", folder.toString()).refused(1, "at least one token", "no BOS token");
    }

    @Test
    void textAskedOfAModelWithoutTokenizer() throws Exception {
        String model = Repository.copyModel(folder).toString();
        Program.run("generate", "text", "--model", model).refused(1, "tokenizer.json", "--tokens");
        Program.run("generate", "--tokens", "1", "--stop", "end", "--model", model)
                .refused(1, "tokenizer.json", "--tokens");
    }

    /** The prompt has several tokens, so that several threads need the kernels at once. */
    @ParameterizedTest
    @CsvSource({"vector1024", "nonsense"})
    void kernelsThatAreNone(String kernels) throws Exception {
        Launcher.BRIEF
                .with("-Dcausal4j.kernels=" + kernels)
                .run("generate", "It is a truth universally acknowledged, that a")
                .refused(
                        1,
                        "-Dcausal4j.kernels: expected scalar, vector, vector128, vector256 or vector512, got "
                                + kernels);
    }

    @Test
    void aFolderAsStandardInput() throws Exception {
        Launcher.BRIEF
                .runInShell("exec \"$@\" </", "generate", "-")
                .refused(1, "standard input: expected a text, got an error");
    }

    @Test
    void standardInputThatIsNotText() throws Exception {
        Launcher.BRIEF
                .runInShell("printf 'caf\\xe9' | \"$@\"", "generate", "-")
                .refused(1, "standard input: expected text in UTF-8, got bytes that are not");
    }

    @Test
    void aFullDisk() throws Exception {
        Program.Run run =
                Launcher.BRIEF.runInShell("exec \"$@\" >/dev/full", "generate", "Emma", "--max-new-tokens", "3");
        run.refused(1, "standard output");
    }

    @Test
    void aReaderThatLeaves() throws Exception {
        String script = "\"$@\" | head -c 1; exit ${PIPESTATUS[0]}";
        Program.Run run = Launcher.BRIEF.runInShell(script, "generate", "Emma", "--temperature", "0");
        assertThat(run.out()).hasSize(1);
        assertThat(run.err()).startsWith("standard output: expected ").containsOnlyOnce("\n");
        assertThat(run.status()).isEqualTo(1);
    }
}
