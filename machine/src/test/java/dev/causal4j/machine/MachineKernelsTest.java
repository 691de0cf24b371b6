package dev.causal4j.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.compute.Compute;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.tensor.DType;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kernels are chosen once in a process, so each case is one. */
class MachineKernelsTest {
    private static final String BLOB = "dev/causal4j/machine/kernels-x86_64.bin";
    private static final String TEXT = ("It is a truth universally acknowledged, that a single man in possession of a"
                    + " good fortune, must be in want of a wife. ")
            .repeat(2);

    private static final List<String> JAVA = new ArrayList<>();

    @TempDir
    private Path folder;

    @BeforeAll
    static void hasKernels() {
        assumeTrue(new MachineKernels().isUsable(), "kernels for this system");
    }

    /** Prints the kernels, and in bits what a model of each dtype in groups scores and generates. */
    static final class Show {
        private Show() {}

        public static void main(String[] args) {
            for (DType dtype : List.of(DType.INT8, DType.INT4)) {
                try (CausalLM model = AustenModel.load(dtype)) {
                    for (int threads = 1; threads <= 2; threads++) {
                        Compute.shared().use(threads);
                        double nll = new Scorer(model).score(TEXT).totals().nll();
                        System.out.println(dtype.label() + " " + Double.toHexString(nll));
                    }
                    GenerationOptions greedy = GenerationOptions.builder()
                            .temperature(0)
                            .maxNewTokens(24)
                            .build();
                    int[] tokens =
                            new Generator(model).generate("Emma was", greedy).tokens();
                    System.out.println(dtype.label() + " " + Arrays.toString(tokens));
                }
            }
            System.out.println("kernels " + Kernels.name());
        }
    }

    private static List<String> run(String first, String... flags) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--add-modules=jdk.incubator.vector", "-XX:+UseSerialGC"));
        command.addAll(Arrays.asList(flags));
        String path = System.getProperty("java.class.path");
        String all = first.isEmpty() ? path : first + File.pathSeparator + path;
        command.addAll(List.of("-cp", all, Show.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        CompletableFuture.delayedExecutor(500, TimeUnit.SECONDS).execute(process::destroyForcibly);
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor()).as(lines.toString()).isZero();
        return lines;
    }

    private static final String ALLOWED = "--enable-native-access=ALL-UNNAMED";

    /** What Java prints, with the classes that it loads. */
    private static synchronized List<String> java() throws IOException, InterruptedException {
        if (JAVA.isEmpty()) {
            JAVA.addAll(run("", "-Dcausal4j.kernels=vector", "-Xlog:class+load"));
        }
        return JAVA;
    }

    private static List<String> results(List<String> lines) {
        return lines.stream().filter(line -> line.startsWith("int")).toList();
    }

    private static String kernels(List<String> lines) {
        return lines.stream()
                .filter(line -> line.startsWith("kernels "))
                .findFirst()
                .orElse("");
    }

    private static List<String> refusals(List<String> lines) {
        return lines.stream()
                .filter(line -> line.contains("Java computes instead"))
                .toList();
    }

    @Test
    void aModelScoresAndGeneratesTheSameBitsByMachineCodeAndByJava() throws IOException, InterruptedException {
        assertThat(java())
                .noneMatch(line -> line.contains("dev.causal4j.machine.") && !line.contains("MachineKernelsTest"));
        assertThat(results(java())).hasSize(6);
        for (InstructionSet set : InstructionSet.values()) {
            if (set.isIn(new MachineCode().sets())) {
                List<String> lines = run("", ALLOWED, "-Dcausal4j.machine=" + set.label());
                assertThat(kernels(lines)).startsWith("kernels machine-" + set.label() + "+");
                assertThat(results(lines)).isEqualTo(results(java()));
            }
        }
    }

    @Test
    void codeWithAnotherByteIsRefusedAndJavaComputes() throws IOException, InterruptedException {
        assumeTrue("x86_64".equals(MachineCode.ARCHITECTURE), "code that has a mask as bytes");
        byte[] code;
        try (InputStream in = MachineKernels.class.getResourceAsStream("kernels-x86_64.bin")) {
            code = Objects.requireNonNull(in).readAllBytes();
        }
        int mask = -1; // of nibbles, which kernels of 4 bits read
        for (int i = 0; i < code.length; i++) {
            if (code[i] == 15 && i + 4 <= code.length && code[i + 1] == 15 && code[i + 2] == 15 && code[i + 3] == 15) {
                code[i] = 7;
                mask = i;
            }
        }
        assertThat(mask).isPositive();
        Path broken = folder.resolve(BLOB);
        Files.createDirectories(broken.getParent());
        Files.write(broken, code);
        List<String> lines = run(folder.toString(), ALLOWED);
        assertThat(refusals(lines)).hasSize(1).first().asString().contains("expected the bits of the specification");
        assertThat(kernels(lines)).doesNotContain("machine");
        assertThat(results(lines)).isEqualTo(results(java()));
    }

    @Test
    void deniedNativeAccessIsOneLineAndJavaComputes() throws IOException, InterruptedException {
        List<String> lines = run("", "--illegal-native-access=deny");
        assertThat(refusals(lines)).hasSize(1).first().asString().contains("IllegalCallerException");
        assertThat(kernels(lines)).doesNotContain("machine");
        assertThat(results(lines)).hasSize(6);
    }
}
