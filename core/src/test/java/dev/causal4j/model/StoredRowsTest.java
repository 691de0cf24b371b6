package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.TensorView;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StoredRowsTest {
    private static final int ROWS = 138;
    private static final int COLS = 135;

    private final ParameterSpec spec = new ParameterSpec("w", Role.UP, 0, ParameterSpec.NO_EXPERT, ROWS, COLS, 0);
    private final float[] numbers = new float[ROWS * COLS];

    StoredRowsTest() {
        Random random = new Random(5);
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = random.nextInt(-128, 128) / 2f; // exact in f32 and bf16
        }
    }

    private Origin origin(String layout) {
        long rows = ROWS;
        long cols = COLS;
        List<Long> three = List.of(3L, cols, rows);
        return switch (layout) {
            case "whole" -> Origin.tensor("w", spec);
            case "transposed" -> Origin.transposed("w", spec);
            case "stacked" -> Origin.stacked(List.of("a", "b", "c"), spec, 70, 67, 1);
            default ->
                new Origin(
                        List.of(
                                new Origin.Part("w", three, ROWS / 2, 2 * rows * cols, 2, rows),
                                new Origin.Part("w", three, ROWS / 2, 2 * rows * cols + 1, 2, rows)),
                        Origin.Form.SAME,
                        null);
        };
    }

    @ParameterizedTest
    @ValueSource(strings = {"whole", "transposed", "stacked", "alternate columns of an expert"})
    void whatIsWrittenIsReadAgain(String layout) {
        Origin origin = origin(layout);
        for (DType stored : List.of(DType.F32, DType.BF16)) {
            List<TensorView> tensors = origin.parts().stream()
                    .map(part -> TensorView.allocate(part.name(), stored, part.shape(), Arena.ofAuto()))
                    .toList();
            for (TensorView tensor : tensors) {
                Matrix.Source rows = (n, row) -> System.arraycopy(numbers, n * COLS, row, 0, COLS);
                origin.write(tensor, COLS, rows, Compute.shared());
            }
            Matrix matrix = new StoredRows(origin, tensors).matrix(Device.shared(), DType.BF16, spec);
            float[] row = new float[COLS];
            for (int n = 0; n < ROWS; n++) {
                matrix.row(n, row, 0);
                assertThat(row).containsExactly(Arrays.copyOfRange(numbers, n * COLS, (n + 1) * COLS));
            }
        }
    }

    @Test
    void aTransposedTensorHasInputsAsRows() {
        TensorView tensor = TensorView.allocate("w", DType.F32, List.of(2L, 3L), Arena.ofAuto());
        for (int i = 0; i < 6; i++) {
            tensor.set(i, i);
        }
        ParameterSpec small = new ParameterSpec("w", Role.UP, 0, ParameterSpec.NO_EXPERT, 3, 2, 0);
        Origin origin = Origin.transposed("w", small);
        Matrix matrix = new StoredRows(origin, List.of(tensor)).matrix(Device.shared(), DType.F32, small);
        float[] row = new float[2];
        matrix.row(1, row, 0);
        assertThat(row).containsExactly(1, 4);
    }

    @Test
    void aGainCanBeStoredWithoutItsOne() {
        ParameterSpec gain = new ParameterSpec("norm", Role.GAIN, 0, ParameterSpec.NO_EXPERT, 2, 1, 0);
        TensorView tensor = TensorView.allocate("norm", DType.F32, List.of(2L), Arena.ofAuto());
        tensor.set(0, 0.25f);
        Origin origin = new Origin(Origin.tensor("norm", gain).parts(), Origin.Form.LESS_ONE, null);
        assertThat(new StoredRows(origin, List.of(tensor)).vector(2)).containsExactly(1.25f, 1);
    }
}
