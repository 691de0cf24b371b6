package dev.causal4j.model;

import dev.causal4j.format.BlockType;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** The type of the matrices in a GGUF file to write. Vectors, positions and routers are always f32. */
public enum GgufType {
    /** IEEE binary32. */
    F32(BlockType.F32),
    /** IEEE binary16. */
    F16(BlockType.F16),
    /** The upper half of binary32. */
    BF16(BlockType.BF16),
    /** 8 bits, a scale for each 32 inputs. */
    Q8_0(BlockType.Q8_0),
    /** 4 bits, a scale for each 32 inputs. */
    Q4_0(BlockType.Q4_0);

    @SuppressWarnings("ImmutableEnumChecker") // it is immutable
    private final BlockType blocks;

    GgufType(BlockType blocks) {
        this.blocks = blocks;
    }

    BlockType blocks() {
        return blocks;
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
}
