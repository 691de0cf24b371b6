package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sizes of code on which the speed of the kernels depends. C2 boxes a vector that is handed to a method it does not
 * inline, in every turn of the loop; the int8 loop of one row was four times slower for that in half of all JVMs.
 */
class InliningTest {
    /** MaxInlineSize: smaller methods are inlined whether they are hot or not. */
    private static final int ALWAYS = 35;

    /** FreqInlineSize: larger methods are compiled for themselves, and so never in a method too large to inline more. */
    private static final int NEVER = 325;

    @ParameterizedTest
    @ValueSource(
            classes = {
                VectorKernels.class,
                VectorProducts.class,
                VectorRow.class,
                VectorTiles.class,
                VectorFewRows.class,
                VectorReductions.class,
                VectorBackward.class,
                VectorTransposition.class,
                VectorRowTiles.class,
                VectorAdamW.class,
                VectorDropout.class
            })
    void whatStoresVectorsIsSmallEnoughToBeInlinedAlways(Class<?> kernels) throws IOException {
        assertThat(methods(kernels).filter(InliningTest::storesVectors))
                .allSatisfy(method -> assertThat(size(method))
                        .as(method.methodName().stringValue())
                        .isLessThanOrEqualTo(ALWAYS));
    }

    @Test
    void theLoopOfARowIsTooLargeToBeInlined() throws IOException {
        assertThat(methods(VectorRow.class)
                        .filter(method -> method.methodName().stringValue().matches("(row|threePanels).*")))
                .hasSize(5)
                .allSatisfy(method -> assertThat(size(method))
                        .as(method.methodName().stringValue())
                        .isGreaterThan(NEVER));
    }

    @Test
    void aTileIsTooLargeToBeInlined() throws IOException {
        assertThat(Stream.concat(methods(VectorTiles.class), methods(VectorFewRows.class))
                        .filter(method ->
                                method.methodName().stringValue().matches("(four|eight)Rows.*|(t|addT)ileOf.*")))
                .hasSize(10)
                .allSatisfy(method -> assertThat(size(method))
                        .as(method.methodName().stringValue())
                        .isGreaterThan(NEVER));
    }

    private static boolean storesVectors(MethodModel method) {
        String type = method.methodType().stringValue();
        String parameters = type.substring(0, type.indexOf(')'));
        boolean returnsNoVector = !type.substring(type.indexOf(')')).contains("/vector/");
        return parameters.contains("/vector/") && returnsNoVector;
    }

    private static Stream<MethodModel> methods(Class<?> kernels) throws IOException {
        String file = "/" + kernels.getName().replace('.', '/') + ".class";
        try (InputStream in = Objects.requireNonNull(InliningTest.class.getResourceAsStream(file))) {
            return ClassFile.of().parse(in.readAllBytes()).methods().stream();
        }
    }

    private static int size(MethodModel method) {
        CodeModel code = method.code().orElseThrow();
        return ((CodeAttribute) code).codeLength();
    }
}
