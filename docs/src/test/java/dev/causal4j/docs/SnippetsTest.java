package dev.causal4j.docs;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.util.JavacTask;
import dev.causal4j.docs.Page.Dependency;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.xml.sax.InputSource;

/**
 * Compiles the Java blocks of README.md and of the guides as a reader would who pastes them: each page in a project of its own,
 * with the dependencies that the page names, and nothing else. A block of statements that compiles alone begins a program; another
 * one continues the blocks before it. Checks the dependencies themselves, too.
 */
class SnippetsTest {
    private static final Path ROOT = root();
    private static final Pattern STATEMENT = Pattern.compile("(?m)^(?!import )\\S.*;");
    private static final ClassPath HERE;

    static {
        try {
            HERE = new ClassPath(ROOT);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A method in a class of its own, with its imports before it. */
    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(int number, List<String> blocks) {
            super(URI.create("string:///Snippet" + number + ".java"), Kind.SOURCE);
            Map<Boolean, String> lines = blocks.stream()
                    .flatMap(String::lines)
                    .collect(Collectors.partitioningBy(line -> line.startsWith("import "), Collectors.joining("\n")));
            String imports = lines.get(true).lines().distinct().collect(Collectors.joining("\n"));
            text = imports + "\nclass Snippet" + number + " { void run() throws Exception {\n" + lines.get(false)
                    + "\n}}";
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        return Files.exists(folder.resolve("scripts/jdk.sh")) ? folder : folder.getParent();
    }

    static List<Page> pages() throws IOException {
        return Page.all(ROOT);
    }

    /** The errors of each source by its number; sources without are absent. */
    private static Map<Integer, String> compile(String classPath, Map<Integer, List<String>> programs)
            throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> told = new DiagnosticCollector<>();
        Map<Integer, Source> sources = new TreeMap<>();
        programs.forEach((number, blocks) -> sources.put(number, new Source(number, blocks)));
        if (!sources.isEmpty()) {
            List<String> options = List.of("-proc:none", "-Xlint:none", "--should-stop=ifError=FLOW", "-cp", classPath);
            JavacTask task = (JavacTask) compiler.getTask(null, null, told, options, null, sources.values());
            task.analyze();
        }
        Map<Integer, String> errors = new TreeMap<>();
        sources.forEach((number, source) -> {
            String lines = told.getDiagnostics().stream()
                    .filter(each -> each.getKind() == Diagnostic.Kind.ERROR)
                    .filter(each ->
                            each.getSource() == null || each.getSource().toUri().equals(source.toUri()))
                    .map(each -> each.getMessage(Locale.ROOT))
                    .collect(Collectors.joining("\n"));
            if (!lines.isEmpty()) {
                errors.put(number, lines);
            }
        });
        return errors;
    }

    /** The errors of the Java blocks of a page by their number, from 0. */
    private static Map<Integer, String> errors(Page page) throws IOException {
        List<String> blocks = page.blocks("java");
        String classPath =
                HERE.of(page.dependencies().stream().map(Dependency::artifact).toList());
        Map<Integer, List<String>> alone = IntStream.range(0, blocks.size())
                .boxed()
                .collect(Collectors.toMap(i -> i, i -> List.of(blocks.get(i))));
        Map<Integer, String> unfinished = compile(classPath, alone);
        Map<Integer, List<String>> programs = new TreeMap<>();
        List<String> program = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            if (!unfinished.containsKey(i) && STATEMENT.matcher(blocks.get(i)).find()) {
                program.clear();
            }
            program.add(blocks.get(i));
            if (unfinished.containsKey(i)) {
                programs.put(i, List.copyOf(program));
            }
        }
        return compile(classPath, programs);
    }

    @ParameterizedTest
    @MethodSource("pages")
    void blocksOfJavaCompileWithTheDependenciesThatThePageNames(Page page) throws IOException {
        if (page.name().equals("adding-a-family.md")) {
            return; // ReadmeTest compares its block with the library's source
        }
        assertThat(errors(page)).as(page.name()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void dependenciesAreThoseThatAreTested(Page page) throws IOException {
        String ours = Pom.read(ROOT.resolve("bom/pom.xml")).version();
        for (Dependency each : page.dependencies()) {
            if (each.group().equals("dev.causal4j")) {
                assertThat(each.version()).as(each.toString()).isEqualTo(ours);
            }
            assertThat(HERE.find(each.artifact()))
                    .as(page + ": " + each)
                    .hasValueSatisfying(found -> assertThat(found.version()).isEqualTo(each.version()));
        }
        for (String block : page.blocks("xml")) {
            InputSource source = new InputSource(new StringReader("<project>" + block + "</project>"));
            assertThat(parses(source)).as(block).isTrue();
        }
    }

    private static boolean parses(InputSource source) {
        try {
            DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(source);
            return true;
        } catch (Exception _) {
            return false;
        }
    }

    @Test
    void aBlockThatNeedsADependencyThatItsPageDoesNotNameFails() throws IOException {
        String ours = Pom.read(ROOT.resolve("bom/pom.xml")).version();
        String named = "`dev.causal4j:causal4j-langchain4j:" + ours + "`\n";
        String model = """
                ```java
                import dev.langchain4j.model.chat.ChatModel;

                ChatModel chat = null;
                ```
                """;
        String service = """
                ```java
                import dev.langchain4j.service.AiServices;

                interface Assistant {
                    String chat(String message);
                }
                Assistant assistant = AiServices.create(Assistant.class, chat);
                ```
                """;
        assertThat(errors(new Page("a page", named + model + service)))
                .containsOnlyKeys(1)
                .hasEntrySatisfying(
                        1, told -> assertThat(told).contains("package dev.langchain4j.service does not exist"));
        assertThat(errors(new Page("a page", named + "`dev.langchain4j:langchain4j:1`\n" + model + service)))
                .isEmpty();
        assertThat(errors(new Page("a page", named + model + model.replace("null", "template"))))
                .hasEntrySatisfying(
                        1,
                        told -> assertThat(told)
                                .contains("chat is already defined")
                                .contains("symbol:   variable template"));
    }
}
