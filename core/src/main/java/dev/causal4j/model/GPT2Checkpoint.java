package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.Decoder;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.decoder.Role;
import dev.causal4j.format.TensorStore;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.StoredMatrix.InPanels;
import dev.causal4j.model.StoredMatrix.RowMajor;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Knows what a checkpoint of GPT-2 must hold and how: Hugging Face's tensors with the prefix {@code transformer.} or
 * without, linear weights as Conv1D [in, out], the head under {@code lm_head.weight} or nowhere; or matrices in
 * {@link PanelLayout} under the same names. Immutable and thread-safe.
 */
final class GPT2Checkpoint {
    private static final String EMBEDDING = "wte";
    private static final String POSITIONS = "wpe";
    private static final String HEAD = "lm_head";
    private static final String PREFIX = "transformer.";
    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";

    /** Causal masks that old versions stored as if they were weights. */
    private static final Pattern BUFFER = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private final String subject;
    private final Device device = Device.shared();
    private final GPT2Config config;
    private final CheckpointTensors tensors;
    private final Optional<PanelLayout> layout;
    private final String prefix;
    private final boolean tied;

    /** By their names without prefix and {@code .weight}; the head only if the file has one. */
    private final Map<String, StoredMatrix> matrices = new HashMap<>();

    /** By their names without prefix. */
    private final Map<String, TensorView> vectors = new HashMap<>();

    /**
     * Checks names, shapes and dtypes of all tensors; nothing is allocated for them yet. Numbers are read only if embedding
     * and head are both there and have to be compared.
     *
     * @param subject what messages call the checkpoint
     * @throws FormatException if one is missing, has another shape, or does not belong to the model
     */
    GPT2Checkpoint(String subject, TensorStore store, GPT2Config config) throws FormatException {
        this.subject = subject;
        this.config = config;
        this.tensors = new CheckpointTensors(subject, store);
        this.layout = PanelLayout.of(subject, store.metadata());
        this.prefix = store.names().stream().anyMatch(name -> name.startsWith(PREFIX)) ? PREFIX : "";
        int d = shape().hiddenSize();
        checkEmbeddingAndHead(config.vocabularySize(), d);
        matrices.put(POSITIONS, matrix(prefix + POSITIONS, shape().contextLength(), d, false));
        for (int layer = 0; layer < shape().layers(); layer++) {
            String block = block(layer);
            checkNorm(block + "ln_1", d);
            checkLinear(block + "attn.c_attn", 3 * d, d);
            checkLinear(block + "attn.c_proj", d, d);
            checkNorm(block + "ln_2", d);
            checkLinear(block + "mlp.c_fc", shape().innerSize(), d);
            checkLinear(block + "mlp.c_proj", d, shape().innerSize());
        }
        checkNorm("ln_f", d);
        checkUnused();
        this.tied = isTied();
    }

    private void checkEmbeddingAndHead(int vocabularySize, int d) throws FormatException {
        boolean hasHead = hasMatrix(HEAD);
        if (hasHead) {
            matrices.put(HEAD, matrix(HEAD, vocabularySize, d, false));
        }
        if (hasHead && config.tied() && !hasMatrix(prefix + EMBEDDING)) {
            matrices.put(EMBEDDING, stored(HEAD)); // a tied checkpoint may hold the head alone
        } else {
            matrices.put(EMBEDDING, matrix(prefix + EMBEDDING, vocabularySize, d, false));
        }
        if (!hasHead && !config.tied()) {
            throw new FormatException(
                    subject,
                    HEAD + WEIGHT + ", since tie_word_embeddings is false",
                    "no such tensor",
                    "set tie_word_embeddings to true to use the embedding");
        }
    }

    private void checkLinear(String name, int out, int in) throws FormatException {
        matrices.put(name, matrix(prefix + name, out, in, true));
        checkVector(name + BIAS, out);
    }

    private void checkNorm(String name, int size) throws FormatException {
        checkVector(name + WEIGHT, size);
        checkVector(name + BIAS, size);
    }

    private void checkVector(String name, int size) throws FormatException {
        vectors.put(name, tensors.tensor(prefix + name, List.of((long) size), CheckpointTensors.FLOATS));
    }

    private boolean hasMatrix(String name) {
        return tensors.has(name + WEIGHT + (layout.isPresent() ? PanelLayout.PANELS : ""));
    }

    /** @param transposed whether other programs store [cols, rows] */
    private StoredMatrix matrix(String name, int rows, int cols, boolean transposed) throws FormatException {
        if (layout.isEmpty()) {
            return RowMajor.find(tensors, name + WEIGHT, rows, cols, transposed);
        }
        DType stored = layout.get().dtype();
        DType dtype = name.equals(prefix + POSITIONS) ? positions(stored) : stored;
        return InPanels.find(tensors, name + WEIGHT, rows, cols, dtype);
    }

    /**
     * Looks at the tensors the model has no use for. One inside a block would change what the model computes, so it is an
     * error; others, such as a second head, are named in a log line.
     */
    private void checkUnused() throws FormatException {
        Set<String> unused = tensors.unused();
        unused.removeIf(name -> BUFFER.matcher(name.startsWith(prefix) ? name.substring(prefix.length()) : name)
                .matches());
        for (String name : unused) {
            if (name.startsWith(prefix + "h.")) {
                throw new FormatException(
                        subject,
                        "only GPT-2's tensors in blocks 0 to " + (shape().layers() - 1),
                        FormatException.quote(name),
                        "the configuration and the weights do not belong together");
            }
        }
        if (!unused.isEmpty()) {
            warn("{0}: not used: {1}", subject, FormatException.quote(unused.toString()));
        }
    }

    /**
     * As Hugging Face transformers 5 ties: with one of the two tensors it serves for both; two equal ones are tied when the
     * configuration says so; two different ones are never tied. A conversion has decided that already.
     */
    private boolean isTied() {
        if (!config.tied()) {
            return false;
        }
        StoredMatrix embedding = stored(EMBEDDING);
        StoredMatrix head = matrices.getOrDefault(HEAD, embedding);
        if (head.equals(embedding)) {
            return true;
        }
        if (!(head instanceof RowMajor a && embedding instanceof RowMajor b)) {
            return false;
        }
        if (RowMajor.equal(a.numbers(), b.numbers())) {
            return true;
        }
        warn(
                "{0}: tie_word_embeddings is true, but {1} differs from {2}; the head is not tied",
                subject, HEAD + WEIGHT, prefix + EMBEDDING + WEIGHT);
        return false;
    }

    /** Makes the logger only when there is a warning: making it takes longer than reading the configuration. */
    private static void warn(String message, Object... values) {
        System.getLogger(GPT2Checkpoint.class.getName()).log(System.Logger.Level.WARNING, message, values);
    }

    /** Whether the head's projection is the embedding. */
    boolean tied() {
        return tied;
    }

    /** Parameters; a tied embedding counts once. */
    long parameters() {
        return matrices.entrySet().stream()
                        .filter(matrix -> !matrix.getKey().equals(HEAD))
                        .mapToLong(matrix -> matrix.getValue().elements())
                        .sum()
                + vectors.values().stream().mapToLong(TensorView::elements).sum()
                + (tied ? 0 : embeddingParameters());
    }

    /** Parameters of the embedding alone. */
    long embeddingParameters() {
        return stored(EMBEDDING).elements();
    }

    /** The dtype that holds every matrix without loss: that of the panels, or bf16 if all are stored so, or f32. */
    DType storedDType() {
        return layout.map(PanelLayout::dtype)
                .orElse(
                        matrices.values().stream().allMatch(matrix -> matrix.dtype() == DType.BF16)
                                ? DType.BF16
                                : DType.F32);
    }

    /** @throws FormatException if the weights cannot be held in this dtype */
    void check(DType dtype) throws FormatException {
        if (layout.isPresent()) {
            layout.get().check(subject, dtype);
        }
    }

    CausalLMHead head(DType dtype) {
        Matrix embedding = stored(EMBEDDING).load(device, dtype);
        return tied
                ? CausalLMHead.tied(embedding)
                : CausalLMHead.untied(embedding, stored(HEAD).load(device, dtype));
    }

    /** The decoder, its matrices read from the file into panels or mapped. */
    Decoder decoder(DType dtype) {
        return Decoder.of(shape().decoder(), new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                return stored(GPT2Parameters.layerName(spec))
                        .load(device, spec.role() == Role.POSITIONS ? positions(dtype) : dtype);
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                return GPT2Checkpoint.this
                        .vector(GPT2Parameters.layerName(spec) + (spec.name().endsWith(BIAS) ? BIAS : WEIGHT))
                        .toArray();
            }
        });
    }

    /** Positions are only looked up: quantising them would save little and cost precision. */
    private static DType positions(DType dtype) {
        return dtype == DType.INT8 ? DType.F32 : dtype;
    }

    private static String block(int layer) {
        return "h." + layer + ".";
    }

    private StoredMatrix stored(String name) {
        return Objects.requireNonNull(matrices.get(name), name);
    }

    private TensorView vector(String name) {
        return Objects.requireNonNull(vectors.get(name), name);
    }

    private GPT2Shape shape() {
        return config.shape();
    }

    /** The tensors of a model in {@link PanelLayout}. */
    static List<TensorView> panels(CausalLM model) {
        return model.namedParameters().stream().flatMap(GPT2Checkpoint::panels).toList();
    }

    private static Stream<TensorView> panels(Parameter parameter) {
        String name = tensorName(parameter);
        return switch (parameter) {
            case Parameter.OfMatrix matrix -> Stream.of(PanelLayout.tensor(name, matrix.matrix()));
            case Parameter.OfVector vector -> Stream.of(PanelLayout.vector(name, vector.numbers()));
        };
    }

    /** What a parameter's tensor is called in the files we write. */
    static String tensorName(Parameter parameter) {
        String name = parameter.name();
        return name.equals(HEAD + WEIGHT) ? name : PREFIX + name;
    }
}
