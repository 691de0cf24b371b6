package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.kernel.Kernels;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
                        "expected generate, chat, score, train, serve, inspect, bench, convert, pull or tokenizer, got none",
                        "; see causal4j --help");
        Program.run("translate").refused(2, "translate", "; see causal4j --help");
        Program.run("--json").refused(2, "--json");
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
