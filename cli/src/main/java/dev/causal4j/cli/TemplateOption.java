package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that names a chat template. */
final class TemplateOption {
    @Option(names = "--template", paramLabel = "FILE", description = "A chat template; default: that of the model.")
    private @Nullable Path file;

    boolean isGiven() {
        return file != null;
    }

    /** The template as in {@link #read}, of a model's files. */
    ChatTemplate require(@Nullable Path model) throws IOException {
        ChatTemplate.Source ofModel =
                model == null ? ChatTemplate.Source.NONE : Checkpoint.readTemplates(ModelOptions.path(model));
        return read(ofModel)
                .orElseThrow(() -> new IOException(
                        model + ": expected a model with a chat template, got none; give one with --template"));
    }

    /** The template of {@code --template} with the special tokens of the model, or else the model's own. */
    Optional<ChatTemplate> read(ChatTemplate.Source ofModel) throws IOException {
        return file == null
                ? ofModel.parse()
                : Optional.of(ChatTemplate.parse(file.toString(), TextInput.file(file), ofModel.specialTokens()));
    }

    /** The template as in {@link #read}, or else a plain transcript. */
    ChatTemplate readOrPlain(Checkpoint model) throws IOException {
        return read(model.templates()).orElseGet(ChatTemplate::plain);
    }
}
