package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.families.Family;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a checkpoint's files. Checks that each is there with its shape and a supported dtype, and that no
 * other tensor would change the model. Immutable and thread-safe.
 */
final class StoredParameters {
    /** Dtypes of row-major tensors. */
    private static final List<DType> FLOATS = List.of(DType.F32, DType.F16, DType.BF16);

    private static final String APART = "the configuration and the weights do not belong together";

    private final String subject;
    private final TensorStore store;
    private final Family family;
    private final String root;
    private final @Nullable PanelLayout layout;
    private final ModelConfig config;
    private final Map<ParameterSpec, TensorView> tensors = new HashMap<>();

    /**
     * Checks names, shapes and dtypes; nothing is allocated for the weights yet. Numbers are read only if
     * embedding and head are both there and have to be compared.
     *
     * @param subject the checkpoint's name in messages
     * @throws FormatException if a tensor is missing, has another shape, or does not belong to the model
     */
    StoredParameters(String subject, TensorStore store, ModelConfig said) throws FormatException {
        this.subject = subject;
        this.store = store;
        this.family = said.family();
        this.layout = PanelLayout.of(subject, store.metadata());
        this.root = family.roots().stream()
                .filter(prefix -> store.names().stream().anyMatch(name -> name.startsWith(prefix)))
                .findFirst()
                .orElse("");
        Origin head = origin(said.head());
        boolean hasHead = store.names().contains(head.name());
        if (hasHead) {
            take(said.head(), head);
        } else if (!said.tied()) {
            String expected = head.name() + ", since tie_word_embeddings is false";
            throw wrong("", expected, "no such tensor", "set tie_word_embeddings to true to use the embedding");
        }
        Origin embedding = origin(said.embedding());
        boolean headAlone = hasHead && said.tied() && !store.names().contains(embedding.name());
        take(said.embedding(), headAlone ? head : embedding);
        this.config = said.withTied(said.tied() && (!hasHead || headAlone || isEqualHead(said)));
        for (ParameterSpec spec : config.decoder().specs()) {
            take(spec, origin(spec));
        }
        checkUnused();
    }

    private FormatException wrong(String place, String expected, String got, String remedy) {
        return new FormatException(subject + place, expected, got, remedy);
    }

    private Origin origin(ParameterSpec spec) {
        Origin origin = family.origin(spec, root);
        return layout == null ? origin : layout.origin(spec, origin);
    }

    /** @throws FormatException if there is no such tensor, or it has another shape or dtype */
    private void take(ParameterSpec spec, Origin origin) throws FormatException {
        TensorView tensor = store.tensor(origin.name());
        String place = ", tensor " + origin.name();
        List<Long> shape = origin.shape(spec);
        if (!tensor.shape().equals(shape)) {
            throw wrong(place, "shape " + shape, tensor.shape().toString(), APART);
        }
        List<DType> dtypes = origin instanceof Origin.InPanels(String _, DType dtype) ? List.of(dtype) : FLOATS;
        if (!dtypes.contains(tensor.dtype())) {
            String expected = dtypes.stream().map(StoredParameters::stored).collect(Collectors.joining(" or "));
            throw wrong(place, "dtype " + expected, stored(tensor.dtype()), "convert the checkpoint");
        }
        tensors.put(spec, tensor);
    }

    /** The format's name of a dtype. */
    private static String stored(DType dtype) {
        return dtype == DType.INT8 ? "I8" : dtype.name();
    }

    /**
     * As Hugging Face transformers 5 ties: two equal tensors are tied when the configuration says so; two different
     * ones are never tied. A converted checkpoint has decided it already.
     */
    private boolean isEqualHead(ModelConfig said) {
        if (layout != null) {
            return false;
        }
        TensorView embedding = tensor(said.embedding());
        TensorView head = tensor(said.head());
        boolean equal = equal(embedding, head);
        if (!equal) {
            warn(
                    "{0}: tie_word_embeddings is true, but {1} differs from {2}; the head is not tied",
                    subject, head.name(), embedding.name());
        }
        return equal;
    }

    /** Whether two tensors of one shape hold the same numbers, perhaps in different dtypes. */
    private static boolean equal(TensorView a, TensorView b) {
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

    /**
     * Checks the unused tensors. One inside a block would change the model, so it is an error; others, such as a second
     * head, are logged.
     */
    private void checkUnused() throws FormatException {
        Set<String> unused = new TreeSet<>(store.names());
        tensors.values().forEach(tensor -> unused.remove(tensor.name()));
        unused.removeIf(name -> family.isBuffer(name.startsWith(root) ? name.substring(root.length()) : name));
        for (String name : unused) {
            if (name.startsWith(root + family.blocks())) {
                int last = config.decoder().blocks().size() - 1;
                String expected = "only " + family.type() + "'s tensors in blocks 0 to " + last;
                throw wrong("", expected, FormatException.quote(name), APART);
            }
        }
        if (!unused.isEmpty()) {
            warn("{0}: not used: {1}", subject, FormatException.quote(unused.toString()));
        }
    }

    /** Lazy, since a logger takes longer to make than a configuration to read. */
    private static void warn(String message, Object... values) {
        System.getLogger(Checkpoint.class.getName()).log(System.Logger.Level.WARNING, message, values);
    }

    /** The configuration, tied only if the weights are. */
    ModelConfig config() {
        return config;
    }

    /** Whether matrices are used memory-mapped. */
    boolean inPanels() {
        return layout != null;
    }

    /**
     * The dtype to load: the requested one, or that of the panels, or bf16 if all matrices are bf16, or f32.
     *
     * @throws FormatException if the weights cannot be held in it
     */
    DType dtype(@Nullable DType wanted) throws FormatException {
        boolean bf16 = tensors.entrySet().stream()
                .allMatch(each ->
                        each.getKey().role().isVector() || each.getValue().dtype() == DType.BF16);
        DType natural = layout != null ? layout.dtype() : bf16 ? DType.BF16 : DType.F32;
        if (layout != null && wanted != null && wanted != natural) {
            String expected = "dtype " + natural.label() + ", to which these weights were converted";
            throw wrong("", expected, wanted.label(), "convert the original checkpoint with --dtype " + wanted.label());
        }
        return wanted == null ? natural : wanted;
    }

    /** The parameters, read from the files into panels or mapped. */
    Parameters in(Device device, DType dtype) {
        return Parameters.of(
                spec -> matrix(spec, device, PanelLayout.held(spec, dtype)),
                spec -> tensor(spec).toArray());
    }

    private Matrix matrix(ParameterSpec spec, Device device, DType dtype) {
        TensorView tensor = tensor(spec);
        return switch (origin(spec)) {
            case Origin.Tensor _ -> Matrix.of(device, dtype, tensor, false);
            case Origin.Transposed _ -> Matrix.of(device, dtype, tensor, true);
            case Origin.InPanels _ -> Matrix.ofPanels(device, dtype, spec.rows(), spec.cols(), tensor.data());
        };
    }

    private TensorView tensor(ParameterSpec spec) {
        return Objects.requireNonNull(tensors.get(spec), spec.name());
    }
}
