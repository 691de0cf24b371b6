package dev.causal4j.cli;

import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that name a model without weights: a configuration of any family. */
final class ShapeOptions extends SharedOptions {
    /** Resources of this package; the last six have about the sizes of the embedded model. */
    private static final String SHAPES = "smollm2-135m, smollm2-360m, qwen2.5-0.5b, qwen3-0.6b, qwen3.5-0.8b,"
            + " llama-3.2-1b, gemma-3-270m, gemma-3-1b, gemma-4-e2b, lfm2-1.2b, granite-4-h-1b, gpt2-small,"
            + " gpt2-5m, llama-5m, gemma4-5m, qwen3.5-5m, lfm2-5m or granite4-5m";

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "A new model of this config.json, in Hugging Face's keys, of any family.")
    private @Nullable Path config;

    @Option(names = "--shape", paramLabel = "NAME", description = "A new model of a known shape: " + SHAPES + ".")
    private @Nullable String shape;

    /**
     * A model to describe or to measure.
     *
     * @param checkpoint empty if there is only a configuration
     */
    record Model(ModelConfig config, DType dtype, Optional<Checkpoint> checkpoint) {}

    /** The folder of {@code --config}, if given. */
    Optional<Path> folder() {
        return Optional.ofNullable(config).map(file -> file.toAbsolutePath().getParent());
    }

    /** Whether there is a configuration. Refuses two models. */
    boolean isGiven(ModelOptions model) {
        boolean given = config != null || shape != null;
        if (given && (model.isGiven() || (config != null && shape != null))) {
            String other = config != null && shape != null ? "--config" : "--model";
            String option = shape != null ? "--shape" : "--config";
            throw Usage.wrong(spec, "model: expected " + other + " or " + option + ", got both");
        }
        return given;
    }

    /** The configuration, if there is one. */
    Optional<ModelConfig> read(ModelOptions model) throws IOException {
        if (!isGiven(model)) {
            return Optional.empty();
        }
        if (config != null) {
            return Optional.of(ModelConfig.read(config));
        }
        try (InputStream in = ShapeOptions.class.getResourceAsStream("shapes/" + shape + ".json")) {
            if (in == null) {
                throw Usage.wrong(spec, "shape: expected " + SHAPES + ", got " + Visible.quoted(String.valueOf(shape)));
            }
            return Optional.of(ModelConfig.parse(new String(in.readAllBytes(), StandardCharsets.UTF_8)));
        }
    }

    /** The configuration, in the dtype in which it says that weights are stored, or the model of the other options. */
    Model open(ModelOptions model) throws IOException {
        Optional<ModelConfig> read = read(model);
        if (read.isPresent()) {
            model.useThreads();
            var source = read.get().source();
            DType half = source.containsValue("float16") ? DType.F16 : DType.F32;
            DType stored = source.containsValue("bfloat16") ? DType.BF16 : half;
            return new Model(read.get(), model.dtype().orElse(stored), Optional.empty());
        }
        Checkpoint checkpoint = model.open();
        return new Model(checkpoint.config(), checkpoint.dtype(model.options()), Optional.of(checkpoint));
    }
}
