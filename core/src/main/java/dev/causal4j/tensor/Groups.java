package dev.causal4j.tensor;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.GroupFormat.Scales;
import java.util.Arrays;

/**
 * How a matrix holds the codes of a file: weight = code · scale + minimum, by groups of inputs. Immutable.
 *
 * @param bits of a code: 4 or 8
 * @param signed whether codes of 4 bits are -8 to 7, not 0 to 15; those of 8 bits are -128 to 127
 * @param group inputs of a group
 * @param minimum whether groups have minimums
 * @param wide whether scales and minimums are f32, not f16
 * @param twoLevels whether a scale is a whole number times an f16 of 256 inputs, and a minimum likewise; then not wide
 */
public record Groups(int bits, boolean signed, int group, boolean minimum, boolean wide, boolean twoLevels) {
    /** The format of panels that hold them. */
    @SuppressWarnings("exports") // the readers of files alone call it
    public GroupFormat format() {
        Scales scales = twoLevels ? Scales.LEVELS : wide ? Scales.FLOATS : Scales.HALVES;
        return new GroupFormat(bits, signed, group, minimum, scales);
    }

    /** The dtype that names it. */
    public DType dtype() {
        return DType.of(format());
    }

    /** The narrowest layout that holds both. */
    public Groups with(Groups other) {
        boolean same = bits == other.bits && signed == other.signed;
        return new Groups(
                same ? bits : 8,
                !same || signed,
                Math.min(group, other.group),
                minimum || other.minimum,
                wide || other.wide || twoLevels != other.twoLevels,
                twoLevels && other.twoLevels);
    }

    /**
     * Spreads the scales and minimums of {@code inputs} inputs, in place, over the smaller groups of others. Those of the upper of two
     * levels, which follow, stay where they are.
     */
    public void spread(float[] scales, float[] minimums, int inputs, Groups other) {
        int times = group / other.group;
        for (int g = inputs / other.group - 1; g >= 0; g--) {
            scales[g] = scales[g / times];
            minimums[g] = minimum ? minimums[g / times] : 0;
        }
        if (!minimum) {
            Arrays.fill(minimums, 0);
        }
    }
}
