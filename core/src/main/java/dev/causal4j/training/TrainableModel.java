package dev.causal4j.training;

import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.format.TensorView;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.MutableMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The model of a trainer: trained parameters are f32 copies, frozen ones are shared with the source. Owns the memory of
 * copies, gradients and moments. Not thread-safe.
 */
final class TrainableModel implements AutoCloseable {
    private static final long FIRST_ADAPTER_STREAM = 0x6c6f7261_00000000L; // "lora"

    final Gradients gradients;
    final CausalLM model;
    long trainedParameters;
    private final CausalLM source;
    private final ModelConfig config;
    private final boolean ownsSource;
    private final TrainingScope scope;
    private final long seed;
    private final Device device;
    private final List<Supplier<TrainedParameter>> tracked = new ArrayList<>();
    private final List<TrainedParameter> parameters = new ArrayList<>(); // empty until first use

    /** @param ownsSource whether to close the source: with this model, or at once if nothing of it is shared */
    TrainableModel(CausalLM source, boolean ownsSource, TrainingScope scope, long seed) {
        this(source, ownsSource, scope, seed, source.config());
    }

    /** @param config that of the source, tied or not; everything is trained if the source differs */
    private TrainableModel(CausalLM source, boolean ownsSource, TrainingScope scope, long seed, ModelConfig config) {
        String got = source.dtype().label() + "; load it in f32";
        LearningRate.refuse(source.dtype().isQuantised(), "training: expected a model in f32, f16 or bf16, got " + got);
        LearningRate.refuse(
                source.config().specs().stream().anyMatch(spec -> source.adapter(spec) != null),
                "training: expected a model without an adapter, got one with it; merge it first");
        this.source = source;
        this.config = config;
        this.ownsSource = ownsSource;
        this.scope = scope;
        this.seed = seed;
        this.device = Device.open(source.head().compute());
        this.gradients = new Gradients(device);
        try {
            this.model = source.with(config, new Copies());
        } catch (Throwable failure) {
            device.arena().close();
            if (ownsSource) {
                source.close();
            }
            throw failure;
        }
        if (ownsSource && scope instanceof TrainingScope.All) {
            source.close();
        }
    }

    /** Copies and tracks trained parameters; others come from the source. */
    private final class Copies implements Parameters {
        private long adapterStream = FIRST_ADAPTER_STREAM;

        @Override
        public Matrix matrix(ParameterSpec spec) {
            if (!scope.includes(spec, source.config())) {
                return source.matrix(spec);
            }
            Matrix.Source rows = averages(spec) ? mean(source.head()) : source.stored(spec);
            MutableMatrix copy = rows == null
                    ? MutableMatrix.copyOf(device, source.matrix(spec))
                    : MutableMatrix.of(device, spec.rows(), spec.cols(), rows);
            return track(name(spec), false, copy);
        }

        @Override
        public Matrix.@Nullable Source stored(ParameterSpec table) {
            return scope.includes(table, source.config()) ? null : source.stored(table);
        }

        @Override
        public float[] vector(ParameterSpec spec) {
            float[] vector = source.vector(spec);
            if (!scope.includes(spec, source.config())) {
                return vector;
            }
            float[] copy = vector.clone();
            Origin.Form form = config.form(spec);
            for (int i = 0; i < copy.length && spec.role() == Role.GAIN; i++) {
                copy[i] = form.read(form.write(copy[i])); // as a checkpoint gives it back
            }
            float[] gradient = gradients.track(copy);
            trainedParameters += copy.length;
            boolean decays = spec.role() == Role.CONVOLUTION;
            tracked.add(() -> TrainedParameter.of(name(spec), decays, form, copy, gradient));
            return copy;
        }

        @Override
        public @Nullable LowRank adapter(ParameterSpec weight) {
            long stream = adapterStream++;
            return scope instanceof TrainingScope.LowRank lowRank && lowRank.adapts(weight)
                    ? begin(lowRank, weight, stream)
                    : source.adapter(weight);
        }

        /** Makes an untrained adapter. Its tensors have the names of PEFT, Hugging Face's library for adapters. */
        private LowRank begin(TrainingScope.LowRank lowRank, ParameterSpec weight, long stream) {
            int cols = weight.cols();
            double bound = 1 / Math.sqrt(cols);
            String name = name(weight).replaceFirst("\\.weight$", "");
            MutableMatrix down = MutableMatrix.of(device, lowRank.rank(), cols, (n, row) -> {
                for (int k = 0; k < cols; k++) {
                    row[k] = (float) (bound * (2 * CounterRandom.uniform(seed, (long) n * cols + k, stream) - 1));
                }
            });
            MutableMatrix up = MutableMatrix.zeros(device, weight.rows(), lowRank.rank());
            float scale = (float) (lowRank.alpha() / lowRank.rank());
            return new LowRank(
                    track(name + ".lora_A.weight", true, down), track(name + ".lora_B.weight", true, up), scale);
        }

        private Matrix track(String name, boolean adapter, MutableMatrix copy) {
            Matrix matrix = copy.matrix();
            Gradient gradient = gradients.track(matrix);
            trainedParameters += matrix.parameters();
            tracked.add(() -> TrainedParameter.of(device, name, adapter, copy, gradient));
            return matrix;
        }
    }

    /** A parameter's name in checkpoints. */
    private String name(ParameterSpec spec) {
        return config.label(spec);
    }

    /** Whether the parameter is one table here and two in the source. */
    private boolean averages(ParameterSpec spec) {
        return spec.equals(config.embedding())
                && config.tied()
                && !source.head().tied();
    }

    private static Matrix.Source mean(CausalLMHead head) {
        return (n, row) -> {
            head.embedding().row(n, row, 0);
            float[] other = new float[row.length];
            head.projection().row(n, other, 0);
            for (int k = 0; k < row.length; k++) {
                row[k] = (row[k] + other[k]) / 2;
            }
        };
    }

    /**
     * This model with its head untied or tied, and its moments: of an untied table those of the tied one, of a tied one
     * the sums of both. This one must be closed and not be used any more.
     */
    TrainableModel withTied(boolean tied) {
        TrainableModel other =
                new TrainableModel(model, false, scope, seed, model.config().withTied(tied));
        Map<String, TensorView> known =
                state().stream().collect(Collectors.toMap(TensorView::name, Function.identity()));
        String embedding = name(config.embedding());
        String projection = name(config.head());
        for (TensorView target : other.state()) {
            boolean ofHead = target.name().startsWith(projection);
            TensorView own =
                    known.get(ofHead ? embedding + target.name().substring(projection.length()) : target.name());
            target.data().copyFrom(Objects.requireNonNull(own).data());
            if (tied && target.name().startsWith(embedding + ".")) {
                TensorView more = known.get(projection + target.name().substring(embedding.length()));
                add(Objects.requireNonNull(more).data(), target.data());
            }
        }
        return other;
    }

    private static void add(MemorySegment numbers, MemorySegment sums) {
        for (long i = 0; i < sums.byteSize(); i += Float.BYTES) {
            float sum = sums.get(ValueLayout.JAVA_FLOAT, i) + numbers.get(ValueLayout.JAVA_FLOAT, i);
            sums.set(ValueLayout.JAVA_FLOAT, i, sum);
        }
    }

    /** The trained parameters with their moments, allocated on first use, when the source may already be closed. */
    List<TrainedParameter> parameters() {
        tracked.forEach(made -> parameters.add(made.get()));
        tracked.clear();
        return parameters;
    }

    /** The tensors that a checkpoint stores and restores beside the model. */
    List<TensorView> state() {
        return parameters().stream()
                .flatMap(parameter -> parameter.state().stream())
                .toList();
    }

    /** The norm of all gradients together, with a tied matrix once, in double and in a fixed order. */
    double gradientNorm() {
        // Not sum(), which compensates rounding errors.
        return Math.sqrt(parameters().stream()
                .mapToDouble(parameter -> parameter.squaredNorm().getAsDouble())
                .reduce(0, Double::sum));
    }

    /**
     * One step of the optimizer, after which the gradients are 0 again.
     *
     * @param step 1 for the first
     * @param gradientScale factor of the gradients
     */
    void update(AdamW adamW, long step, double rate, double gradientScale) {
        AdamWStep decaying = adamW.step(step, rate, gradientScale, true);
        AdamWStep plain = adamW.step(step, rate, gradientScale, false);
        for (TrainedParameter parameter : parameters()) {
            parameter.update().accept(parameter.decays() ? decaying : plain);
        }
        gradients.clear();
    }

    @Override
    public void close() {
        model.close();
        device.arena().close();
        if (ownsSource) {
            source.close();
        }
    }
}
