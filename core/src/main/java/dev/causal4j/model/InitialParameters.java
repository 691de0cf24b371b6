package dev.causal4j.model;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The parameters of new models: seeded random numbers. Stateless and thread-safe. */
final class InitialParameters {
    private InitialParameters() {}

    /** The rate of the head that forgets fastest. The other rates are spread below it, as in published models. */
    private static final float FASTEST = 16;

    /** Makes the numbers of a matrix from the matrix's own stream of random numbers; stream 0 is the sampler's. */
    private interface Numbers {
        Matrix.PanelSource of(ParameterSpec spec, int stream);
    }

    /** A model to train; see {@link CausalLM#create}. */
    static CausalLM normal(ModelConfig config, long seed, LoadOptions options, TextFiles text) {
        return model(config, options, text, _ -> null, (spec, stream) -> (from, width, wide) -> {
            for (int n = 0; n < width; n++) {
                for (int k = 0; k < spec.cols(); k++) {
                    long index = (long) (from + n) * spec.cols() + k;
                    wide[k * Panels.WIDTH + n] = (float) (spec.deviation() * CounterRandom.normal(seed, index, stream));
                }
            }
        });
    }

    /** A model to measure speed with; see {@link CausalLM#random}. Tables, which files keep, take no memory. */
    static CausalLM uniform(ModelConfig config, long seed, LoadOptions options) {
        Function<ParameterSpec, Matrix.@Nullable Source> tables =
                spec -> (n, row) -> uniform(new SplittableRandom(seed + n), spec, row, Panels.WIDTH);
        return model(config, options, TextFiles.of(null), tables, (spec, stream) -> (from, width, wide) -> {
            uniform(new SplittableRandom(seed + ((long) stream << 32) + from), spec, wide, width);
        });
    }

    private static void uniform(SplittableRandom random, ParameterSpec spec, float[] wide, int width) {
        float unit = (float) (spec.deviation() * Math.sqrt(3) / (1 << 15));
        long bits = 0;
        for (int i = 0; i < wide.length; i++, bits >>>= 16) {
            bits = i % 4 == 0 ? random.nextLong() : bits;
            wide[i] = i % Panels.WIDTH < width ? unit * (short) bits : 0;
        }
    }

    private static CausalLM model(
            ModelConfig config,
            LoadOptions options,
            TextFiles text,
            Function<ParameterSpec, Matrix.@Nullable Source> tables,
            Numbers numbers) {
        DType dtype = Objects.requireNonNullElse(options.dtype(), DType.F32);
        long total = config.weightBytes(dtype);
        Device device = Device.open(options.compute(), total + options.cacheBytes());
        AtomicLong done = new AtomicLong();
        AtomicInteger streams = new AtomicInteger(1);
        Parameters parameters = Parameters.of(
                spec -> {
                    Matrix.PanelSource source = numbers.of(spec, streams.getAndIncrement());
                    DType held = PanelLayout.held(spec, dtype);
                    Matrix made = Matrix.of(device, held, spec.rows(), spec.cols(), source);
                    long bytes = done.addAndGet(Matrix.bytes(held.format(), spec.rows(), spec.cols()));
                    options.progress().accept(bytes, total);
                    return made;
                },
                spec -> {
                    float[] vector = new float[spec.rows()];
                    boolean factor = spec.role() == Role.BUFFER && spec.kind().equals("weight");
                    Arrays.fill(vector, spec.role() == Role.GAIN || factor ? 1 : 0);
                    for (int i = 0; spec.role() == Role.DECAY && i < vector.length; i++) {
                        vector[i] = -FASTEST * (i + 1) / vector.length;
                    }
                    if (spec.deviation() > 0) {
                        fill(vector, numbers.of(spec, streams.getAndIncrement()));
                    }
                    return vector;
                },
                Map.of(),
                tables);
        return CausalLM.owning(
                device.arena(), config.type(), config, parameters, options.cache(), text, ModelDigests.NONE);
    }

    private static void fill(float[] vector, Matrix.PanelSource source) {
        float[] panel = new float[Panels.WIDTH];
        for (int from = 0; from < vector.length; from += panel.length) {
            int width = Math.min(panel.length, vector.length - from);
            source.fill(from, width, panel);
            System.arraycopy(panel, 0, vector, from, width);
        }
    }
}
