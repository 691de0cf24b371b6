package dev.causal4j.cli;

import dev.causal4j.model.EmbeddingConfig.Pooling;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option of commands that make vectors of texts. */
final class PoolingOptions extends SharedOptions {
    @Option(
            names = "--pooling",
            paramLabel = "MEAN|LAST",
            description =
                    "How the tokens' vectors become one, also for a model whose files do not say it; default: as they say.")
    private @Nullable Pooling pooling;

    Optional<Pooling> pooling() {
        return Optional.ofNullable(pooling);
    }
}
