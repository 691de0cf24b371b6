package dev.causal4j.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.compute.Compute;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.kernel.choice.Kernels;
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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Kernels are chosen once in a process, so each case is one. */
class MachineKernelsTest {
    private static final String TEXT = ("It is a truth universally acknowledged, that a single man in possession of a"
                    + " good fortune, must be in want of a wife. ")
            .repeat(2);

    private static final boolean IS_WHOLE = Boolean.getBoolean("causal4j.whole");
    private static final List<String> JAVA = new ArrayList<>();

    @TempDir
    private Path folder;

    @BeforeAll
    static void hasKernels() {
        assumeTrue(new MachineKernels().isUsable(), "kernels for this system");
    }

    /** Prints the kernels, and in bits what a model of each dtype given, or of each in groups, scores and generates. */
    static final class Show {
        private Show() {}

        public static void main(String[] args) {
            List<DType> given = Stream.of(args).map(DType::valueOf).toList();
            for (DType dtype : given.isEmpty() ? List.of(DType.INT8, DType.INT4) : given) {
                try (CausalLM model = AustenModel.load(dtype)) {
                    for (int threads = 1; threads <= 2; threads++) {
                        Compute.shared().use(threads);
                        double nll = new Scorer(model).score(TEXT).totals().nll();
                        System.out.println(dtype.label() + " " + Double.toHexString(nll));
                    }
                    GenerationOptions greedy =
                            GenerationOptions.DEFAULT.withTemperature(0).withMaxNewTokens(24);
                    int[] tokens =
                            new Generator(model).generate("Emma was", greedy).tokens();
                    System.out.println(dtype.label() + " " + Arrays.toString(tokens));
                }
            }
            System.out.println("kernels " + Kernels.name());
        }
    }

    /** Where code is refused one dtype is enough, and the second compiler is useless. */
    private static List<String> refused(String first, String flag) throws IOException, InterruptedException {
        return run(first, List.of(flag, "-XX:TieredStopAtLevel=1"), DType.INT4.name());
    }

    private static List<String> run(String first, List<String> flags, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--add-modules=jdk.incubator.vector", "-XX:+UseSerialGC"));
        command.addAll(flags);
        String path = System.getProperty("java.class.path");
        String all = first.isEmpty() ? path : first + File.pathSeparator + path;
        command.addAll(List.of("-cp", all, Show.class.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        CompletableFuture.delayedExecutor(500, TimeUnit.SECONDS).execute(process::destroyForcibly);
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor()).as(lines.toString()).isZero();
        return lines;
    }

    private static final String ALLOWED = "--enable-native-access=ALL-UNNAMED";

    /** The output of Java, with the classes that it loads. */
    private static synchronized List<String> java() throws IOException, InterruptedException {
        if (JAVA.isEmpty()) {
            JAVA.addAll(run("", List.of("-Dcausal4j.kernels=vector", "-Xlog:class+load")));
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
        List<InstructionSet> sets = Stream.of(InstructionSet.values())
                .filter(set -> set.isIn(new MachineCode().sets()))
                .toList();
        for (InstructionSet set : IS_WHOLE ? sets : List.of(sets.getLast())) {
            List<String> lines = run("", List.of(ALLOWED, "-Dcausal4j.machine=" + set.label()));
            assertThat(kernels(lines)).startsWith("kernels machine-" + set.label() + "+");
            assertThat(results(lines)).isEqualTo(results(java()));
        }
    }

    private static List<String> otherCode() {
        return List.of("half", "of another processor");
    }

    @ParameterizedTest
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    @MethodSource("otherCode")
    void codeThatIsNotThatOfTheClassIsRefusedWithOneLineAndJavaComputes(String what)
            throws IOException, InterruptedException {
        byte[] code = blob(MachineCode.ARCHITECTURE);
        byte[] other = "half".equals(what)
                ? Arrays.copyOf(code, code.length / 2)
                : blob("x86_64".equals(MachineCode.ARCHITECTURE) ? "aarch64" : "x86_64");
        Path broken = folder.resolve("dev/causal4j/machine/kernels-" + MachineCode.ARCHITECTURE + ".bin");
        Files.createDirectories(broken.getParent());
        Files.write(broken, other);
        List<String> lines = refused(folder.toString(), ALLOWED);
        assertThat(refusals(lines)).hasSize(1).first().asString().contains("expected the digest");
        assertThat(kernels(lines)).doesNotContain("machine");
        assertThat(results(lines)).hasSize(3).isEqualTo(results(java()).subList(3, 6));
    }

    @Test
    void codeWithAnotherByteAnywhereOrOneLessIsNotThatOfTheClass() throws IOException {
        byte[] code = blob(MachineCode.ARCHITECTURE);
        assertThat(MachineCode.checked(code)).isEqualTo(code);
        List<byte[]> others = new ArrayList<>(List.of(new byte[0], Arrays.copyOf(code, code.length - 1)));
        for (int at = 0; at < code.length; at += 1021) {
            others.add(code.clone());
            others.getLast()[at]++;
        }
        assertThat(others)
                .allSatisfy(other -> assertThatThrownBy(() -> MachineCode.checked(other))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("expected the digest"));
    }

    private static byte[] blob(@Nullable String architecture) throws IOException {
        try (InputStream in = MachineKernels.class.getResourceAsStream("kernels-" + architecture + ".bin")) {
            return Objects.requireNonNull(in).readAllBytes();
        }
    }

    @Test
    void aProcessorWithoutASetIsSilentUnlessOneIsAskedFor() {
        assertThat(MachineKernels.isUsable(0, null)).isFalse();
        assertThat(MachineKernels.isUsable(0, "avx2")).isTrue(); // to be refused by name
        assertThat(MachineKernels.isUsable(InstructionSet.AVX2.bits, null)).isTrue();
    }

    @Test
    void deniedNativeAccessIsOneLineAndJavaComputes() throws IOException, InterruptedException {
        List<String> lines = refused("", "--illegal-native-access=deny");
        assertThat(refusals(lines)).hasSize(1).first().asString().contains("IllegalCallerException");
        assertThat(kernels(lines)).doesNotContain("machine");
        assertThat(results(lines)).hasSize(3).isEqualTo(results(java()).subList(3, 6));
    }
}
