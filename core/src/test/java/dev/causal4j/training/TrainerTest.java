package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.JavaProcess;
import dev.causal4j.NonFiniteException;
import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

class TrainerTest {
    private static final int VOCABULARY = 41;
    private static final String SCALAR = "-Dcausal4j.kernels=scalar";
    private static final ModelConfig CONFIG =
            SmallModels.gpt2(VOCABULARY, 17, 21, 2, 3, "\"n_inner\": 35").withSpecialIds(OptionalInt.of(2), Set.of(3));
    static final Examples TRAINING = Examples.windows(tokens(700), 11, 8);

    private static final TrainingOptions OPTIONS = TrainingOptions.DEFAULT
            .withHeldOut(tokens(60))
            .withSteps(9)
            .withBatchSize(3)
            .withMicroBatchSize(2)
            .withLearningRate(new LearningRate(3e-3, 1e-4, 2, 9))
            .withDropout(0.1, 0.1, 0.1)
            .withSeed(6)
            .withEvaluationInterval(3)
            .withCheckpointInterval(2);

    static final TrainingOptions MANY_CHECKPOINTS = OPTIONS.withSteps(24).withCheckpointInterval(1);

    @TempDir
    Path folder;

    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    private static CausalLM model(boolean tied) {
        return CausalLM.create(CONFIG.withTied(tied), 4, DType.F32);
    }

    /** A text in which each token determines the next. */
    private static Tokens tokens(int count) {
        int[] ids = new int[count];
        for (int i = 1; i < count; i++) {
            ids[i] = (3 * ids[i - 1] + 1 + (i % 5 == 0 ? 1 : 0)) % VOCABULARY;
        }
        return Tokens.of(VOCABULARY, ids);
    }

    static Trainer start(TrainingOptions options, Path output) throws IOException {
        return Trainer.start(model(true), TRAINING, options.withFolder(output));
    }

    @Test
    void theHeldOutLossCanBeAskedForAndChangesNothing() throws IOException {
        List<TrainingProgress> asked = new ArrayList<>();
        List<TrainingProgress> unasked = new ArrayList<>();
        try (Trainer trainer = Trainer.start(model(true), TRAINING, OPTIONS);
                Trainer twin = Trainer.start(model(true), TRAINING, OPTIONS)) {
            assertThat(trainer.heldOutLoss(_ -> {}).orElseThrow()).isCloseTo(StrictMath.log(VOCABULARY), within(0.1));
            trainer.run(asked::add);
            twin.run(unasked::add);
            assertThat(asked).extracting(TrainingProgress::loss).isEqualTo(losses(unasked));
            assertThat(trainer.heldOutLoss(_ -> {})).isEqualTo(asked.getLast().validationLoss());
        }
        try (Trainer none = Trainer.start(model(true), TRAINING, TrainingOptions.DEFAULT)) {
            assertThat(none.heldOutLoss(_ -> {})).isEmpty();
        }
    }

    private static List<Double> losses(List<TrainingProgress> steps) {
        return steps.stream().map(TrainingProgress::loss).toList();
    }

    @Test
    void trainersGiveTheirMemoryBack() throws IOException {
        try (CausalLM base = model(true)) {
            TrainingScope lora = new TrainingScope.LowRank(2, 4, true, true);
            long free = Device.freeBytes();
            for (TrainingScope scope : List.of(lora, lora, new TrainingScope.All())) {
                TrainingOptions options = OPTIONS.withSteps(1).withScope(scope);
                Path output = Files.createTempDirectory(folder, "out");
                try (Trainer trainer = Trainer.start(base, TRAINING, options.withFolder(output))) {
                    trainer.run(_ -> true);
                    assertThat(Device.freeBytes()).isLessThan(free);
                }
                assertThat(Device.freeBytes()).isEqualTo(free);
            }
        }
    }

    @Test
    void aRunThatCannotBeginKeepsNoMemory() {
        CausalLM model = model(true);
        long free = Device.freeBytes();
        assertThatThrownBy(() -> Trainer.start(model, TRAINING, OPTIONS.withHeldOut(tokens(1))))
                .hasMessageContaining("expected at least 2 tokens");
        assertThat(Device.freeBytes()).isEqualTo(free);
    }

    @Test
    void aQuantisedModelIsNotTrained() {
        for (DType dtype : List.of(DType.INT8, DType.INT4)) {
            CausalLM model = CausalLM.create(SmallModels.gpt2(VOCABULARY, 17, 32, 2, 1), 4, dtype);
            assertThatThrownBy(() -> Trainer.start(model, TRAINING, OPTIONS))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("training: expected a model in f32, f16 or bf16, got " + dtype.label()
                            + "; load it in f32");
        }
    }

    @Test
    void interruptedAndResumedEndsWithTheBytesOfTheUninterrupted() throws IOException {
        Compute.shared().use(1);
        Path whole = folder.resolve("whole");
        List<TrainingProgress> expected = new ArrayList<>();
        start(OPTIONS, whole).run(expected::add);
        assertThat(expected).hasSize(9);
        for (int stop : new int[] {1, 4, 6}) {
            Compute.shared().use(1 + stop % 3);
            Path parts = folder.resolve("parts" + stop);
            List<TrainingProgress> actual = new ArrayList<>();
            TrainingResult cancelled = start(OPTIONS, parts).run(progress -> {
                actual.add(progress);
                return progress.step() < stop;
            });
            assertThat(cancelled.finish()).isEqualTo(TrainingResult.Finish.CANCELLED);
            Compute.shared().use(1 + (stop + 1) % 3);
            TrainingResult result =
                    Trainer.resume(TRAINING, OPTIONS.withFolder(parts)).run(actual::add);
            assertThat(result.finish()).isEqualTo(TrainingResult.Finish.STEPS);
            assertThat(actual.stream().map(TrainingProgress::loss))
                    .containsExactlyElementsOf(
                            expected.stream().map(TrainingProgress::loss).toList());
            assertThat(files(parts)).isEqualTo(files(whole));
        }
    }

    /** Every file by its path, as hexadecimal digits. */
    private static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> tree = Files.walk(folder)) {
            for (Path file : tree.filter(Files::isRegularFile).toList()) {
                files.put(folder.relativize(file).toString(), HexFormat.of().formatHex(Files.readAllBytes(file)));
            }
        }
        return files;
    }

    @Test
    void microBatchesThreadsAndRecomputationChangeNoByte() throws IOException {
        TrainingOptions options = OPTIONS.withSteps(2).withCheckpointInterval(0);
        Compute.shared().use(1);
        Path expected = folder.resolve("0");
        start(options, expected).run(progress -> true);
        int i = 1;
        for (int part : new int[] {1, 3}) {
            for (boolean recomputed : new boolean[] {false, true}) {
                Compute.shared().use(i % 3 + 1);
                Path actual = folder.resolve(Integer.toString(i++));
                start(options.withMicroBatchSize(part).withRecomputation(recomputed), actual)
                        .run(progress -> true);
                assertThat(files(actual)).isEqualTo(files(expected));
            }
        }
    }

    /** Plain Java begins at once. Other tests show that it trains to the same bytes. */
    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aProcessThatIsKilledResumesToTheBytesOfOneThatWasNot() throws Exception {
        Path whole = folder.resolve("whole");
        start(MANY_CHECKPOINTS, whole).run(progress -> true);
        Path killed = folder.resolve("killed");
        String verb = "start";
        for (int round = 0; round < 3; round++) {
            Process process = KilledRun.begin(killed, verb, "-Dlast=" + 8 * (round + 1), SCALAR, JavaProcess.BRIEF);
            try (BufferedReader out = process.inputReader()) {
                for (int line = 0; line < 3 + round; line++) {
                    assertThat(out.readLine()).as("round %d", round).isNotNull();
                }
                Thread.sleep(3L * round); // so that it is killed at different places
                process.destroyForcibly();
            }
            assertThat(process.waitFor()).isNotZero();
            verb = "resume";
        }
        Trainer resumed = Trainer.resume(TRAINING, MANY_CHECKPOINTS.withFolder(killed));
        assertThat(resumed.step()).isBetween(5L, 23L);
        resumed.run(progress -> true);
        assertThat(files(killed)).isEqualTo(files(whole));
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void theScalarKernelsTrainToTheSameBytes() throws Exception {
        Path vectors = folder.resolve("vectors");
        start(MANY_CHECKPOINTS, vectors).run(progress -> true);
        Path scalars = folder.resolve("scalars");
        Process process = KilledRun.begin(scalars, "start", SCALAR, JavaProcess.BRIEF);
        process.inputReader().lines().forEach(line -> {});
        assertThat(process.waitFor()).isZero();
        assertThat(files(scalars)).isEqualTo(files(vectors));
    }

    @Test
    void lowRankAdditionsAreTrainedAloneSavedAsPartOfTheModelAndResumed() throws IOException {
        TrainingOptions options = OPTIONS.withDropout(0, 0, 0)
                .withLearningRate(LearningRate.constant(1e-2))
                .withScope(new TrainingScope.LowRank(2, 4, true, true));
        List<TrainingProgress> expected = new ArrayList<>();
        Trainer trainer = start(options, folder.resolve("whole"));
        trainer.run(expected::add);
        Trainer full = Trainer.start(model(true), TRAINING, options.withSteps(1).withScope(new TrainingScope.All()));
        full.run(progress -> {
            assertThat(progress.loss())
                    .as("begins unchanged")
                    .isEqualTo(expected.getFirst().loss());
            return true;
        });
        assertThat(trainer.trainedParameters()).isEqualTo(2L * 2 * ((21 + 63) + (21 + 21) + (21 + 35) + (35 + 21)));
        assertThat(expected.getLast().loss()).isLessThan(expected.getFirst().loss());
        for (ParameterSpec spec : CONFIG.specs()) {
            assertThat(SmallModels.numbers(trainer.model(), spec))
                    .as(spec.name())
                    .isEqualTo(SmallModels.numbers(model(true), spec));
        }
        float[] saved = logits(CausalLM.load(folder.resolve("whole").resolve("checkpoint-9")));
        assertThat(saved).containsExactly(logits(trainer.model()), within(1e-4f));
        CausalLM adapted = model(true).withAdapter(folder.resolve("whole").resolve("adapter"));
        assertThat(logits(adapted)).isEqualTo(logits(trainer.model()));
        assertThat(logits(adapted.merged())).isEqualTo(saved);
        assertThatThrownBy(() -> Trainer.start(adapted, TRAINING, options)).hasMessageContaining("without an adapter");
        CausalLM merged = trainer.model().merged();
        trainer.close();
        assertThat(logits(merged)).isEqualTo(saved);

        Path parts = folder.resolve("parts");
        start(options, parts).run(progress -> progress.step() < 4);
        assertThatThrownBy(() -> Trainer.resume(TRAINING, options.withFolder(parts)))
                .hasMessageStartingWith("model: expected the one the run began from, got none");
        Trainer.resume(model(true), TRAINING, options.withFolder(parts)).run(progress -> true);
        assertThat(files(parts)).isEqualTo(files(folder.resolve("whole")));
    }

    @Test
    void trainingLearns() throws IOException {
        Trainer trainer = Trainer.start(
                model(true),
                TRAINING,
                OPTIONS.withSteps(60).withEvaluationInterval(20).withLearningRate(LearningRate.constant(1e-2)));
        List<TrainingProgress> progress = new ArrayList<>();
        TrainingResult result = trainer.run(progress::add);
        assertThat(progress.getFirst().loss()).isBetween(3.5, 3.9); // ln 41 = 3.71
        assertThat(result.validationLoss().orElseThrow()).isLessThan(1.5);
        assertThat(progress.get(19).validationLoss()).isPresent();
        assertThat(progress.get(18).validationLoss()).isEmpty();
    }

    @Test
    void evaluationsAndTextsInBetweenChangeNoByteOfTheTraining() throws IOException {
        TrainingOptions options = OPTIONS.withCheckpointInterval(0);
        start(options.withEvaluationInterval(0), folder.resolve("alone")).run(progress -> true);
        List<Double> shares = new ArrayList<>();
        Trainer trainer = start(options.withEvaluationInterval(2), folder.resolve("evaluated"));
        GenerationOptions sampled =
                GenerationOptions.DEFAULT.withMaxNewTokens(9).withSeed(1);
        trainer.run(
                progress -> {
                    try (Engine engine = new Engine(trainer.model())) {
                        new Generator(engine).generate(new int[] {1, 5}, sampled);
                    }
                    return true;
                },
                shares::add);
        for (String file : List.of("model.safetensors", "training/optimizer.safetensors")) {
            assertThat(folder.resolve("evaluated/checkpoint-9").resolve(file))
                    .hasSameBinaryContentAs(folder.resolve("alone/checkpoint-9").resolve(file));
        }
        assertThat(shares.subList(0, 3)).containsExactly(2 / 6.0, 4 / 6.0, 1.0); // six examples, two at a time
        assertThat(shares).hasSize(5 * 3);
    }

    @Test
    void theGivenModelNeverChanges() throws IOException {
        CausalLM model = model(false);
        float[] before = new float[21];
        model.head().projection().row(5, before, 0);
        float[] bias = model.vector(SmallModels.spec(model, "norm.bias")).clone();
        Trainer trainer = Trainer.start(model, TRAINING, OPTIONS.withEvaluationInterval(0));
        trainer.run(progress -> true);
        float[] after = new float[21];
        model.head().projection().row(5, after, 0);
        assertThat(after).containsExactly(before);
        assertThat(model.vector(SmallModels.spec(model, "norm.bias"))).containsExactly(bias);
        trainer.model().head().projection().row(5, after, 0);
        assertThat(after).isNotEqualTo(before);
    }

    @Test
    void aSavedModelHasTheLogitsOfTheTrainedOne() throws IOException {
        for (boolean tied : new boolean[] {true, false}) {
            Path output = folder.resolve("tied" + tied);
            Trainer trainer = Trainer.start(
                    model(tied),
                    TRAINING,
                    OPTIONS.withEvaluationInterval(0).withSteps(3).withFolder(output));
            trainer.run(progress -> true);
            CausalLM loaded = CausalLM.load(output);
            assertThat(loaded.head().tied()).isEqualTo(tied);
            assertThat(loaded.bos()).hasValue(2);
            assertThat(loaded.eos()).containsExactly(3);
            assertThat(logits(loaded)).containsExactly(logits(trainer.model()));
        }
    }

    @Test
    void aModelSavedInBf16IsTheModelRounded() throws IOException {
        CausalLM model = model(false);
        model.save(folder, DType.BF16);
        CausalLM loaded = CausalLM.load(folder);
        assertThat(loaded.dtype()).isEqualTo(DType.BF16);
        float[] exact = new float[21];
        float[] rounded = new float[21];
        ParameterSpec up = SmallModels.spec(model, "layers.1.up.weight");
        model.matrix(up).row(33, exact, 0);
        loaded.matrix(up).row(33, rounded, 0);
        for (int k = 0; k < 21; k++) {
            assertThat(rounded[k]).isEqualTo(DType.fromBFloat16(DType.toBFloat16(exact[k])));
        }
    }

    private static float[] logits(CausalLM model) {
        dev.causal4j.decoder.Batch batch = dev.causal4j.decoder.Batch.of(model.newCache(), 1, 5, 2, 40);
        return model.head().logits(model.forward(batch, new Activations()), 3);
    }

    @Test
    void onlyWhatIsTrainedChanges() throws IOException {
        CausalLM model = model(false);
        Map<TrainingScope, Set<String>> parts = Map.of(
                new TrainingScope.Head(), Set.of("head.weight"),
                new TrainingScope.LastLayers(1), Set.of("norm.weight", "norm.bias"));
        for (Map.Entry<TrainingScope, Set<String>> part : parts.entrySet()) {
            Trainer trainer = Trainer.start(
                    model, TRAINING, OPTIONS.withEvaluationInterval(0).withScope(part.getKey()));
            trainer.run(progress -> true);
            List<String> changed = new ArrayList<>();
            for (ParameterSpec spec : model.config().specs()) {
                if (!Arrays.equals(SmallModels.numbers(model, spec), SmallModels.numbers(trainer.model(), spec))) {
                    changed.add(spec.name());
                }
            }
            if (part.getKey() instanceof TrainingScope.LastLayers) {
                assertThat(changed)
                        .filteredOn(name -> name.startsWith("layers.1."))
                        .hasSize(12);
                assertThat(changed).hasSize(14);
            }
            assertThat(changed).containsAll(part.getValue());
            assertThat(changed).noneMatch(name -> name.startsWith("layers.0.") || name.matches("(embed|pos).*"));
        }
    }

    @Test
    void aRunThatDivergesNamesTheStepAndKeepsTheCheckpoint() throws IOException {
        TrainingOptions options = OPTIONS.withEvaluationInterval(0)
                .withCheckpointInterval(1)
                .withClipNorm(0)
                .withLearningRate(new LearningRate(1e30, 1e30, 0, 9));
        Trainer first = start(options, folder);
        assertThatThrownBy(() -> first.run(progress -> true))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith("step 1, loss after the update: ")
                .hasMessageEndingWith("; lower the learning rate");
        assertThat(folder).isEmptyDirectory();

        start(OPTIONS, folder).run(progress -> progress.step() < 2);
        Map<String, String> good = files(folder);
        Trainer further = Trainer.resume(TRAINING, options.withFolder(folder));
        assertThatThrownBy(() -> further.run(progress -> true))
                .hasMessageStartingWith("step 3, ")
                .hasMessageEndingWith("; lower the learning rate; the last checkpoint is as it was");
        assertThat(files(folder)).isEqualTo(good);
    }

    @Test
    void anInterruptWritesACheckpointAndStaysVisible() throws IOException {
        TrainingResult result = start(OPTIONS, folder).run(progress -> {
            if (progress.step() == 5) {
                Thread.currentThread().interrupt();
            }
            return true;
        });
        assertThat(Thread.interrupted()).isTrue();
        assertThat(result.finish()).isEqualTo(TrainingResult.Finish.CANCELLED);
        assertThat(result.step()).isEqualTo(5);
        assertThat(folder.resolve("checkpoint-5")).isDirectory();
    }

    @Test
    void noImprovementEndsTrainingEarlyWithTheBestModel() throws IOException {
        TrainingOptions options = OPTIONS.withEvaluationInterval(1)
                .withPatience(2)
                .withSteps(500)
                .withLearningRate(new LearningRate(3, 3, 2, 3));
        TrainingResult result = start(options, folder).run(progress -> true);
        assertThat(result.finish()).isEqualTo(TrainingResult.Finish.EARLY_STOP);
        assertThat(result.step()).isEqualTo(result.bestStep() + 2);
        assertThat(Files.readAllBytes(folder.resolve("model.safetensors")))
                .isEqualTo(Files.readAllBytes(
                        folder.resolve("checkpoint-" + result.bestStep()).resolve("model.safetensors")));
    }

    @Test
    void leftoversOfAKilledRunAreNoCheckpointAndAreCleanedUp() throws IOException {
        start(OPTIONS, folder).run(progress -> progress.step() < 3);
        Path unfinished =
                Files.createDirectories(folder.resolve(".causal4j-4.tmp").resolve("training"));
        Files.writeString(unfinished.resolve("state.json"), "{");
        Trainer trainer = Trainer.resume(TRAINING, OPTIONS.withFolder(folder));
        assertThat(trainer.step()).isEqualTo(3);
        trainer.run(progress -> true);
        assertThat(folder.resolve(".causal4j-4.tmp")).doesNotExist();
    }

    @Test
    void whatCannotBeResumedIsRefusedInOneLine() throws IOException {
        assertThatThrownBy(() -> Trainer.resume(TRAINING, OPTIONS.withFolder(folder)))
                .hasMessage(folder + ": expected a checkpoint to resume from, got a folder without one; start without"
                        + " resuming");
        start(OPTIONS, folder).run(progress -> progress.step() < 2);
        assertThatThrownBy(() -> start(OPTIONS, folder))
                .hasMessage(folder + ": expected a folder without checkpoints, got a run in it; resume it, or choose"
                        + " another folder");
        assertThatThrownBy(() -> Trainer.resume(TRAINING, OPTIONS.withSeed(1).withFolder(folder)))
                .hasMessage(folder + ": expected a seed of 6, got 1; resume with the options the run began with");
        Path state = folder.resolve("checkpoint-2/training/state.json");
        Files.writeString(state, Files.readString(state).replace("\"step\":\"2\"", "\"step\":\"two\""));
        assertThatThrownBy(() -> Trainer.resume(TRAINING, OPTIONS.withFolder(folder)))
                .hasMessageContaining("key \"step\": expected an integer of at least 0, got \"two\"");
    }

    /** Version 0.1 wrote these into its checkpoints. */
    @Test
    void aScopeIsKnownByTheTextOldRunsHave() {
        assertThat(new TrainingScope.All()).hasToString("All[]");
        assertThat(new TrainingScope.Head()).hasToString("Head[]");
        assertThat(new TrainingScope.LastLayers(2)).hasToString("LastLayers[count=2]");
        assertThat(new TrainingScope.LowRank(2, 4, true, false))
                .hasToString("LowRank[rank=2, alpha=4.0, attention=true, feedForward=false]");
    }

    @Test
    void learningRatesRiseAndFall() {
        LearningRate rate = new LearningRate(1, 0.1, 4, 12);
        assertThat(rate.at(0)).isEqualTo(0.25);
        assertThat(rate.at(3)).isEqualTo(1);
        assertThat(rate.at(4)).isEqualTo(1);
        assertThat(rate.at(8)).isCloseTo(0.55, within(1e-15));
        assertThat(rate.at(12)).isEqualTo(0.1);
        assertThat(rate.at(1000)).isEqualTo(0.1);
        assertThat(LearningRate.constant(0.3).at(0)).isEqualTo(0.3);
        assertThat(LearningRate.constant(0.3).at(77)).isEqualTo(0.3);
        assertThatThrownBy(() -> new LearningRate(1e-4, 1e-3, 0, 9))
                .hasMessage("minimum learning rate: expected at most the peak of 1.0E-4, got 0.001");
    }
}
