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
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The one place that knows how a Hugging Face checkpoint names and lays out GPT-2's tensors: with the prefix
 * {@code transformer.} or without, linear weights as Conv1D [in, out], the head under {@code lm_head.weight} or nowhere.
 */
final class GPT2Checkpoint {
    private static final System.Logger LOG = System.getLogger(GPT2Checkpoint.class.getName());

    private static final String EMBEDDING = "wte.weight";
    private static final String POSITIONS = "wpe.weight";
    private static final List<String> LINEARS = List.of("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj");
    private static final String HEAD = "lm_head.weight";
    private static final String PREFIX = "transformer.";

    /** Causal masks that old versions stored as if they were weights. */
    private static final Pattern BUFFER = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private final String subject;
    private final TensorStore tensors;
    private final GPT2Config config;
    private final String prefix;
    private final Set<String> used = new HashSet<>();

    /** @param subject what messages call the checkpoint */
    GPT2Checkpoint(String subject, TensorStore tensors, GPT2Config config) {
        this.subject = subject;
        this.tensors = tensors;
        this.config = config;
        this.prefix = tensors.names().stream().anyMatch(name -> name.startsWith(PREFIX)) ? PREFIX : "";
    }

    /** The dtype that holds every matrix without loss: bf16 if all are stored so, else f32. */
    DType storedDType() throws FormatException {
        List<TensorView> matrices = new ArrayList<>();
        matrices.add(embedding());
        matrices.add(tensors.tensor(prefix + POSITIONS));
        for (int layer = 0; layer < shape().layers(); layer++) {
            for (String linear : LINEARS) {
                matrices.add(tensors.tensor(block(layer) + linear + ".weight"));
            }
        }
        TensorView head = headOrNull();
        if (head != null) {
            matrices.add(head);
        }
        return matrices.stream().allMatch(matrix -> matrix.dtype() == DType.BF16) ? DType.BF16 : DType.F32;
    }

    /**
     * The head, tied as SEMANTICS says: with one of the two tensors it serves for both; two equal ones are tied when the
     * configuration says so; two different ones are never tied.
     */
    CausalLMHead head(DType dtype) throws FormatException {
        TensorView embedding = embedding();
        Matrix matrix = Matrix.of(dtype, embedding);
        TensorView head = headOrNull();
        if (head == null && !config.tied()) {
            throw new FormatException(
                    subject,
                    HEAD + ", since tie_word_embeddings is false",
                    "no such tensor",
                    "set tie_word_embeddings to true to use the embedding");
        }
        if (head == null || head.name().equals(embedding.name())) {
            return CausalLMHead.tied(matrix);
        }
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

    private TensorView embedding() throws FormatException {
        // A tied checkpoint may hold the head alone.
        boolean headAlone = config.tied()
                && !tensors.names().contains(prefix + EMBEDDING)
                && tensors.names().contains(HEAD);
        return checked(headAlone ? HEAD : prefix + EMBEDDING, config.vocabularySize(), shape().hiddenSize());
    }

    private @Nullable TensorView headOrNull() throws FormatException {
        return tensors.names().contains(HEAD) ? checked(HEAD, config.vocabularySize(), shape().hiddenSize()) : null;
    }

    private static boolean equal(TensorView a, TensorView b) {
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

    /** The backbone. Every shape is checked before anything is allocated for it. */
    GPT2Backbone backbone(DType dtype) throws FormatException {
        GPT2Shape shape = shape();
        int d = shape.hiddenSize();
        Matrix positions = Matrix.of(dtype, checked(prefix + POSITIONS, shape.contextLength(), d));
        List<GPT2Block> blocks = new ArrayList<>();
        for (int layer = 0; layer < shape.layers(); layer++) {
            String block = block(layer);
            blocks.add(new GPT2Block(
                    norm(block + "ln_1", d),
                    linear(dtype, block + "attn.c_attn", d, 3 * d),
                    linear(dtype, block + "attn.c_proj", d, d),
                    norm(block + "ln_2", d),
                    linear(dtype, block + "mlp.c_fc", d, shape.innerSize()),
                    linear(dtype, block + "mlp.c_proj", shape.innerSize(), d)));
        }
        return new GPT2Backbone(shape, positions, blocks, norm(prefix + "ln_f", d));
    }

    /**
     * Looks at the tensors nobody asked for. One inside a block would change what the model computes, so it is an error;
     * others, such as a second head, are named in a log line.
     */
    void checkUnused() throws FormatException {
        Set<String> unused = new TreeSet<>(tensors.names());
        unused.removeAll(used);
        unused.removeIf(name -> BUFFER.matcher(withoutPrefix(name)).matches());
        for (String name : unused) {
            if (withoutPrefix(name).startsWith("h.")) {
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

    private String block(int layer) {
        return prefix + "h." + layer + ".";
    }

    private String withoutPrefix(String name) {
        return name.startsWith(prefix) ? name.substring(prefix.length()) : name;
    }

    private Linear linear(DType dtype, String name, int in, int out) throws FormatException {
        TensorView weight = checked(name + ".weight", in, out);
        float[] bias = checked(name + ".bias", out).toArray();
        return new Linear(Matrix.ofTransposed(dtype, weight), bias);
    }

    private LayerNorm norm(String name, int size) throws FormatException {
        return new LayerNorm(
                checked(name + ".weight", size).toArray(),
                checked(name + ".bias", size).toArray());
    }

    private TensorView checked(String name, long... shape) throws FormatException {
        TensorView tensor = tensors.tensor(name);
        List<Long> expected = Arrays.stream(shape).boxed().toList();
        if (!tensor.shape().equals(expected)) {
            throw new FormatException(
                    subject + ", tensor " + name,
                    "shape " + expected,
                    tensor.shape().toString(),
                    "the configuration and the weights do not belong together");
        }
        used.add(name);
        return tensor;
    }

    private GPT2Shape shape() {
        return config.shape();
    }
}
