package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.kernel.Panels;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The layout of a converted checkpoint, whose matrices are stored in panels, so that loading it is a memory map.
 *
 * <p>In the place of {@code NAME.weight} there is {@code NAME.weight.panels} [panels, steps, 64], the bytes of the
 * dtype's panels as {@link DType#stored}: scales lie in them as further steps. Rows are outputs also where Hugging Face
 * stores [in, out]. Vectors keep their names and are F32, tables that are only looked up keep names, rows and numbers. The metadata names the layout with its version, and the dtype
 * of the matrices.
 *
 * @param dtype of all matrices but the positions, which are f32 in a quantised model
 */
record PanelLayout(DType dtype) {
    static final String PANELS = ".panels";
    private static final String LAYOUT = "causal4j.layout";
    private static final String FLOATS = "panels-" + Panels.WIDTH + "/3";

    /** Of codes: those of earlier layouts lay in another order. */
    private static final String CODES = "panels-" + Panels.WIDTH + "/4";

    private static final String DTYPE = "causal4j.dtype";

    /**
     * The layout in a file's metadata; null for the row-major one of other programs.
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
            throw wrong(subject, DTYPE, DType.labels(), label, "convert the original checkpoint again");
        }
        if (!layout.equals(version(dtype))) {
            throw wrong(subject, LAYOUT, version(dtype), layout, "convert the original checkpoint with this version");
        }
        return new PanelLayout(dtype);
    }

    private static String version(DType dtype) {
        return dtype.isQuantised() ? CODES : FLOATS;
    }

    private static FormatException wrong(String subject, String key, String expected, String got, String remedy) {
        return new FormatException(
                subject + ", metadata \"" + key + "\"", expected, FormatException.quote(got), remedy);
    }

    Map<String, String> metadata() {
        return Map.of(LAYOUT, version(dtype), DTYPE, dtype.label());
    }

    /** The origin of a parameter that other programs store at {@code origin}. */
    Origin origin(ParameterSpec spec, Origin origin) {
        String name = origin.label(spec);
        if (!spec.role().isMatrix()) {
            return Origin.tensor(name, spec);
        }
        DType held = held(spec, dtype);
        long steps = Matrix.panelBytes(held, spec.cols()) / ((long) Panels.WIDTH * held.bytes());
        List<Long> shape = List.of((long) Panels.needed(spec.rows()), steps, (long) Panels.WIDTH);
        return new Origin(List.of(new Origin.Part(name + PANELS, shape, spec.rows(), 0, 1, Panels.WIDTH)));
    }

    /** The dtype of a parameter's tensor: codes are bytes there. */
    DType stored(ParameterSpec spec) {
        return spec.role().isVector() ? DType.F32 : held(spec, dtype).stored();
    }

    /**
     * The dtype of a matrix in a model of a dtype: in a quantised one positions stay f32, since they are only looked up, and
     * so do inputs that are no whole groups.
     */
    static DType held(ParameterSpec spec, DType dtype) {
        boolean lookedUp = dtype.isQuantised() && (spec.role() == Role.POSITIONS || spec.role() == Role.TABLE);
        return lookedUp || spec.cols() % dtype.group() != 0 ? DType.F32 : dtype;
    }
}
