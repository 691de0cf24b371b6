package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.format.TensorView;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The layout of a converted checkpoint, whose matrices are stored in panels, so that loading it is a memory map.
 *
 * <p>{@code NAME.weight.panels} [panels, steps, 64] replaces {@code NAME.weight}. It has the bytes of the dtype's
 * panels as {@link DType#stored}, with scales as further steps. Rows are outputs also where Hugging Face stores [in,
 * out]. Vectors keep their names and are F32. Tables that are only looked up keep names, rows and numbers; a table in
 * blocks of a GGUF file is a tensor of bytes, each row the blocks of a row. The metadata names the layout with its
 * version, the dtype of the matrices, and the formats of tensors that do not follow from the dtype.
 *
 * @param dtype the dtype of the matrices; in a quantised model the positions are f32
 * @param formats by tensor, the names of formats that do not follow from the dtype, of panels or blocks
 */
record PanelLayout(DType dtype, Map<String, String> formats) {
    static final String PANELS = ".panels";
    private static final String LAYOUT = "causal4j.layout";
    private static final String FLOATS = "panels-" + Panels.WIDTH + "/3";

    /** The layout of codes; earlier layouts had them in another order. */
    private static final String CODES = "panels-" + Panels.WIDTH + "/4";

    /** The layout of tensors with formats of their own. */
    private static final String OWN = "panels-" + Panels.WIDTH + "/5";

    private static final String DTYPE = "causal4j.dtype";
    private static final String FORMAT = "causal4j.format.";
    private static final String AGAIN = "convert the original checkpoint again";

    private static final Map<String, WeightFormat> FORMATS =
            WeightFormat.all().collect(Collectors.toMap(Object::toString, Function.identity()));

    /**
     * The layout in a file's metadata; null for the row-major layout of other programs.
     *
     * @throws FormatException if it is unknown
     */
    static @Nullable PanelLayout of(String subject, Map<String, String> metadata) throws FormatException {
        String layout = metadata.get(LAYOUT);
        if (layout == null) {
            return null;
        }
        String label = metadata.getOrDefault(DTYPE, "");
        DType dtype = DType.ofLabel(label).orElse(null);
        if (dtype == null) {
            throw wrong(subject, DTYPE, DType.labels(), label, AGAIN);
        }
        Map<String, String> formats = new TreeMap<>();
        metadata.forEach((key, format) -> {
            if (key.startsWith(FORMAT)) {
                formats.put(key.substring(FORMAT.length()), format);
            }
        });
        PanelLayout read = new PanelLayout(dtype, formats);
        if (!layout.equals(read.version())) {
            throw wrong(subject, LAYOUT, read.version(), layout, "convert the original checkpoint with this version");
        }
        for (Map.Entry<String, String> each : formats.entrySet()) {
            if (!FORMATS.containsKey(each.getValue())
                    && BlockType.of(each.getValue()).isEmpty()) {
                throw wrong(subject, FORMAT + each.getKey(), "a format of panels or blocks", each.getValue(), AGAIN);
            }
        }
        return read;
    }

    private String version() {
        return !formats.isEmpty() ? OWN : dtype.isQuantised() ? CODES : FLOATS;
    }

    private static FormatException wrong(String subject, String key, String expected, String got, String remedy) {
        return new FormatException(
                subject + ", metadata \"" + key + "\"", expected, FormatException.quote(got), remedy);
    }

    Map<String, String> metadata() {
        Map<String, String> metadata = new TreeMap<>(Map.of(LAYOUT, version(), DTYPE, dtype.label()));
        formats.forEach((tensor, format) -> metadata.put(FORMAT + tensor, format));
        return metadata;
    }

    /** The tensors of a file of this layout; tensors in blocks are as in a GGUF file. */
    TensorStore tensors(TensorStore store) throws FormatException {
        Map<String, Stored> tensors = new LinkedHashMap<>(store.tensors());
        for (Map.Entry<String, String> format : formats.entrySet()) {
            Stored bytes = tensors.get(format.getKey());
            if (bytes != null && !FORMATS.containsKey(format.getValue())) {
                BlockType type = BlockType.of(format.getValue()).orElseThrow();
                List<Long> shape = new ArrayList<>(bytes.shape());
                long row = shape.isEmpty() ? 1 : shape.removeLast();
                if (!bytes.type().equals(DType.INT8.fileType()) || row % type.bytes() != 0) {
                    String expected = "rows of whole blocks of " + type.bytes() + " bytes";
                    throw wrong(
                            store.subject(), FORMAT + format.getKey(), expected, bytes.type() + bytes.shape(), AGAIN);
                }
                shape.add(row / type.bytes() * type.elements());
                tensors.put(format.getKey(), new Stored(bytes.file(), type.name(), shape, bytes.data()));
            }
        }
        return store.with(tensors);
    }

    /** The origin of a parameter that other programs store at {@code origin}. */
    Origin origin(ParameterSpec spec, Origin origin) {
        String name = origin.label(spec);
        if (!spec.role().isMatrix()) {
            return Origin.tensor(name, spec);
        }
        WeightFormat format = format(spec, name + PANELS);
        long steps = format.bytes(spec.cols())
                / ((long) Panels.WIDTH * stored(format).bytes());
        List<Long> shape = List.of((long) Panels.needed(spec.rows()), steps, (long) Panels.WIDTH);
        return new Origin(List.of(new Origin.Part(name + PANELS, shape, spec.rows(), 0, 1, Panels.WIDTH)));
    }

    /** The origin of a matrix of this format, which becomes part of the layout. */
    Origin with(ParameterSpec spec, Origin origin, WeightFormat format) {
        String name = origin.label(spec) + PANELS;
        if (!format.equals(format(spec, name))) {
            formats.put(name, format.toString());
        }
        return origin(spec, origin);
    }

    /** The bytes of a table in blocks, which become part of the layout. */
    TensorView with(ParameterSpec table, String name, TensorView rows) {
        formats.put(name, Objects.requireNonNull(rows.blocks()).name());
        List<Long> shape = List.of((long) table.rows(), rows.data().byteSize() / table.rows());
        return new TensorView(name, DType.INT8, shape, rows.data());
    }

    /** The format of a matrix in this tensor; inputs that are not whole groups cannot have a format of codes. */
    WeightFormat format(ParameterSpec spec, String tensor) {
        String own = formats.get(tensor);
        WeightFormat format = own == null ? held(spec, dtype).format() : FORMATS.getOrDefault(own, PanelFormat.F32);
        return spec.cols() % format.multiple() == 0 ? format : PanelFormat.F32;
    }

    /** A matrix that stays where its tensor is mapped. */
    Matrix matrix(ParameterSpec spec, StoredRows rows, Device device) {
        TensorView panels = rows.tensors().getFirst();
        return Matrix.ofPanels(device, format(spec, panels.name()), spec.rows(), spec.cols(), panels.data());
    }

    /** The dtype of a tensor of panels: codes are bytes there. */
    static DType stored(WeightFormat format) {
        return DType.of(format).stored();
    }

    /**
     * The dtype of a matrix in a model of a dtype. In a quantised model positions are f32, since they are only looked
     * up, and so are matrices whose inputs are not whole groups.
     */
    static DType held(ParameterSpec spec, DType dtype) {
        boolean lookedUp = dtype.isQuantised() && (spec.role() == Role.POSITIONS || spec.role() == Role.TABLE);
        return lookedUp || spec.cols() % dtype.group() != 0 ? DType.F32 : dtype;
    }
}
