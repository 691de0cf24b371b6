package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.training.Documents;
import dev.causal4j.training.Examples;
import dev.causal4j.training.LearningRate;
import dev.causal4j.training.Tokens;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import dev.causal4j.training.TrainingResult;
import dev.causal4j.training.TrainingScope;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Runs the examples of the documents. The Java examples of README.md and of the guides are, with the imports they need, those in
 * this file, in {@link ReadmeExamplesTest} and in tests of their modules; a command in a console block of README.md, of the model's
 * card or of a guide prints what the block says, where {@code ...} stands for what differs between runs. A block that stands in
 * two documents is run once.
 */
class ReadmeTest {
    private static final Path ROOT = Repository.root();
    private static final String PROGRAM = "./causal4j";

    /** Its block is a file of the library; its block fetches a model. */
    private static final Set<String> NOT_RUN = Set.of("docs/guides/adding-a-family.md", "docs/guides/hub.md");

    /** A command of a document and the lines the document has below it. */
    record Shown(String document, String command, List<String> output) {
        @Override
        public String toString() {
            return document + ": " + command;
        }
    }

    private static void adapting() throws IOException {
        // example: begin
        CausalLM model = AustenModel.load(); // or CausalLM.load(Path.of("a folder or a GGUF file"))
        Tokens tokens = Tokens.prepare(Path.of("target/license.tokens"), Documents.of(Path.of("../LICENSE")), model);
        TrainingOptions options = TrainingOptions.DEFAULT.withSteps(4).withScope(TrainingScope.lowRank(8));
        try (Trainer trainer = Trainer.start(model, Examples.windows(tokens, 64, 1), options)) {
            trainer.run(progress -> true); // false ends the run
            trainer.model().saveAdapter(Files.createDirectories(Path.of("target/license-adapter")));
        }
        // example: end
    }

    private static void training() throws IOException {
        // example: begin
        CausalLM model = AustenModel.load(DType.F32);
        Documents documents = Documents.of(Path.of("../LICENSE"));
        Tokens.Split split = Tokens.prepare(Path.of("target/license.tokens"), documents, model)
                .split(0.2);
        TrainingOptions options = TrainingOptions.DEFAULT // withFolder: checkpoints and the result
                .withSteps(4)
                .withBatchSize(2)
                .withLearningRate(LearningRate.constant(1e-3))
                .withHeldOut(split.heldOut())
                .withEvaluationInterval(2);
        try (Trainer trainer = Trainer.start(model, Examples.windows(split.training(), 64, 1), options)) {
            TrainingResult result = trainer.run(progress -> true);
            System.out.println(result.finish() + " " + result.bestStep());
        }
        // example: end
    }

    private static void recording() throws IOException {
        // example: begin
        CausalLM model = AustenModel.load();
        GenerationOptions options = GenerationOptions.of(model).withSeed(7).withMaxNewTokens(20);
        String answer =
                new Generator(model).generate("Miss Taylor was", options).text();
        Path recorded = Path.of("target/miss-taylor.txt"); // in a project a file beside its tests
        if (Files.notExists(recorded)) {
            Files.writeString(recorded, answer);
        }
        String expected = Files.readString(recorded);
        int difference = Arrays.mismatch(expected.toCharArray(), answer.toCharArray());
        if (difference >= 0) {
            throw new AssertionError("character " + difference + ": expected " + expected + ", got " + answer);
        }
        // example: end
    }

    @Test
    void anAnswerIsRecordedAndComparedLater() throws IOException {
        Files.deleteIfExists(Path.of("target/miss-taylor.txt"));
        recording();
        recording();
        assertThat(Path.of("target/miss-taylor.txt")).isNotEmptyFile();
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void theExamplesOfTrainingEnd() throws Exception {
        assertThat(ReadmeExamplesTest.printed(ReadmeTest::adapting)).isEmpty();
        assertThat(Path.of("target/license-adapter/adapter_model.safetensors")).isRegularFile();
        assertThat(ReadmeExamplesTest.printed(ReadmeTest::training)).containsExactly("STEPS 4");
    }

    @Test
    void theJavaExamplesAreThoseThatTestsRunWithTheImportsTheyNeed() throws IOException {
        List<String> examples = new ArrayList<>();
        for (String file : List.of(
                "cli/src/test/java/dev/causal4j/cli/ReadmeTest.java",
                "cli/src/test/java/dev/causal4j/cli/ReadmeExamplesTest.java",
                "cli/src/test/java/dev/causal4j/cli/TasksTest.java",
                "cli/src/test/java/dev/causal4j/cli/SnapshotExampleTest.java",
                "server/src/test/java/dev/causal4j/server/MicrometerBinderTest.java",
                "server/src/test/java/dev/causal4j/server/ModelsTest.java",
                "text/src/test/java/dev/causal4j/GuideTest.java",
                "langchain4j/src/test/java/dev/causal4j/langchain4j/GuideTest.java",
                "examples/spring-ai/src/test/java/example/GuideTest.java",
                "spark/src/test/java/dev/causal4j/spark/GuideTest.java")) {
            Pattern.compile("// example: begin(?:: (.*?))?\n(.*?)\n +// example: end", Pattern.DOTALL)
                    .matcher(read(ROOT.resolve(file)))
                    .results()
                    .map(example -> (example.group(1) == null ? "" : example.group(1) + "\n")
                            + example.group(2).stripIndent())
                    .forEach(example -> examples.add(imports(file, example) + example));
        }
        Set<String> shown = new LinkedHashSet<>();
        for (String document : Guides.all()) {
            if (!NOT_RUN.contains(document)) {
                Guides.blocks(document, "java").forEach(block -> shown.add(String.join("\n", block)));
            }
        }
        assertThat(shown).containsExactlyInAnyOrderElementsOf(examples);
    }

    /** The imports that an example needs to be pasted elsewhere: of its file, and of the package of that. */
    private static String imports(String file, String example) {
        Set<String> words = Pattern.compile("\\w+")
                .matcher(example)
                .results()
                .map(MatchResult::group)
                .collect(Collectors.toSet());
        String folder = file.substring(0, file.lastIndexOf('/') + 1);
        Path main = ROOT.resolve(folder.replace("/test/", "/main/"));
        String prefix = folder.replaceFirst(".*/java/", "").replace('/', '.');
        Stream<String> same = words.stream()
                .filter(word -> Files.exists(main.resolve(word + ".java")))
                .map(word -> prefix + word);
        Stream<String> others = Pattern.compile("(?m)^import ([\\w.]+);$")
                .matcher(read(ROOT.resolve(file)))
                .results()
                .map(each -> each.group(1))
                .filter(name -> words.contains(name.substring(name.lastIndexOf('.') + 1)));
        String imports = Stream.concat(same, others)
                .sorted()
                .map(name -> "import " + name + ";\n")
                .collect(Collectors.joining());
        return imports.isEmpty() ? "" : imports + "\n";
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void theFamilyOfTheWalkThroughIsTheOneOfTheLibrary() throws IOException {
        String file = "core/src/main/java/dev/causal4j/model/families/Mistral.java";
        List<String> shown =
                Guides.blocks("docs/guides/adding-a-family.md", "java").getFirst();
        assertThat(Files.readAllLines(ROOT.resolve(file))).endsWith(shown.toArray(String[]::new));
    }

    @Test
    void theFirstExamplePrintsWhatTheFirstCommandPrints() throws Exception {
        assertThat(ReadmeExamplesTest.printed(ReadmeExamplesTest::generating))
                .isEqualTo(shown().getFirst().output());
    }

    @TempDir
    private Path folder;

    /** In {@code .ci/run} the launcher runs it, in {@code ./check} this JVM. */
    @ParameterizedTest
    @MethodSource("shown")
    void aCommandPrintsWhatTheDocumentShows(Shown shown) throws IOException, InterruptedException {
        boolean whole = Boolean.getBoolean("causal4j.whole");
        Program.Run run = whole
                ? Launcher.PLAIN.runInShell("{ " + shown.command() + "\n} 2>&1")
                : Program.runInShell(folder, seenFromHere(shown.command()));
        String output = Launcher.withoutWarning(run.out());
        assertThat(run.status()).as(output).isZero();
        List<String> expected = whole
                ? shown.output()
                : shown.output().stream()
                        .map(line ->
                                seenFromHere(line).replace("./causal4j ", "causal4j ")) // no launcher says its name
                        .toList();
        assertThat(output).matches(pattern(expected));
    }

    /** With the paths of the repository's files as seen from this module, the folder of this JVM. */
    private static String seenFromHere(String text) {
        return text.replace("cli/target/", "target/").replace("--data LICENSE", "--data ../LICENSE");
    }

    static List<Shown> shown() throws IOException {
        List<Shown> shown = new ArrayList<>();
        List<String> documents = new ArrayList<>(Guides.all());
        documents.add("model-austen/README.md");
        for (String document : documents) {
            for (List<String> block : Guides.blocks(document, "console")) {
                for (int i = 0; i < block.size(); ) {
                    assertThat(block.get(i)).as(document).startsWith("$ ");
                    int next = i + 1;
                    while (next < block.size() && !block.get(next).startsWith("$ ")) {
                        next++;
                    }
                    String command = block.get(i).substring(2);
                    List<String> output = block.subList(i + 1, next);
                    if (shown.stream()
                            .noneMatch(each -> each.command().equals(command)
                                    && each.output().equals(output))) {
                        shown.add(new Shown(document, command, output));
                    }
                    i = next;
                }
            }
        }
        // ./check runs this test.
        shown.removeIf(each -> !each.command().contains(PROGRAM));
        return shown;
    }

    @Test
    void everyFolderOfFixturesHasARowInTheirTable() throws IOException {
        String core = "core/src/test/resources/";
        List<PathMatcher> rows = new ArrayList<>();
        for (String line : Files.readAllLines(ROOT.resolve(core + "README.md"))) {
            if (line.startsWith("| `")) {
                String folder = line.substring(3, line.indexOf('`', 3));
                String path = folder.contains("src/test/resources") ? folder : core + "dev/causal4j/" + folder;
                rows.add(ROOT.getFileSystem().getPathMatcher("glob:" + path));
            }
        }
        List<Path> folders = new ArrayList<>();
        try (DirectoryStream<Path> modules = Files.newDirectoryStream(ROOT, Files::isDirectory)) {
            for (Path module : modules) {
                Path resources = module.resolve("src/test/resources");
                if (Files.isDirectory(resources)) {
                    try (Stream<Path> files = Files.walk(resources)) {
                        files.filter(file -> Files.isRegularFile(file) && !file.endsWith("README.md"))
                                .map(file -> ROOT.relativize(file.getParent()))
                                .distinct()
                                .forEach(folders::add);
                    }
                }
            }
        }
        assertThat(folders)
                .hasSizeGreaterThan(40)
                .allMatch(folder -> rows.stream().anyMatch(row -> row.matches(folder)));
        assertThat(rows).allMatch(row -> folders.stream().anyMatch(row::matches));
    }

    private static Pattern pattern(List<String> output) {
        String text = output.stream().map(line -> line + "\n").collect(Collectors.joining());
        return Pattern.compile(Arrays.stream(text.split(Pattern.quote("..."), -1))
                .map(Pattern::quote)
                .collect(Collectors.joining(".*")));
    }
}
