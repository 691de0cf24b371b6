package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Groups;
import dev.causal4j.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A parameter in tensors of row-major numbers. Immutable and thread-safe.
 *
 * @param tensors a tensor for each part of the origin
 */
record StoredRows(Origin origin, List<TensorView> tensors) {
    /** @throws FormatException if the tensor is missing, or has another shape or dtype */
    static TensorView tensor(
            String subject, TensorStore store, String name, List<Long> shape, List<DType> dtypes, boolean mayHaveBlocks)
            throws FormatException {
        TensorView tensor = store.tensor(name);
        String place = subject + ", tensor " + name;
        if (!tensor.shape().equals(shape)) {
            throw new FormatException(place, "shape " + shape, tensor.shape().toString(), Checkpoint.APART);
        }
        if (!dtypes.contains(tensor.dtype()) && (tensor.blocks() == null || !mayHaveBlocks)) {
            String expected = dtypes.stream().map(DType::fileType).collect(Collectors.joining(" or "));
            String got = tensor.dtype().fileType();
            throw new FormatException(place, "dtype " + expected, got, "convert the checkpoint");
        }
        return tensor;
    }

    /** Whether two tensors of one shape hold the same numbers, perhaps in different dtypes. */
    static boolean equal(TensorView a, TensorView b) {
        if (a.dtype() == b.dtype()) {
            return a.data().mismatch(b.data()) < 0;
        }
        int cols = Math.toIntExact(a.shape().getLast());
        float[] x = new float[cols];
        float[] y = new float[cols];
        boolean equal = true;
        for (long from = 0; from < a.elements() && equal; from += cols) {
            a.copyTo(from, x, 0, cols);
            b.copyTo(from, y, 0, cols);
            equal = Arrays.equals(x, y);
        }
        return equal;
    }

    /** The common dtype of its tensors; f32 if they differ or are in blocks. */
    DType dtype() {
        DType first = tensors.getFirst().dtype();
        return tensors.stream().allMatch(tensor -> tensor.dtype() == first && tensor.blocks() == null)
                ? first
                : DType.F32;
    }

    /** Whether all its numbers are in blocks. */
    boolean isInBlocks() {
        return tensors.stream().allMatch(tensor -> tensor.blocks() != null);
    }

    /** The layout of its blocks in a matrix: rows of several types share a layout that holds all. */
    private Groups groups() {
        return tensors.stream()
                .map(tensor -> Objects.requireNonNull(tensor.blocks()).groups())
                .reduce(Groups::with)
                .orElseThrow();
    }

    /** The format of a matrix that holds its numbers or blocks without loss. */
    WeightFormat format() {
        return isInBlocks() ? groups().format() : dtype().format();
    }

    /** The codes, scales and minimums of blocks as a matrix. */
    Matrix groups(Device device, ParameterSpec spec) {
        Groups groups = groups();
        int cols = spec.cols();
        return Matrix.ofGroups(device, groups, spec.rows(), cols, new GroupFormat.Codes() {
            @Override
            public GroupFormat.@Nullable Blocks blocks(int row) {
                Place place = place(row);
                BlockType type = type(place.part);
                return type.groups().equals(groups)
                        ? new GroupFormat.Blocks(type.id(), stored(place, cols), decoder(type, groups))
                        : null;
            }

            @Override
            public void row(int row, byte[] codes, float[] scales, float[] minimums) {
                Place place = place(row);
                decoder(type(place.part), groups).decode(stored(place, cols), codes, scales, minimums);
            }
        });
    }

    private static GroupFormat.Decoder decoder(BlockType type, Groups groups) {
        return (blocks, codes, scales, minimums) -> {
            int upper = groups.twoLevels() ? codes.length / groups.group() : scales.length;
            type.decode(blocks, 0, codes.length, codes, scales, minimums, upper);
            type.groups().spread(scales, minimums, codes.length, groups);
        };
    }

    private BlockType type(int part) {
        return Objects.requireNonNull(tensors.get(part).blocks());
    }

    /** The blocks of a row. */
    private MemorySegment stored(Place place, int cols) {
        Origin.Part part = origin.parts().get(place.part);
        BlockType type = type(place.part);
        long blocks = (part.first() + place.row * part.rowStride()) / type.elements();
        long bytes = (long) cols / type.elements() * type.bytes();
        return tensors.get(place.part).data().asSlice(blocks * type.bytes(), bytes);
    }

    /** A row of a part. */
    private record Place(int part, int row) {}

    private Place place(int row) {
        int part = 0;
        int inPart = row;
        while (inPart >= origin.parts().get(part).rows()) {
            inPart -= origin.parts().get(part++).rows();
        }
        return new Place(part, inPart);
    }

    /** Widens a row of the parameter; a row of a vector is one number. */
    void row(int row, float[] target) {
        Place place = place(row);
        copy(origin.parts().get(place.part), tensors.get(place.part), place.row, 0, target, target.length);
        if (origin.columns() != null) {
            System.arraycopy(origin.columns().inOrder(target), 0, target, 0, target.length);
        }
        target[0] =
                origin.form() == Origin.Form.SAME ? target[0] : origin.form().read(target[0]);
    }

    /** The parameter as a matrix. */
    Matrix matrix(Device device, DType dtype, ParameterSpec spec) {
        if (origin.columns() != null) {
            return Matrix.of(device, dtype, spec.rows(), spec.cols(), this::row);
        }
        return Matrix.of(device, dtype, spec.rows(), spec.cols(), (from, width, wide) -> {
            int row = 0; // the parameter's row with which the part begins
            for (int i = 0; i < tensors.size(); i++) {
                Origin.Part part = origin.parts().get(i);
                int first = Math.max(from, row);
                int count = Math.min(from + width, row + part.rows()) - first;
                if (count > 0) {
                    fill(part, tensors.get(i), first - row, count, spec.cols(), wide, first - from);
                }
                row += part.rows();
            }
        });
    }

    /** Fills a panel [cols, 64] with rows of a part, from lane {@code lane} on. */
    private static void fill(
            Origin.Part part, TensorView tensor, int first, int count, int cols, float[] wide, int lane) {
        if (part.rowStride() == 1) { // a step of k is a run of the tensor
            for (int k = 0; k < cols; k++) {
                tensor.copyTo(part.first() + first + k * part.colStride(), wide, k * Panels.WIDTH + lane, count);
            }
            return;
        }
        int run = tensor.blocks() == null ? Panels.WIDTH : tensor.blocks().elements();
        float[] numbers = new float[run];
        for (int from = 0; from < cols; from += run) { // the lines that a run writes stay in the cache
            int steps = Math.min(run, cols - from);
            for (int n = 0; n < count; n++) {
                copy(part, tensor, first + n, from, numbers, steps);
                for (int k = 0; k < steps; k++) {
                    wide[(from + k) * Panels.WIDTH + lane + n] = numbers[k];
                }
            }
        }
    }

    /** Widens the numbers of a row from {@code from} on. */
    private static void copy(Origin.Part part, TensorView tensor, int row, int from, float[] numbers, int count) {
        long at = part.first() + row * part.rowStride() + from * part.colStride();
        if (part.colStride() == 1) {
            tensor.copyTo(at, numbers, 0, count);
            return;
        }
        for (int k = 0; k < count; k++) {
            tensor.copyTo(at + k * part.colStride(), numbers, k, 1);
        }
    }

    /** The tensors of files to write. A consumer writes a parameter into one of its origin's tensors. */
    static Collection<SafeTensors.Source> sources(DType dtype, Map<Origin, Consumer<TensorView>> parameters) {
        Map<String, SafeTensors.Source> sources = new LinkedHashMap<>();
        Map<String, List<Consumer<TensorView>>> writers = new HashMap<>();
        parameters.forEach((origin, write) -> {
            for (Origin.Part part : origin.parts()) {
                String name = part.name();
                List<Consumer<TensorView>> all = writers.computeIfAbsent(name, _ -> new ArrayList<>());
                all.add(write);
                sources.put(name, new SafeTensors.Source(name, dtype, part.shape(), memory -> {
                    TensorView view = TensorView.allocate(name, dtype, part.shape(), memory);
                    all.stream().distinct().forEach(each -> each.accept(view));
                    return view;
                }));
            }
        });
        return sources.values();
    }

    /** The parameter as a vector. */
    float[] vector(int size) {
        float[] vector = new float[size];
        float[] number = new float[1];
        for (int n = 0; n < size; n++) {
            row(n, number);
            vector[n] = number[0];
        }
        return vector;
    }
}
