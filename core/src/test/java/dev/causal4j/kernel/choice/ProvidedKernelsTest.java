package dev.causal4j.kernel.choice;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Products;
import dev.causal4j.kernel.RoundedRows;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The entry exam notices one wrong bit of any loop. */
class ProvidedKernelsTest {
    /** Products of this many rows, with a wrong last bit in one output of the last row. */
    private static Products wrong(int rows, int output) {
        return new Products() {
            @Override
            public void multiply(Panels w, RoundedRows x, Rows y) {
                super.multiply(w, x, y);
                if (y.count() == rows) {
                    int at = y.start(rows - 1) + output;
                    y.data()[at] = Math.nextUp(y.data()[at]);
                }
            }
        };
    }

    @Test
    void eachNumberOfRowsIsExamined() {
        for (GroupFormat format : List.of(GroupFormat.INT8, GroupFormat.INT4)) {
            assertThat(ProvidedKernels.hasBits(new Products(), format)).isTrue();
            for (int rows = 1; rows <= 27; rows++) {
                assertThat(ProvidedKernels.hasBits(wrong(rows, 5 * rows % 128), format))
                        .as("%s, %s rows", format, rows)
                        .isFalse();
            }
        }
    }
}
