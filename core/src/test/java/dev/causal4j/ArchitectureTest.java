package dev.causal4j;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.causal4j.model.CausalLM;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleDescriptor.Requires;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.net.URI;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Enforces the order of the packages: each may import only packages above it in the list. */
class ArchitectureTest {
    private static final List<String> ORDER = List.of(
            "json", // the first four are those of the module text
            "tokenizer",
            "chat",
            "constraint",
            "flight",
            "compute",
            "kernel",
            "tensor",
            "format",
            "head",
            "decoder",
            "model",
            "generation",
            "receipt",
            "scoring",
            "training");

    private static final int MOST_PUBLIC_TYPES = 100;
    private static final int MOST_NESTED_PUBLIC_TYPES = 80;

    private static final JavaClasses CLASSES = imported();

    /** Without what the classes of the JDK are made of, which no rule asks for. */
    private static JavaClasses imported() {
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        return new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .withImportOption(location -> !location.contains("-tests.jar"))
                .importPackages("dev.causal4j");
    }

    @Test
    void everyPackageHasItsPlaceInTheOrder() {
        assertThat(CLASSES.getPackage("dev.causal4j").getSubpackages().stream()
                        .map(JavaPackage::getRelativeName)
                        .toList())
                .containsExactlyInAnyOrderElementsOf(ORDER);
    }

    @Test
    void aPackageImportsOnlyThoseAboveIt() {
        for (int i = 0; i < ORDER.size(); i++) {
            String[] below = ORDER.subList(i + 1, ORDER.size()).stream()
                    .map(ArchitectureTest::inside)
                    .toArray(String[]::new);
            if (below.length > 0) {
                noClasses()
                        .that()
                        .resideInAPackage(inside(ORDER.get(i)))
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage(below)
                        .check(CLASSES);
            }
        }
        slices().matching("dev.causal4j.(**)").should().beFreeOfCycles().check(CLASSES);
        noClasses()
                .that()
                .resideInAPackage("dev.causal4j")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.causal4j.*..")
                .check(CLASSES);
    }

    /** Other packages know the container alone; only this room knows the meaning of its keys and tensors. */
    @Test
    void onlyModelsUseTheRoomOfGguf() {
        noClasses()
                .that()
                .resideOutsideOfPackage(inside("model"))
                .or()
                .resideInAPackage(inside("model.families"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(inside("model.gguf"))
                .check(CLASSES);
        noClasses()
                .that()
                .resideInAnyPackage(inside("model.gguf"), inside("model.families"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.causal4j.model")
                .check(CLASSES);
    }

    @Test
    void headAndDecoderAreSiblings() {
        noClasses()
                .that()
                .resideInAPackage(inside("decoder"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(inside("head"))
                .check(CLASSES);
    }

    @Test
    void arithmeticDoesNotKnowWhatChoosesIt() {
        noClasses()
                .that()
                .resideInAPackage("dev.causal4j.kernel")
                .should()
                .dependOnClassesThat()
                .resideInAPackage(inside("kernel.choice"))
                .check(CLASSES);
    }

    @Test
    void onlyTheKernelKnowsTheVectorModule() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.causal4j.kernel")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jdk.incubator..")
                .check(CLASSES);
    }

    /** A new public type needs another type to become package-private or nested. */
    @Test
    void usersHaveFewTypesToLearn() {
        Set<String> exported = modules(FormatException.class, CausalLM.class)
                .flatMap(module -> module.exports().stream())
                .filter(export -> !export.isQualified()) // to modules of ours
                .map(ModuleDescriptor.Exports::source)
                .collect(Collectors.toSet());
        assertThat(exported)
                .contains("dev.causal4j.tokenizer", "dev.causal4j.model")
                .doesNotContain(
                        "dev.causal4j.json",
                        "dev.causal4j.kernel",
                        "dev.causal4j.format",
                        "dev.causal4j.decoder",
                        "dev.causal4j.generation.friend");
        Map<Boolean, List<String>> types = CLASSES.stream()
                .filter(type -> isPublic(type) && exported.contains(type.getPackageName()))
                .sorted(Comparator.comparing(JavaClass::getName))
                .collect(Collectors.partitioningBy(
                        JavaClass::isTopLevelClass, Collectors.mapping(JavaClass::getName, Collectors.toList())));
        assertThat(types.get(true)).hasSizeLessThanOrEqualTo(MOST_PUBLIC_TYPES);
        assertThat(types.get(false)).hasSizeLessThanOrEqualTo(MOST_NESTED_PUBLIC_TYPES);
    }

    /**
     * Programs without a model get no other library. A module that uses another without requiring it does not compile.
     */
    @Test
    void textRequiresJacksonAlone() {
        assertThat(modules(FormatException.class)
                        .flatMap(module -> module.requires().stream())
                        .filter(each -> !each.modifiers().contains(Requires.Modifier.STATIC))
                        .map(Requires::name))
                .containsExactlyInAnyOrder("java.base", "tools.jackson.core");
    }

    /** The modules of some classes, from their folders or jars. */
    private static Stream<ModuleDescriptor> modules(Class<?>... classes) {
        Path[] locations = Stream.of(classes)
                .map(each -> each.getProtectionDomain().getCodeSource().getLocation())
                .map(url -> Path.of(URI.create(url.toString())))
                .toArray(Path[]::new);
        return ModuleFinder.of(locations).findAll().stream().map(ModuleReference::descriptor);
    }

    /** Whether users can name a type: it and the types around it are public. */
    private static boolean isPublic(JavaClass type) {
        return type.getModifiers().contains(JavaModifier.PUBLIC)
                && type.getEnclosingClass().map(ArchitectureTest::isPublic).orElse(true);
    }

    @Test
    void namesSayWhatAClassIs() {
        classes()
                .should()
                .haveNameNotMatching(".*(Manager|Helper|Utils?|Impl|Wrapper|Processor)")
                .andShould()
                .haveNameNotMatching(".*\\.(Abstract|Base)[A-Z].*")
                .check(CLASSES);
    }

    private static String inside(String name) {
        return "dev.causal4j." + name + "..";
    }
}
