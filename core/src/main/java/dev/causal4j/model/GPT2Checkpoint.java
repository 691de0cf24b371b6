package dev.causal4j.model;

import dev.causal4j.backbone.GPT2Backbone;
import dev.causal4j.backbone.GPT2Block;
import dev.causal4j.backbone.GPT2Shape;
import dev.causal4j.backbone.LayerNorm;
import dev.causal4j.backbone.Linear;
import dev.causal4j.format.FormatException;
import dev.causal4j.format.TensorStore;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * The one place that knows how a Hugging Face checkpoint names and lays out GPT-2's tensors: with the prefix
 * {@code transformer.} or without, linear weights as Conv1D [in, out], the head under {@code lm_head.weight} or nowhere.
 */
final class GPT2Checkpoint {
    private static final System.Logger LOG = System.getLogger(GPT2Checkpoint.class.getName());

    private static final String EMBEDDING = "wte.weight";
    private static final String POSITIONS = "wpe.weight";
    private static final String HEAD = "lm_head.weight";
    private static final String PREFIX = "transformer.";

    /** Causal masks that old versions stored as if they were weights. */
    private static final Pattern BUFFER = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private final String subject;
    private final TensorStore tensors;
    private final GPT2Config config;
    private final String prefix;

    /** The tensors of the model by their names without prefix, shapes checked; the head only if the file has one. */
    private final Map<String, TensorView> views = new HashMap<>();

    /**
     * Checks names and shapes of all tensors; nothing is read or allocated for them yet.
     *
     * @param subject what messages call the checkpoint
     * @throws FormatException if one is missing, has another shape, or does not belong to the model
     */
    GPT2Checkpoint(String subject, TensorStore tensors, GPT2Config config) throws FormatException {
        this.subject = subject;
        this.tensors = tensors;
        this.config = config;
        this.prefix = tensors.names().stream().anyMatch(name -> name.startsWith(PREFIX)) ? PREFIX : "";
        int d = shape().hiddenSize();
        checkEmbeddingAndHead(List.of((long) config.vocabularySize(), (long) d));
        check(POSITIONS, shape().contextLength(), d);
        for (int layer = 0; layer < shape().layers(); layer++) {
            String block = block(layer);
            checkPair(block + "ln_1", d);
            checkPair(block + "attn.c_attn", d, 3 * d);
            checkPair(block + "attn.c_proj", d, d);
            checkPair(block + "ln_2", d);
            checkPair(block + "mlp.c_fc", d, shape().innerSize());
            checkPair(block + "mlp.c_proj", shape().innerSize(), d);
        }
        checkPair("ln_f", d);
        checkUnused();
    }

    private void checkEmbeddingAndHead(List<Long> shape) throws FormatException {
        boolean hasHead = tensors.names().contains(HEAD);
        if (hasHead) {
            views.put(HEAD, checked(HEAD, shape));
        }
        if (hasHead && config.tied() && !tensors.names().contains(prefix + EMBEDDING)) {
            views.put(EMBEDDING, view(HEAD)); // a tied checkpoint may hold the head alone
        } else {
            views.put(EMBEDDING, checked(prefix + EMBEDDING, shape));
        }
        if (!hasHead && !config.tied()) {
            throw new FormatException(
                    subject,
                    HEAD + ", since tie_word_embeddings is false",
                    "no such tensor",
                    "set tie_word_embeddings to true to use the embedding");
        }
    }

    /** A weight and the bias that has as many numbers as the weight's last dimension. */
    private void checkPair(String name, int... shape) throws FormatException {
        check(name + ".weight", shape);
        check(name + ".bias", shape[shape.length - 1]);
    }

    private void check(String name, int... shape) throws FormatException {
        views.put(
                name,
                checked(
                        prefix + name,
                        Arrays.stream(shape).mapToLong(size -> size).boxed().toList()));
    }

    private TensorView checked(String name, List<Long> shape) throws FormatException {
        TensorView tensor = tensors.tensor(name);
        if (!tensor.shape().equals(shape)) {
            throw new FormatException(
                    subject + ", tensor " + name,
                    "shape " + shape,
                    tensor.shape().toString(),
                    "the configuration and the weights do not belong together");
        }
        return tensor;
    }

    /**
     * Looks at the tensors the model has no use for. One inside a block would change what the model computes, so it is an
     * error; others, such as a second head, are named in a log line.
     */
    private void checkUnused() throws FormatException {
        Set<String> unused = new TreeSet<>();
        for (String name : tensors.names()) {
            String bare = name.startsWith(prefix) ? name.substring(prefix.length()) : name;
            if (!views.containsKey(bare) && !BUFFER.matcher(bare).matches()) {
                unused.add(name);
            }
        }
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
            LOG.log(
                    System.Logger.Level.WARNING,
                    "{0}: not used: {1}",
                    subject,
                    FormatException.quote(unused.toString()));
        }
    }

    /** The dtype that holds every matrix without loss: bf16 if all are stored so, else f32. */
    DType storedDType() {
        return views.values().stream()
                        .filter(view -> view.shape().size() == 2)
                        .allMatch(view -> view.dtype() == DType.BF16)
                ? DType.BF16
                : DType.F32;
    }

    /**
     * The head, tied as Hugging Face transformers 5 ties: with one of the two tensors it serves for both; two equal ones
     * are tied when the configuration says so; two different ones are never tied.
     */
    CausalLMHead head(DType dtype) {
        TensorView embedding = view(EMBEDDING);
        Matrix matrix = Matrix.of(dtype, embedding);
        TensorView head = views.getOrDefault(HEAD, embedding);
        if (config.tied() && equal(embedding, head)) {
            return CausalLMHead.tied(matrix);
        }
        if (config.tied()) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "{0}: tie_word_embeddings is true, but {1} differs from {2}; the head is not tied",
                    subject,
                    HEAD,
                    prefix + EMBEDDING);
        }
        return CausalLMHead.untied(matrix, Matrix.of(dtype, head));
    }

    private static boolean equal(TensorView a, TensorView b) {
        if (a.data().equals(b.data())) {
            return true;
        }
        if (a.dtype() == b.dtype()) {
            return a.data().mismatch(b.data()) < 0;
        }
        int cols = Math.toIntExact(a.shape().getLast());
        float[] x = new float[cols];
        float[] y = new float[cols];
        for (long from = 0; from < a.elements(); from += cols) {
            a.copyTo(from, x, 0, cols);
            b.copyTo(from, y, 0, cols);
            if (Arrays.mismatch(x, y) >= 0) {
                return false;
            }
        }
        return true;
    }

    /** The backbone, read from the file into panels. */
    GPT2Backbone backbone(DType dtype) {
        List<GPT2Block> blocks = new ArrayList<>();
        for (int layer = 0; layer < shape().layers(); layer++) {
            String block = block(layer);
            blocks.add(new GPT2Block(
                    norm(block + "ln_1"),
                    linear(dtype, block + "attn.c_attn"),
                    linear(dtype, block + "attn.c_proj"),
                    norm(block + "ln_2"),
                    linear(dtype, block + "mlp.c_fc"),
                    linear(dtype, block + "mlp.c_proj")));
        }
        // Positions are only looked up: quantising them would save little and cost precision.
        DType positions = dtype == DType.INT8 ? DType.F32 : dtype;
        return new GPT2Backbone(shape(), Matrix.of(positions, view(POSITIONS)), blocks, norm("ln_f"));
    }

    private static String block(int layer) {
        return "h." + layer + ".";
    }

    private Linear linear(DType dtype, String name) {
        return new Linear(
                Matrix.ofTransposed(dtype, view(name + ".weight")),
                view(name + ".bias").toArray());
    }

    private LayerNorm norm(String name) {
        return new LayerNorm(
                view(name + ".weight").toArray(), view(name + ".bias").toArray());
    }

    private TensorView view(String name) {
        return Objects.requireNonNull(views.get(name), name);
    }

    private GPT2Shape shape() {
        return config.shape();
    }
}
