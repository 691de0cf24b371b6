package dev.causal4j.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** JMH finds every benchmark and can run it, here at a tiny size inside this JVM. */
class SmokeTest {
    private static final List<Class<?>> BENCHMARKS = List.of(
            AttentionBenchmark.class,
            HeadBenchmark.class,
            KernelBenchmark.class,
            ModelBenchmark.class,
            ProductBenchmark.class,
            ThreadsBenchmark.class);

    @Test
    void everyBenchmarkRunsAndHasARate() throws Exception {
        System.setProperty("jmh.ignoreLock", "true"); // nothing is measured, so others may run
        ChainedOptionsBuilder options = new OptionsBuilder();
        for (Class<?> benchmark : BENCHMARKS) {
            options.include("^" + Pattern.quote(benchmark.getName() + "."));
        }
        Collection<RunResult> results = new Runner(options.forks(0)
                        .warmupIterations(0)
                        .measurementIterations(1)
                        .measurementTime(TimeValue.milliseconds(1))
                        .shouldFailOnError(true)
                        .verbosity(VerboseMode.SILENT)
                        .param("outputs", "131")
                        .param("inputs", "32")
                        .param("hiddenSize", "96")
                        .param("innerSize", "131")
                        .param("scores", "131")
                        .param("headSize", "12")
                        .param("layers", "1")
                        .param("heads", "3")
                        .param("vocabularySize", "131")
                        .param("contextLength", "20")
                        .param("prompt", "9")
                        .param("position", "5")
                        .param("steps", "3")
                        .build())
                .run();
        Set<String> run = new TreeSet<>();
        for (RunResult result : results) {
            run.add(result.getParams().getBenchmark());
            assertThat(result.getPrimaryResult().getScore()).isPositive();
            result.getSecondaryResults()
                    .forEach((name, rate) -> assertThat(rate.getScore())
                            .as(result.getParams().getBenchmark() + " " + name)
                            .isPositive());
        }
        assertThat(run).isEqualTo(methods());
    }

    private static Set<String> methods() {
        Set<String> names = new TreeSet<>();
        for (Class<?> benchmark : BENCHMARKS) {
            for (Method method : benchmark.getDeclaredMethods()) {
                if (method.isAnnotationPresent(Benchmark.class)) {
                    names.add(benchmark.getName() + "." + method.getName());
                }
            }
        }
        return names;
    }

    /** Each benchmark of ours stands beside its naive twin. */
    @Test
    void everyClassHasNaiveTwins() {
        for (Class<?> benchmark : BENCHMARKS) {
            List<String> names = methodNames(benchmark)
                    .filter(name -> !name.startsWith("naive"))
                    .toList();
            assertThat(names).isNotEmpty();
            assertThat(methodNames(benchmark))
                    .containsAll(names.stream().map(SmokeTest::naive).toList());
        }
    }

    private static Stream<String> methodNames(Class<?> benchmark) {
        return Arrays.stream(benchmark.getDeclaredMethods())
                .filter(method -> method.isAnnotationPresent(Benchmark.class))
                .map(Method::getName);
    }

    private static String naive(String name) {
        return "naive" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
    }
}
