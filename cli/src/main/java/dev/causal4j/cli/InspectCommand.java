package dev.causal4j.cli;

import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.GenerationDefaults;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Shows a model's sizes and parameters, and what tying saves, without reading weights. */
@Command(name = "inspect", description = "Shows a model's sizes and parameters, and what tying saves.")
final class InspectCommand implements Callable<Integer> {
    @Mixin
    private ModelOptions options;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        Checkpoint checkpoint = options.open();
        ObjectNode facts = facts(checkpoint, checkpoint.dtype(options.options()));
        PrintWriter out = spec.commandLine().getOut();
        if (options.json()) {
            Json.print(out, facts);
        } else {
            facts.properties()
                    .forEach(fact -> out.printf("%-26s %s%n", fact.getKey().replace('_', ' '), show(fact)));
            out.flush();
        }
        return 0;
    }

    private static ObjectNode facts(Checkpoint model, DType dtype) {
        ModelConfig config = model.config();
        BlockConfig block = config.decoder().blocks().getFirst();
        long saved = config.tied() ? config.embedding().size() : 0;
        ObjectNode facts = Json.object()
                .put("architecture", config.family().type())
                .put("parameters", config.parameters())
                .put("tied", config.tied())
                .put("parameters_saved_by_tying", saved)
                .put("vocabulary_size", config.vocabularySize())
                .put("context_length", config.decoder().contextLength())
                .put("hidden_size", config.decoder().hiddenSize())
                .put("layers", config.decoder().blocks().size())
                .put("heads", block.attention().heads())
                .put("head_size", block.attention().headSize())
                .put("inner_size", block.feedForward().each().innerSize())
                .put("dtype", dtype.label())
                .put("tokenizer", model.tokenizer().isPresent());
        if (config.bos().isPresent()) {
            facts.put("bos_token_id", config.bos().getAsInt());
        } else {
            facts.putNull("bos_token_id");
        }
        config.eos().stream().sorted().forEach(facts.putArray("eos_token_ids")::add);
        GenerationDefaults defaults = config.generation();
        if (!defaults.equals(GenerationDefaults.NONE)) {
            facts.putObject("generation")
                    .put("temperature", defaults.temperature())
                    .put("top_k", defaults.topK())
                    .put("top_p", defaults.topP())
                    .put("min_p", defaults.minP())
                    .put("typical_p", defaults.typicalP())
                    .put("repetition_penalty", defaults.repetitionPenalty())
                    .put("no_repeat_ngram_size", defaults.noRepeatNgramSize());
        }
        return facts;
    }

    private static String show(Map.Entry<String, JsonNode> fact) {
        JsonNode value = fact.getValue();
        boolean count = value.isIntegralNumber() && !fact.getKey().endsWith("_id");
        return count ? String.format(Locale.ROOT, "%,d", value.longValue()) : value.asString(value.toString());
    }
}
