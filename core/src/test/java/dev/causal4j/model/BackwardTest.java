package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradients;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The gradients of the whole model. */
class BackwardTest {
    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void everyGradientIsThatOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        CausalLM model = CausalLM.load(golden.folder(), DType.F32);
        Pass pass = Pass.of(model, golden.tokens(), golden.targets());
        assertThat(pass.loss()).isCloseTo(golden.loss(), within(1e-6 * golden.loss()));
        assertThat(pass.gradients()).hasSize((int) golden.expected().names().stream()
                .filter(tensor -> tensor.startsWith("grad."))
                .count());
        for (ParameterSpec spec : model.config().specs()) {
            Origin origin = model.config().origin(spec, "");
            float[] truth = golden.gradient(origin.names().getFirst()).toArray();
            float[] gradient = pass.gradient(spec.name());
            assertThat(gradient).hasSameSizeAs(truth);
            float[] actual = origin.parts().getFirst().rowStride() == 1 ? transposed(gradient, spec) : gradient;
            double largest = 0;
            double worst = 0;
            for (int i = 0; i < truth.length; i++) {
                largest = Math.max(largest, Math.abs(truth[i]));
                worst = Math.max(worst, Math.abs((double) actual[i] - truth[i]));
            }
            assertThat(worst).as(spec.name()).isLessThanOrEqualTo(1e-5 * largest);
        }
    }

    private static float[] transposed(float[] numbers, ParameterSpec spec) {
        float[] transposed = new float[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            transposed[i % spec.cols() * spec.rows() + i / spec.cols()] = numbers[i];
        }
        return transposed;
    }

    @ParameterizedTest
    @EnumSource(Activations.Keep.class)
    void threadsAndWhatIsKeptChangeNoBit(Activations.Keep keep) throws IOException {
        Golden golden = Golden.load("gpt2-odd");
        CausalLM model = CausalLM.load(golden.folder(), DType.F32);
        Dropout dropout = new Dropout(0.1, 0.2, 0.3, 7, 11, 5);
        Compute.shared().use(1);
        Pass expected = pass(model, golden, Activations.Keep.BLOCKS, dropout);
        for (int count = 1; count <= 3; count++) {
            Compute.shared().use(count);
            Pass actual = pass(model, golden, keep, dropout);
            assertThat(actual.loss()).isEqualTo(expected.loss());
            for (String name : expected.gradients().keySet()) {
                assertThat(actual.gradients().get(name))
                        .as(name)
                        .isEqualTo(expected.gradients().get(name));
            }
        }
    }

    @Test
    void theLastNormAloneNeedsWhatTheLastBlockGave() throws IOException {
        Golden golden = Golden.load("gpt2-odd");
        CausalLM model = CausalLM.load(golden.folder(), DType.F32);
        int layers = model.decoder().config().blocks().size();
        assertThat(lastNormGradient(model, Activations.forTraining(layers, Activations.Keep.BLOCKS)))
                .containsExactly(lastNormGradient(model, Activations.forTraining(0, Activations.Keep.BLOCKS)));
        assertThatThrownBy(() -> lastNormGradient(model, new Activations()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("activations: expected layers from " + layers
                        + " on to be kept, got fewer; keep from a lower layer");
    }

    private static float[] lastNormGradient(CausalLM model, Activations activations) {
        float[] gain = model.vector(SmallModels.spec(model, "norm.weight"));
        Gradients gradients = new Gradients(Device.shared());
        gradients.track(gain);
        Batch batch = Batch.of(model.newCache(), 1, 2, 3);
        Rows hidden = model.forward(batch, activations);
        int d = hidden.stride();
        float[] dHidden = Arrays.copyOf(hidden.data(), 3 * d);
        model.decoder().backward(batch, activations, Rows.of(dHidden, d, 3), false, gradients);
        return Arrays.copyOf(Objects.requireNonNull(gradients.of(gain)), gain.length);
    }

    private static Pass pass(CausalLM model, Golden golden, Activations.Keep keep, Dropout dropout) {
        List<int[]> tokens = golden.tokens();
        return Pass.of(model, tokens, golden.targets(), Activations.forTraining(0, keep), dropout);
    }
}
