package dev.causal4j.model;

import dev.causal4j.format.BlockType;
import dev.causal4j.tensor.DType;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** How a GGUF file that is written has its matrices. Vectors and positions are always f32. */
public enum GgufType {
    /** IEEE binary32. */
    F32(BlockType.F32, 0),
    /** IEEE binary16. */
    F16(BlockType.F16, 1),
    /** The upper half of binary32. */
    BF16(BlockType.BF16, 32),
    /** 8 bits, a scale for each 32 inputs. */
    Q8_0(BlockType.Q8_0, 7),
    /** 4 bits, a scale for each 32 inputs. */
    Q4_0(BlockType.Q4_0, 2);

    @SuppressWarnings("ImmutableEnumChecker") // it is immutable
    private final BlockType blocks;

    private final int number;

    GgufType(BlockType blocks, int number) {
        this.blocks = blocks;
        this.number = number;
    }

    /** The type of a matrix with so many inputs: f32 if they are no whole blocks. */
    BlockType blocks(int inputs) {
        return inputs % blocks.elements() == 0 ? blocks : BlockType.F32;
    }

    /** The number that llama.cpp gives to a file of this type. */
    int number() {
        return number;
    }

    /** The name in flags and documents, such as {@code q8_0}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The type with this name; empty if there is none. */
    public static Optional<GgufType> ofLabel(String label) {
        return Arrays.stream(values())
                .filter(each -> each.label().equals(label))
                .findFirst();
    }

    /** The type that has the numbers of a dtype; empty for quantised ones. */
    static Optional<GgufType> of(DType dtype) {
        return ofLabel(dtype.label());
    }
}
