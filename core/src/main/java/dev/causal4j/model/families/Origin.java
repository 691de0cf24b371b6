package dev.causal4j.model.families;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The place and layout of a parameter in a checkpoint, for reading and writing: rows of tensors, one part after
 * another.
 *
 * @param form how numbers are stored
 * @param columns the stored order of a row's columns, or null if they are in order
 */
public record Origin(List<Part> parts, Form form, @Nullable Heads columns) {
    public Origin {
        parts = List.copyOf(parts);
    }

    /** The origin of a parameter that is stored unchanged. */
    public Origin(List<Part> parts) {
        this(parts, Form.SAME, null);
    }

    /**
     * Heads that are stored in another order: head a · inner + b as head b · outer + a.
     *
     * @param size numbers of a head
     */
    public record Heads(int outer, int inner, int size) {
        private int stored(int head) {
            return head % inner * outer + head / inner;
        }

        private float[] moved(float[] numbers) {
            float[] moved = new float[numbers.length];
            for (int head = 0; head < outer * inner; head++) {
                System.arraycopy(numbers, head * size, moved, stored(head) * size, size);
            }
            return moved;
        }

        /** The heads of stored numbers, in order. */
        public float[] inOrder(float[] stored) {
            return new Heads(/* outer= */ inner, /* inner= */ outer, size).moved(stored);
        }
    }

    /** This origin with heads in another order in the last rows of each part. */
    Origin withRows(Heads heads) {
        List<Part> moved = new ArrayList<>();
        for (Part part : parts) {
            int first = part.rows - heads.outer * heads.inner * heads.size;
            if (first > 0) {
                moved.add(part.rows(0, first, 1));
            }
            for (int head = 0; head < heads.outer * heads.inner; head++) {
                moved.add(part.rows(first + heads.stored(head) * heads.size, heads.size, 1));
            }
        }
        return new Origin(moved, form, columns);
    }

    /** This origin with heads in another order in the columns of each row. */
    Origin withColumns(Heads heads) {
        return new Origin(parts, form, heads);
    }

    /** How the numbers of a vector are stored. */
    public enum Form {
        /** The number itself. */
        SAME,
        /** The number minus one, for gains. */
        LESS_ONE,
        /** The logarithm of minus the number, for rates of decay. */
        LOGARITHM;

        /** The number of a stored form. */
        public float read(float stored) {
            return switch (this) {
                case SAME -> stored;
                case LESS_ONE -> 1 + stored;
                case LOGARITHM -> (float) -StrictMath.exp(stored);
            };
        }

        /** The stored form of a number. A logarithm is the first float nearby that gives the number again. */
        public float write(float number) {
            return switch (this) {
                case SAME -> number;
                case LESS_ONE -> number - 1;
                case LOGARITHM -> {
                    float near = (float) StrictMath.log(-number);
                    yield Stream.of(near, Math.nextUp(near), Math.nextDown(near))
                            .filter(stored -> read(stored) == number)
                            .findFirst()
                            .orElse(near);
                }
            };
        }
    }

    /** This origin with numbers stored in another form. */
    public Origin in(Form other) {
        return new Origin(parts, other, columns);
    }

    /** The names of its tensors. */
    public List<String> names() {
        return parts.stream().map(Part::name).distinct().toList();
    }

    /** A name for the parameter alone: its tensor's, or its own if it is in several tensors or shares one. */
    public String label(ParameterSpec spec) {
        long size = parts.getFirst().shape().stream().reduce(1L, Math::multiplyExact);
        return parts.size() == 1 && size == spec.size() ? parts.getFirst().name() : spec.name();
    }

    /** This origin in tensors that hold {@code count} such parameters, one after another. */
    public Origin among(int count, int index) {
        return new Origin(parts.stream().map(part -> part.among(count, index)).toList());
    }

    /** The places of the same outputs in tensors [outputs, inputs] with other names, for a matrix in matrices. */
    public Origin withInputs(int inputs, UnaryOperator<String> name) {
        return new Origin(parts.stream()
                .map(part -> part.withInputs(inputs, name.apply(part.name)))
                .toList());
    }

    /**
     * Rows of a parameter in a tensor: row r, column k is number {@code first + r * rowStride + k * colStride}.
     *
     * @param shape the shape of the whole tensor
     */
    public record Part(String name, List<Long> shape, int rows, long first, long rowStride, long colStride) {
        public Part {
            shape = List.copyOf(shape);
        }

        /** Whether the tensor is [in, out]. */
        public boolean isTransposed() {
            return colStride != 1;
        }

        /** Some of its rows: each {@code step}-th. */
        public Part rows(int from, int count, int step) {
            return new Part(name, shape, count, first + from * rowStride, step * rowStride, colStride);
        }

        private Part among(int count, int index) {
            List<Long> all = new ArrayList<>(shape);
            all.addFirst((long) count);
            long size = shape.stream().reduce(1L, Math::multiplyExact);
            return new Part(name, all, rows, first + index * size, rowStride, colStride);
        }

        private Part withInputs(int inputs, String other) {
            long step = isTransposed() ? 1 : shape.getLast(); // from an output to the next
            List<Long> outputs = List.of(shape.get(isTransposed() ? 1 : 0), (long) inputs);
            return new Part(other, outputs, rows, first / step * inputs, rowStride / step * inputs, 1);
        }
    }

    /**
     * Takes a row of a tensor, whose number k has the index {@code first + k * step}. Called by several threads at
     * once.
     */
    public interface RowTarget {
        void row(long first, long step, float[] numbers);
    }

    /** Writes the rows of the parameter that lie in a tensor, in parallel. */
    public void write(String tensor, int cols, Matrix.Source rows, Compute compute, RowTarget target) {
        int row = 0;
        for (Part part : parts) {
            int first = row;
            if (part.name.equals(tensor)) {
                compute.each(part.rows, n -> {
                    float[] numbers = new float[cols];
                    rows.row(first + n, numbers);
                    numbers[0] = form == Form.SAME ? numbers[0] : form.write(numbers[0]);
                    float[] moved = columns == null ? numbers : columns.moved(numbers);
                    target.row(part.first + n * part.rowStride, part.colStride, moved);
                });
            }
            row += part.rows;
        }
    }

    /** Writes the rows of the parameter that lie in a tensor into it, in parallel. */
    public void write(TensorView tensor, int cols, Matrix.Source rows, Compute compute) {
        write(tensor.name(), cols, rows, compute, (first, step, numbers) -> {
            for (int k = 0; k < cols; k++) {
                tensor.set(first + k * step, numbers[k]);
            }
        });
    }

    /** A tensor of the parameter's shape. */
    public static Origin tensor(String name, ParameterSpec spec) {
        return stacked(List.of(name), spec, spec.rows());
    }

    /** A matrix stored as [in, out], as in Hugging Face's Conv1D. */
    public static Origin transposed(String name, ParameterSpec spec) {
        List<Long> shape = List.of((long) spec.cols(), (long) spec.rows());
        return new Origin(List.of(new Part(name, shape, spec.rows(), 0, 1, spec.rows())));
    }

    /**
     * A convolution over positions [kernel, channels], stored by channel.
     *
     * @param grouped whether the tensor is [channels, 1, kernel], as in PyTorch, or else [channels, kernel]
     */
    public static Origin convolution(String name, int kernel, ParameterSpec spec, boolean grouped) {
        int channels = spec.rows() / kernel;
        List<Long> shape =
                grouped ? List.of((long) channels, 1L, (long) kernel) : List.of((long) channels, (long) kernel);
        return new Origin(IntStream.range(0, kernel)
                .mapToObj(j -> new Part(name, shape, channels, j, kernel, 1))
                .toList());
    }

    /** Tensors [rows, cols], or vectors, one after another, such as queries, keys and values. */
    public static Origin stacked(List<String> names, ParameterSpec spec, int... rows) {
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < rows.length; i++) {
            long count = rows[i];
            List<Long> shape = spec.role().isVector() ? List.of(count) : List.of(count, (long) spec.cols());
            parts.add(new Part(names.get(i), shape, rows[i], 0, spec.cols(), 1));
        }
        return new Origin(parts);
    }
}
