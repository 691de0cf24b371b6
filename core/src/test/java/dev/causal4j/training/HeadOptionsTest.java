package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.head.HeadReport;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HeadOptionsTest {
    private static final int V = 23;
    private static final int D = 12;
    private static final ModelConfig CONFIG = SmallModels.gpt2(V, 9, D, 2, 3);
    private static final Examples EXAMPLES =
            Examples.windows(Tokens.of(V, new Random(2).ints(300, 0, V).toArray()), 8, 5);
    private static final TrainingOptions OPTIONS = TrainingOptions.DEFAULT
            .withSteps(12)
            .withBatchSize(3)
            .withMicroBatchSize(2)
            .withLearningRate(new LearningRate(1e-2, 1e-3, 2, 12))
            .withHeldOut(Tokens.of(V, new Random(3).ints(40, 0, V).toArray()))
            .withSeed(4)
            .withEvaluationInterval(3)
            .withCheckpointInterval(2)
            .withKeptInterval(4);

    @TempDir
    Path folder;

    /** Classes whose constants need each other can see them before they are set. */
    @ParameterizedTest
    @ValueSource(classes = {HeadOptions.class, TrainingOptions.class})
    void defaultsAreSetWhicheverClassIsUsedFirst(Class<?> first) throws Exception {
        URL[] classes = Stream.of(HeadOptions.class, FormatException.class)
                .map(each -> each.getProtectionDomain().getCodeSource().getLocation())
                .toArray(URL[]::new);
        try (URLClassLoader fresh = new URLClassLoader(classes, ClassLoader.getPlatformClassLoader())) {
            Class.forName(first.getName(), true, fresh);
            Class<?> options = Class.forName(TrainingOptions.class.getName(), true, fresh);
            Field head = options.getDeclaredField("head");
            head.setAccessible(true);
            assertThat(head.get(options.getField("DEFAULT").get(null))).hasToString(HeadOptions.DEFAULT.toString());
        }
    }

    private static HeadOptions untie(long step) {
        return new HeadOptions(1, 0, 0, step, HeadOptions.NEVER);
    }

    private static HeadOptions retie(long step) {
        return new HeadOptions(1, 0, 0, HeadOptions.NEVER, step);
    }

    private static HeadOptions losses(double scale, double z, double mu) {
        return new HeadOptions(scale, z, mu, HeadOptions.NEVER, HeadOptions.NEVER);
    }

    /** A model of larger weights than initial ones, so that nothing is close to linear. */
    private static CausalLM model(boolean tied) {
        CausalLM model = CausalLM.create(CONFIG, 7, DType.F32);
        Matrix embedding = random(1);
        return SmallModels.withHead(model, embedding, tied ? embedding : random(2));
    }

    private static Matrix random(long seed) {
        Random random = new Random(seed);
        return Matrix.of(Device.shared(), DType.F32, V, D, (_, row) -> {
            for (int k = 0; k < D; k++) {
                row[k] = (float) (0.1 + 0.3 * random.nextGaussian());
            }
        });
    }

    private static TrainableModel trainable(CausalLM model, boolean tied) {
        Matrix embedding = model.head().embedding();
        CausalLM same = CausalLM.of("m", model.config().withTied(tied), model, null);
        assertThat(same.head().embedding()).isSameAs(embedding);
        return new TrainableModel(same, false, new TrainingScope.All(), 0);
    }

    private record Gradients(double loss, double[] embedding, double[] projection) {}

    private static Gradients gradients(CausalLM model, boolean tied, HeadOptions head) {
        try (TrainableModel trainable = trainable(model, tied)) {
            List<Example> batch = List.of(EXAMPLES.example(0), EXAMPLES.example(1), EXAMPLES.example(2));
            double loss =
                    new LossComputation(trainable, OPTIONS.withHead(head)).addGradients(batch, Dropout.NONE, 0, 0);
            var both = trainable.model.head();
            return new Gradients(
                    loss,
                    numbers(Objects.requireNonNull(trainable.gradients.of(both.embedding()))),
                    numbers(Objects.requireNonNull(trainable.gradients.of(both.projection()))));
        }
    }

    private static double[] numbers(Gradient gradient) {
        float[] row = new float[D];
        double[] all = new double[V * D];
        for (int n = 0; n < V; n++) {
            gradient.row(n, row, 0);
            for (int k = 0; k < D; k++) {
                all[n * D + k] = row[k];
            }
        }
        return all;
    }

    private static Matrix moved(Matrix matrix, double[] direction, double step) {
        return Matrix.of(Device.shared(), DType.F32, V, D, (n, row) -> {
            matrix.row(n, row, 0);
            for (int k = 0; k < D; k++) {
                row[k] += (float) (step * direction[n * D + k]);
            }
        });
    }

    /** Central differences of the loss, both additional terms among it, along a direction. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void gradientsWithZLossAndMuLossAreTheSlopesOfTheLoss(boolean tied) {
        HeadOptions head = losses(1, 0.05, 3);
        CausalLM model = model(tied);
        Gradients exact = gradients(model, tied, head);
        assertThat(exact.loss).isGreaterThan(gradients(model, tied, losses(1, 0, 0)).loss + 0.1);
        for (boolean input : tied ? new boolean[] {true} : new boolean[] {true, false}) {
            double[] gradient = input ? exact.embedding : exact.projection;
            double norm = 0;
            for (double g : gradient) {
                norm += g * g;
            }
            double[] direction = new double[V * D];
            for (int i = 0; i < direction.length; i++) {
                direction[i] = gradient[i] / Math.sqrt(norm);
            }
            double step = 4e-3;
            double difference = 0;
            for (int sign : new int[] {1, -1}) {
                Matrix e = model.head().embedding();
                Matrix p = model.head().projection();
                Matrix changed = moved(input ? e : p, direction, sign * step);
                CausalLM other = SmallModels.withHead(model, input ? changed : e, input && !tied ? p : changed);
                difference += sign * gradients(other, tied, head).loss;
            }
            assertThat(difference / (2 * step)).isCloseTo(Math.sqrt(norm), within(2e-3 * Math.sqrt(norm)));
        }
    }

    /** Against differences in double precision of muLoss |mean|². */
    @Test
    void muLossAddsItsOwnGradient() {
        CausalLM model = model(true);
        double[] with = gradients(model, true, losses(1, 0, 3)).embedding;
        double[] without = gradients(model, true, HeadOptions.DEFAULT).embedding;
        double[] e = new double[V * D];
        float[] row = new float[D];
        for (int n = 0; n < V; n++) {
            model.head().embedding().row(n, row, 0);
            for (int k = 0; k < D; k++) {
                e[n * D + k] = row[k];
            }
        }
        for (int i = 0; i < e.length; i++) {
            double kept = e[i];
            e[i] = kept + 1e-4;
            double above = muLoss(e);
            e[i] = kept - 1e-4;
            double slope = (above - muLoss(e)) / 2e-4;
            e[i] = kept;
            assertThat(with[i] - without[i]).isCloseTo(slope, within(1e-6));
        }
    }

    private static double muLoss(double[] e) {
        double squares = 0;
        for (int k = 0; k < D; k++) {
            double sum = 0;
            for (int n = 0; n < V; n++) {
                sum += e[n * D + k];
            }
            squares += (sum / V) * (sum / V);
        }
        return 3 * squares;
    }

    /** The input's part of a tied gradient is the embedding's of an untied model with the same numbers. */
    @Test
    void theScaleMultipliesTheInputsPartAlone() {
        CausalLM model = model(true);
        Gradients parts = gradients(model, false, HeadOptions.DEFAULT);
        for (double scale : new double[] {0, 1, 2.5}) {
            Gradients tied = gradients(model, true, losses(scale, 0, 0));
            assertThat(tied.loss).isEqualTo(parts.loss);
            for (int i = 0; i < V * D; i++) {
                assertThat(tied.embedding[i]).isCloseTo(parts.projection[i] + scale * parts.embedding[i], within(1e-6));
            }
        }
    }

    @Test
    void aReportIsOfTheTwoPartsOfTheGradient() throws IOException {
        Gradients parts = gradients(model(true), false, HeadOptions.DEFAULT);
        double input = squares(parts.embedding);
        List<TrainingProgress> steps = new ArrayList<>();
        try (Trainer trainer =
                Trainer.start(model(true), EXAMPLES, OPTIONS.withSteps(4).withHeadReportInterval(3))) {
            trainer.run(steps::add);
        }
        try (Trainer trainer = Trainer.start(model(true), EXAMPLES, OPTIONS.withSteps(4))) {
            List<TrainingProgress> plain = new ArrayList<>();
            trainer.run(plain::add);
            assertThat(steps)
                    .extracting(TrainingProgress::loss)
                    .isEqualTo(plain.stream().map(TrainingProgress::loss).toList());
        }
        assertThat(steps).extracting(step -> step.head().isPresent()).containsExactly(true, false, true, false);
        HeadReport first = steps.getFirst().head().orElseThrow();
        assertThat(first.inputShare()).isCloseTo(input / (input + squares(parts.projection)), within(1e-3));
        assertThat(first.keptShare()).isBetween(0.0, 1.0);
    }

    private static double squares(double[] numbers) {
        double sum = 0;
        for (double number : numbers) {
            sum += number * number;
        }
        return sum;
    }

    private List<Double> run(TrainingOptions options, String name, boolean tied) throws IOException {
        List<Double> losses = new ArrayList<>();
        try (Trainer trainer =
                Trainer.start(CausalLM.create(CONFIG.withTied(tied), 3, DType.F32), EXAMPLES, in(options, name))) {
            trainer.run(step -> losses.add(step.loss()));
        }
        return losses;
    }

    private TrainingOptions in(TrainingOptions options, String name) {
        return options.withFolder(folder.resolve(name));
    }

    @Test
    void anUntiedHeadComputesTheSameUntilItsNextUpdate() throws IOException {
        List<Double> tied = run(OPTIONS, "tied", true);
        List<Double> untied = run(OPTIONS.withHead(untie(5)), "untied", true);
        assertThat(untied.subList(0, 6)).isEqualTo(tied.subList(0, 6));
        assertThat(untied.subList(6, 12)).doesNotContainAnyElementsOf(tied);
        try (CausalLM model = CausalLM.load(folder.resolve("untied/checkpoint-12"))) {
            assertThat(model.head().tied()).isFalse();
        }
        assertThat(Files.readString(folder.resolve("tied/checkpoint-12/training/state.json")))
                .doesNotContain("head");
        run(OPTIONS.withHead(retie(5)), "retied", false);
        try (CausalLM model = CausalLM.load(folder.resolve("retied/checkpoint-12"))) {
            assertThat(model.head().tied()).isTrue();
        }
    }

    @Test
    void momentsAreCopiedAndAddedUp() {
        try (TrainableModel tied = trainable(model(true), true)) {
            fill(tied, 3);
            TrainableModel untied = tied.withTied(false);
            assertThat(moment(untied, "lm_head.weight.exp_avg")).isEqualTo(moment(untied, "wte.weight.exp_avg"));
            TrainableModel again = untied.withTied(true);
            float[] twice = moment(again, "wte.weight.exp_avg_sq");
            float[] once = moment(untied, "wte.weight.exp_avg_sq");
            for (int i = 0; i < once.length; i++) {
                assertThat(twice[i]).isEqualTo(2 * once[i]);
            }
            assertThat(moment(again, "wpe.weight.exp_avg")).isEqualTo(moment(tied, "wpe.weight.exp_avg"));
            assertThat(SmallModels.numbers(again.model, CONFIG.embedding()))
                    .isEqualTo(SmallModels.numbers(tied.model, CONFIG.embedding()));
            untied.close();
            again.close();
        }
    }

    private static void fill(TrainableModel model, int steps) {
        LossComputation computation = new LossComputation(model, OPTIONS);
        for (int step = 0; step < steps; step++) {
            computation.addGradients(List.of(EXAMPLES.example(step)), Dropout.NONE, 0, step);
            model.update(AdamW.DEFAULT, step + 1, 0, 1);
        }
    }

    private static float[] moment(TrainableModel model, String name) {
        return model.state().stream()
                .filter(view -> view.name().equals(name))
                .map(view -> view.data().toArray(ValueLayout.JAVA_FLOAT))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void anInterruptedScheduleResumesToTheSameBytes() throws IOException {
        HeadOptions both = new HeadOptions(2, 1e-3, 1e-3, 4, 9);
        TrainingOptions options = OPTIONS.withHead(both);
        run(options, "whole", true);
        for (int stop : new int[] {3, 4, 5, 9, 10}) {
            String name = "parts" + stop;
            try (Trainer trainer = Trainer.start(CausalLM.create(CONFIG, 3, DType.F32), EXAMPLES, in(options, name))) {
                trainer.run(step -> step.step() < stop);
            }
            assertThatThrownBy(() -> Trainer.resume(EXAMPLES, in(OPTIONS, name)))
                    .isInstanceOf(FormatException.class)
                    .hasMessageContaining("expected " + both);
            try (Trainer trainer = Trainer.resume(EXAMPLES, in(options, name))) {
                trainer.run(_ -> true);
            }
            same(name + "/checkpoint-12", "whole/checkpoint-12");
        }
    }

    private void same(String one, String other) throws IOException {
        for (String file : List.of("model.safetensors", "config.json", "training/optimizer.safetensors")) {
            assertThat(folder.resolve(one).resolve(file))
                    .hasSameBinaryContentAs(folder.resolve(other).resolve(file));
        }
    }

    @Test
    void aBranchHasTheBitsOfARunThatBeganWithItsOptions() throws IOException {
        List<Double> tied = run(OPTIONS, "tied", true);
        List<Double> whole = run(OPTIONS.withHead(untie(8)), "whole", true);
        assertThat(folder.resolve("tied/checkpoint-4")).isDirectory();
        Path fork = folder.resolve("tied/checkpoint-8");
        List<Double> branch = new ArrayList<>();
        try (Trainer trainer = Trainer.branch(fork, EXAMPLES, in(OPTIONS.withHead(untie(8)), "branch"))) {
            assertThat(trainer.step()).isEqualTo(8);
            trainer.run(step -> branch.add(step.loss()) && step.step() < 10);
        }
        try (Trainer trainer = Trainer.resume(EXAMPLES, in(OPTIONS.withHead(untie(8)), "branch"))) {
            trainer.run(step -> branch.add(step.loss()));
        }
        assertThat(branch).isEqualTo(whole.subList(8, 12)).isNotEqualTo(tied.subList(8, 12));
        same("branch/checkpoint-12", "whole/checkpoint-12");
        try (Trainer trainer = Trainer.branch(fork, EXAMPLES, in(OPTIONS, "unchanged"))) {
            trainer.run(_ -> true);
        }
        same("unchanged/checkpoint-12", "tied/checkpoint-12");
        assertThatThrownBy(() -> Trainer.branch(fork, EXAMPLES, in(OPTIONS, "unchanged")))
                .hasMessageContaining("a folder without checkpoints");
        assertThatThrownBy(() -> Trainer.branch(fork, EXAMPLES, in(OPTIONS.withHead(retie(9)), "wrong")))
                .hasMessage("retie-at 9: expected an untied head, got a tied one; leave it out");
        assertThat(folder.resolve("wrong/checkpoint-8")).doesNotExist();
        assertThatThrownBy(() -> Trainer.branch(fork, EXAMPLES, in(OPTIONS.withSeed(5), "wrong")))
                .hasMessageContaining("a seed of 4");
    }

    @Test
    void whatCannotBeDoneIsRefused() throws IOException {
        try (CausalLM untied = CausalLM.create(CONFIG.withTied(false), 3, DType.F32);
                CausalLM tied = CausalLM.create(CONFIG, 3, DType.F32)) {
            assertThatThrownBy(() -> Trainer.start(untied, EXAMPLES, OPTIONS.withHead(untie(3))))
                    .hasMessage("untie-at 3: expected a tied head, got an untied one; leave it out");
            TrainingOptions part = OPTIONS.withScope(new TrainingScope.LastLayers(1));
            assertThatThrownBy(() -> Trainer.start(tied, EXAMPLES, part.withHead(untie(3))))
                    .hasMessage(
                            "untie-at 3: expected a run that trains everything, got LastLayers[count=1]; leave one of both"
                                    + " out");
        }
        assertThatThrownBy(() -> losses(-1, 0, 0)).hasMessageStartingWith("scale of the input's gradient");
        assertThatThrownBy(() -> losses(1, Double.NaN, 0)).hasMessageStartingWith("z-loss");
        assertThatThrownBy(() -> losses(1, 0, Double.POSITIVE_INFINITY)).hasMessageStartingWith("mu-loss");
        assertThatThrownBy(() -> new HeadOptions(1, 0, 0, 3, 3)).hasMessageContaining("another than to untie at");
        assertThatThrownBy(() -> untie(-2)).hasMessageStartingWith("step to untie at: expected at least -1");
    }

    @Test
    void aStepOfTheHeadThatCannotComeIsRefused() throws IOException {
        run(OPTIONS, "tied", true);
        Path fork = folder.resolve("tied/checkpoint-8");
        assertThatThrownBy(() -> Trainer.branch(fork, EXAMPLES, in(OPTIONS.withHead(untie(7)), "passed")))
                .hasMessage("untie-at 7: expected an untied head, got a tied one at step 8; name a step from there on");
        HeadOptions both = new HeadOptions(1, 0, 0, 4, 6); // a head that was tied again
        Trainer.branch(fork, EXAMPLES, in(OPTIONS.withHead(both), "again")).close();
        for (long step : new long[] {12, 13}) {
            assertThatThrownBy(() -> run(OPTIONS.withHead(untie(step)), "late", true))
                    .hasMessage("untie-at " + step + ": expected a step below 12; name an earlier, or train longer");
        }
        run(OPTIONS.withHead(untie(11)), "last", true);
        try (CausalLM model = CausalLM.load(folder.resolve("last/checkpoint-12"))) {
            assertThat(model.head().tied()).isFalse();
        }
    }

    @Test
    void anOptionOfTheHeadThatChangesNothingIsRefused() {
        TrainingScope last = new TrainingScope.LastLayers(1);
        for (TrainingScope frozen : List.of(last, TrainingScope.lowRank(2))) {
            TrainingOptions options = OPTIONS.withSteps(1).withScope(frozen);
            assertThatThrownBy(() -> run(options.withHead(losses(1, 0, 1e-3)), "mu", true))
                    .hasMessageStartingWith("mu-loss: expected a run that trains the projection, got ");
            assertThatThrownBy(() -> run(options.withHead(losses(2, 0, 0)), "scale", true))
                    .hasMessageStartingWith("input-gradient-scale: expected a run that trains the embedding, got ");
        }
        TrainingOptions head = OPTIONS.withSteps(1).withScope(new TrainingScope.Head());
        assertThatThrownBy(() -> run(head.withHead(losses(2, 0, 0)), "untied", false))
                .hasMessageStartingWith("input-gradient-scale: ");
        assertThatCode(() -> run(head.withHead(losses(1, 0, 1e-3)), "untied", false))
                .doesNotThrowAnyException();
        assertThatCode(() -> run(head.withHead(losses(2, 0, 1e-3)), "tied", true))
                .doesNotThrowAnyException();
    }
}
